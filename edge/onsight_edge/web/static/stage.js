// The live picture. It is streamed only while the page can be seen; holding it shows one frame, which can be collected.

import { request } from "./api.js";
import { byId, show } from "./dom.js";

export class Stage {
  held = null; // the number of the frame that is held
  #live = byId("live");
  #plain = true;
  #url = null;
  #retry = 0;
  #wait = 1000;

  constructor() {
    this.#live.addEventListener("error", () => this.#again());
    this.#live.addEventListener("load", () => (this.#wait = 1000));
    document.addEventListener("visibilitychange", () => this.#update());
    addEventListener("pagehide", () => this.#stop());
    this.#update();
  }

  get plain() {
    return this.#plain;
  }

  setPlain(plain) {
    this.#plain = plain;
    if (this.held === null) this.#update();
  }

  setSize(size) {
    if (size) byId("frame").style.setProperty("--aspect", `${size[0]} / ${size[1]}`);
  }

  // A server that was away: begin anew at once.
  refresh() {
    if (this.held === null) this.#update();
  }

  async hold() {
    const response = await request(`/snapshot.jpg${this.#plain ? "?plain=1" : ""}`);
    const picture = await response.blob();
    const number = Number(response.headers.get("X-Frame"));
    this.#stop();
    this.#url = URL.createObjectURL(picture);
    this.#live.src = this.#url;
    this.held = number;
    this.#tag(`held: frame ${number}`);
  }

  release() {
    this.held = null;
    this.#update();
    this.#tag("");
  }

  note(text) {
    const node = byId("frame-note");
    node.hidden = text === "";
    show(node, text);
  }

  #tag(text) {
    const node = byId("frame-tag");
    node.hidden = text === "";
    show(node, text);
  }

  #update() {
    if (this.held !== null) return;
    this.#stop();
    if (document.visibilityState === "visible") {
      this.#live.src = `/stream.mjpg?${this.#plain ? "plain=1&" : ""}at=${Date.now()}`;
    }
  }

  #stop() {
    clearTimeout(this.#retry);
    this.#live.removeAttribute("src");
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#url = null;
  }

  #again() {
    if (this.held !== null || !this.#live.hasAttribute("src")) return;
    this.#stop();
    this.#retry = setTimeout(() => this.#update(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, 15000);
  }
}
