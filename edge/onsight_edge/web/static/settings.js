// Sliders that act on the run. What stands beside one is what the device confirmed; grey until it did.

import { send } from "./api.js";
import { byId, element, show } from "./dom.js";

const KINDS = [
  ["threshold", "Threshold", 0, 1, 0.01, (v) => v.toFixed(2), "Answers below it are unknown."],
  ["smooth", "Smoothing", 0, 5, 0.05, (v) => `${v.toFixed(2)} s`, "Scores are averaged over this time."],
  ["agree", "Agreement", 1, 30, 1, (v) => `${v} in a row`, "Results that must agree before the decision changes."],
  ["hysteresis", "Hysteresis", 0, 1, 0.01, (v) => v.toFixed(2), "How far another class must lead."],
];
const DEBOUNCE_MS = 150;

export class Settings {
  #rows = new Map();
  #first = null;
  #confirmed = {};
  #timer = 0;
  #touchedAt = -Infinity;
  #sending = false;
  #waiting = {};
  #changed;

  // changed: called with the settings in force
  constructor(changed) {
    this.#changed = changed;
    byId("settings-save").addEventListener("click", () => this.#save());
    byId("settings-back").addEventListener("click", () => this.#ask(present(this.#first)));
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
  }

  // From the state that comes every second: another client or a reload may have turned something.
  update(settings) {
    this.#first ??= settings;
    const save = byId("settings-save");
    save.disabled = !settings.savable;
    save.title = settings.savable ? "" : "The run was started without --config, so there is no file to save to.";
    if (!settings.savable && !byId("settings-note").textContent) {
      show(byId("settings-note"), "These hold until the run ends: start it with --config FILE to save them.");
    }
    if (this.#sending || this.#timer || performance.now() - this.#touchedAt < 1000) return;
    this.#confirm(settings);
  }

  #confirm(settings) {
    this.#confirmed = settings;
    for (const [key, title, low, high, step, text, hint] of KINDS) {
      const value = settings[key];
      if (value === null || value === undefined) {
        this.#rows.get(key)?.row.remove();
        this.#rows.delete(key);
        continue;
      }
      if (!this.#rows.has(key)) this.#rows.set(key, this.#make(key, title, low, high, step, text, hint));
      const { input, output } = this.#rows.get(key);
      if (value > Number(input.max)) input.max = value; // a flag may say more than the slider has
      if (Number(input.value) !== value) input.value = value;
      show(output, text(value));
      input.setAttribute("aria-valuetext", text(value));
      output.removeAttribute("data-pending");
    }
    this.#changed(settings);
  }

  #make(key, title, low, high, step, text, hint) {
    const id = `setting-${key}`;
    const input = element("input", { type: "range", id, min: low, max: high, step, "aria-describedby": `${id}-hint` });
    const output = element("output", { htmlFor: id });
    const row = element(
      "div",
      { className: "setting" },
      element("label", { htmlFor: id }, title),
      output,
      input,
      element("span", { className: "hint", id: `${id}-hint` }, hint),
    );
    input.addEventListener("input", () => {
      const value = Number(input.value);
      this.#touchedAt = performance.now();
      output.setAttribute("data-pending", "");
      show(output, text(value));
      input.setAttribute("aria-valuetext", text(value));
      this.#ask({ [key]: value });
    });
    byId("settings").append(row);
    return { row, input, output };
  }

  #ask(change) {
    Object.assign(this.#waiting, change);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), DEBOUNCE_MS);
  }

  async #send() {
    this.#timer = 0;
    if (this.#sending) return; // what was asked for meanwhile goes out when the answer is here
    this.#sending = true;
    const change = this.#waiting;
    this.#waiting = {};
    try {
      const answer = await send("/api/settings", change, "PUT");
      show(byId("settings-note"), "");
      if (!Object.keys(this.#waiting).length) this.#confirm(answer);
    } catch (error) {
      show(byId("settings-note"), `Nothing was changed: ${error.message}.`, true);
      this.#waiting = {};
      this.#confirm(this.#confirmed);
    } finally {
      this.#sending = false;
      if (Object.keys(this.#waiting).length && !this.#timer) this.#send();
    }
  }

  async #save() {
    try {
      this.#confirm(await send("/api/settings", { save: true }, "PUT"));
      show(byId("settings-note"), "Saved: the next start begins with these.");
    } catch (error) {
      show(byId("settings-note"), `Not saved: ${error.message}.`, true);
    }
  }
}

function present(settings) {
  return Object.fromEntries(KINDS.map(([key]) => [key, settings?.[key]]).filter(([, value]) => value != null));
}
