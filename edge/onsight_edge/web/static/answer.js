// The decision, large, and the scores behind it.

import { byId, element, percent, show } from "./dom.js";

const SPOKEN_EVERY_MS = 3000; // a screen reader is not to be talked over

export class Answer {
  #spokenAt = 0;
  #spoken = "";
  #threshold = 0;

  setThreshold(threshold) {
    this.#threshold = threshold;
  }

  // result: as the API sends it; null before the first one
  show(result) {
    const name = result?.decision ?? result?.label ?? "…";
    const score = result?.decision_score ?? result?.score;
    const unknown = name === "unknown";
    show(byId("label"), name);
    byId("label").toggleAttribute("data-unknown", unknown || result === null);
    show(byId("score"), score === undefined ? "" : percent(score));
    const title = result === null ? "onsight" : `${name} – onsight`;
    if (document.title !== title) document.title = title;
    this.#bars(result?.top ?? [], unknown);
    show(byId("bars-note"), this.#explain(result, unknown));
    this.#speak(result === null ? "" : name);
  }

  #bars(top, unknown) {
    const list = byId("bars");
    list.toggleAttribute("data-unknown", unknown);
    while (list.children.length > top.length) list.lastElementChild.remove();
    top.forEach(([name, score], at) => {
      const row = list.children[at] ?? list.appendChild(bar());
      const [label, track, share] = row.children;
      show(label, name);
      label.title = name;
      track.firstElementChild.style.width = `${score * 100}%`;
      const mark = track.lastElementChild;
      mark.hidden = !(this.#threshold > 0);
      mark.style.left = `calc(${this.#threshold * 100}% - 1px)`;
      show(share, percent(score));
    });
  }

  #explain(result, unknown) {
    if (result === null) return "No picture has been classified yet.";
    const parts = [];
    if (unknown) parts.push(`No class reaches the threshold of ${percent(this.#threshold)}.`);
    else if (this.#threshold > 0) parts.push(`The mark is the threshold, ${percent(this.#threshold)}.`);
    if (result.truth) parts.push(`The picture is known to show: ${result.truth}.`);
    return parts.join(" ");
  }

  #speak(name) {
    const now = performance.now();
    if (name === this.#spoken || now - this.#spokenAt < SPOKEN_EVERY_MS) return;
    this.#spoken = name;
    this.#spokenAt = now;
    show(byId("spoken"), name);
  }
}

function bar() {
  const mark = element("span", { className: "mark", hidden: true });
  return element(
    "li",
    {},
    element("span", { className: "name" }),
    element("span", { className: "track", "aria-hidden": "true" }, element("span", { className: "fill" }), mark),
    element("span", { className: "share" }),
  );
}
