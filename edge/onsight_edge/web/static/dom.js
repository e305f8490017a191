// Small helpers. Whatever comes from the device becomes text, never markup.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function show(node, text, bad = false) {
  if (node.textContent !== text) node.textContent = text;
  node.toggleAttribute("data-bad", bad && text !== "");
}

export const percent = (share) => `${(share * 100).toFixed(share < 0.0995 && share > 0 ? 1 : 0)} %`;

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":");
}

export function pairs(list, rows) {
  // rows: [name, text, bad]; nodes are kept, so that a reader's place in the page is
  while (list.children.length > rows.length) list.lastElementChild.remove();
  rows.forEach(([name, text, bad], at) => {
    const row = list.children[at] ?? list.appendChild(element("div", {}, element("dt"), element("dd")));
    show(row.firstElementChild, name);
    show(row.lastElementChild, text, Boolean(bad));
  });
}
