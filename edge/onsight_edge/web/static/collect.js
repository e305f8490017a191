// Pictures for the next training: one tap, or one key, saves the present frame under a class name.

import { read, send } from "./api.js";
import { byId, element, show } from "./dom.js";

const MOST_CHIPS = 12;
const SUGGESTED = 2000;

export class Collect {
  #classes = [];
  #counts = {};
  #chips = [];
  #possible = false;
  #stage;

  constructor(stage) {
    this.#stage = stage;
    byId("collect").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = byId("class-name").value.trim();
      if (name) this.save(name);
      else show(byId("collect-note"), "Name the class first.", true);
    });
  }

  async start(classes) {
    this.#classes = classes;
    byId("class-names").replaceChildren(...classes.slice(0, SUGGESTED).map((value) => element("option", { value })));
    try {
      this.#take(await read("/api/collect"));
    } catch (error) {
      show(byId("collect-note"), error.message, true);
    }
  }

  // The chip with that number, from 1.
  saveNumber(number) {
    const name = this.#chips[number - 1];
    if (name !== undefined && this.#possible) this.save(name);
  }

  async save(label) {
    const frame = this.#stage.held;
    try {
      const answer = await send("/api/collect", frame === null ? { label } : { label, frame });
      this.#take(answer);
      const count = answer.labels[label];
      show(byId("collect-note"), `Frame ${answer.saved.frame} saved as ${label}: ${count} now.${room(answer)}`);
      byId("class-name").value = "";
    } catch (error) {
      show(byId("collect-note"), `Not saved: ${error.message}.`, true);
    }
  }

  #take(answer) {
    this.#possible = answer.possible;
    this.#counts = answer.labels;
    byId("collect").hidden = !answer.possible;
    byId("collect-why").hidden = answer.possible;
    show(
      byId("collect-why"),
      answer.possible ? "" : "Start the run with --web-folder FOLDER, and pictures can be saved here for the next training.",
    );
    this.#draw();
  }

  #draw() {
    const used = Object.keys(this.#counts);
    const others = this.#classes.filter((name) => !(name in this.#counts));
    const names = [...used.sort(), ...others].slice(0, Math.max(MOST_CHIPS, used.length));
    const known = new Set(this.#chips);
    // those that stand keep their places, and with them their keys
    this.#chips = [...this.#chips.filter((name) => names.includes(name)), ...names.filter((name) => !known.has(name))];
    const parent = byId("chips");
    while (parent.children.length > this.#chips.length) parent.lastElementChild.remove();
    this.#chips.forEach((name, at) => {
      const chip = parent.children[at] ?? parent.appendChild(this.#chip(at));
      const [key, label, count] = chip.children;
      show(label, name);
      show(count, String(this.#counts[name] ?? 0));
      chip.setAttribute("aria-label", `Save as ${name}; ${this.#counts[name] ?? 0} so far`);
      key.hidden = at > 8;
    });
  }

  #chip(at) {
    const chip = element(
      "button",
      { type: "button" },
      element("kbd", {}, String(at + 1)),
      element("span", { className: "chip-name" }),
      element("span", { className: "count" }),
    );
    chip.addEventListener("click", () => this.save(this.#chips[at]));
    return chip;
  }
}

function room(answer) {
  const share = answer.budget_bytes ? answer.bytes / answer.budget_bytes : 0;
  return share > 0.9 ? ` The folder is ${Math.round(share * 100)} % full.` : "";
}
