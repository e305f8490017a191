// What was decided and what went wrong, newest first.

import { read } from "./api.js";
import { byId, element, percent } from "./dom.js";

const MOST = 200;

export class History {
  #ids = new Set();

  async start() {
    try {
      const { events } = await read("/api/history?limit=100");
      events.forEach((event) => this.add(event));
    } catch {
      // the feed brings what is new
    }
  }

  add(event) {
    if (this.#ids.has(event.id)) return;
    this.#ids.add(event.id);
    const list = byId("events");
    list.prepend(event.kind === "decision" ? decision(event) : notice(event));
    while (list.children.length > MOST) {
      this.#ids.delete(list.lastElementChild.dataset.id);
      list.lastElementChild.remove();
    }
  }
}

function decision(event) {
  const before = event.before ? ` after ${event.before}` : "";
  const text = element("span", { className: "text" }, element("b", {}, event.event), before);
  return row(event, text, percent(event.score));
}

function notice(event) {
  const text = event.over ? `over: ${event.text}` : event.text;
  return row(event, element("span", { className: "text" }, text), "");
}

function row(event, text, aside) {
  const at = new Date(event.at);
  const time = element("time", { dateTime: event.at, title: at.toLocaleString() }, at.toLocaleTimeString([], { hourCycle: "h23" }));
  const made = element("li", {}, time, text, element("span", { className: "aside" }, aside));
  made.dataset.kind = event.kind;
  made.dataset.id = event.id;
  return made;
}
