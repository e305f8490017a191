// Figures over the last two minutes, a point a second.

import { element, show } from "./dom.js";

const POINTS = 120;
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 44;

export class Chart {
  #values = []; // null: nothing was heard in that second
  #title;
  #unit;
  #digits;

  constructor(parent, title, unit, digits = 1) {
    this.#title = title;
    this.#unit = unit;
    this.#digits = digits;
    this.now = element("span", { className: "now" });
    this.range = element("figcaption", { className: "range" });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true"); // the caption says it in words
    const base = shape("line", { class: "base", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT });
    this.area = shape("path", { class: "area" });
    this.line = shape("path", { class: "line" });
    this.svg.append(base, this.area, this.line);
    const head = element("span", { className: "title" }, title);
    parent.append(element("figure", { className: "chart" }, head, this.now, this.svg, this.range));
    this.#draw();
  }

  push(value) {
    this.#values.push(Number.isFinite(value) ? value : null);
    if (this.#values.length > POINTS) this.#values.shift();
    this.#draw();
  }

  #draw() {
    const known = this.#values.filter((value) => value !== null);
    const last = this.#values.at(-1) ?? null;
    this.now.replaceChildren(
      last === null ? "–" : this.#text(last),
      element("span", { className: "unit" }, ` ${this.#unit}`),
    );
    if (!known.length) {
      show(this.range, `${this.#title}: nothing was heard yet`);
      return;
    }
    const low = Math.min(...known);
    const high = Math.max(...known);
    show(this.range, `${this.#text(low)} to ${this.#text(high)} ${this.#unit} in the last ${this.#span()}`);
    const top = high > 0 ? high * 1.08 : 1; // from zero up: a small change looks small
    const x = (at) => WIDTH - ((this.#values.length - 1 - at) * WIDTH) / (POINTS - 1);
    const y = (value) => HEIGHT - (value / top) * (HEIGHT - 3);
    let line = "";
    let area = "";
    let from = null;
    this.#values.forEach((value, at) => {
      if (value === null) {
        if (from !== null) area += `L${x(at - 1).toFixed(1)} ${HEIGHT}Z`;
        from = null;
        return;
      }
      const point = `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      line += `${from === null ? "M" : "L"}${point}`;
      area += from === null ? `M${x(at).toFixed(1)} ${HEIGHT}L${point}` : `L${point}`;
      from = at;
    });
    if (from !== null) area += `L${WIDTH} ${HEIGHT}Z`;
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
  }

  #text(value) {
    return value.toFixed(value >= 100 ? 0 : this.#digits);
  }

  #span() {
    const seconds = this.#values.length;
    return seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  }
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
