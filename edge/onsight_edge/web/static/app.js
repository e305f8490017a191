// The dashboard: what the device says, put where it belongs.

import { read, request, send } from "./api.js";
import { Answer } from "./answer.js";
import { Chart } from "./charts.js";
import { Collect } from "./collect.js";
import { byId, duration, element, pairs, show } from "./dom.js";
import { Feed } from "./feed.js";
import { History } from "./history.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";

const stage = new Stage();
const answer = new Answer();
const collect = new Collect(stage);
const history = new History();
const settings = new Settings((inForce) => answer.setThreshold(inForce.threshold));
const feed = new Feed();
const charts = {
  fps: new Chart(byId("charts"), "Results", "a second"),
  age: new Chart(byId("charts"), "Frame age, the oldest of each second", "ms"),
  drops: new Chart(byId("charts"), "Frames dropped", "a second", 0),
};

let run = null;
let oldest = null;
let dropped = null;
let latest = null;
let recording = false;
let gone = true;

function status(kind, text) {
  byId("status").dataset.state = kind;
  show(byId("status-text"), text);
}

feed.addEventListener("result", ({ detail: result }) => {
  latest = result;
  oldest = Math.max(oldest ?? 0, result.age_ms);
  if (stage.held === null) answer.show(result);
});

feed.addEventListener("state", ({ detail: state }) => {
  if (gone) begin();
  gone = false;
  settings.update(state.settings);
  if (latest === null && state.result !== null && stage.held === null) answer.show(state.result);
  if (state.result === null && latest === null) answer.show(null);
  charts.fps.push(state.flowing ? state.fps : null);
  charts.age.push(state.flowing ? oldest : null);
  charts.drops.push(dropped === null || state.dropped < dropped ? 0 : state.dropped - dropped);
  [oldest, dropped] = [null, state.dropped];
  notices(state.notices);
  device(state);
  record(state.recording);
  if (state.flowing) {
    status("live", "live");
    stage.note("");
  } else if (state.since_ms === null) {
    status("starting", "waiting for a picture");
    stage.note("Waiting for the first picture");
  } else {
    status("away", "no picture");
    stage.note(`No new picture for ${duration(state.since_ms / 1000)}. This is the last one.`);
  }
});

for (const kind of ["decision", "notice"]) {
  feed.addEventListener(kind, ({ detail: event }) => history.add(event));
}

feed.addEventListener("end", () => lost("the run has ended"));
feed.addEventListener("cut", () => lost("no connection"));

function lost(why) {
  gone = true;
  status("gone", why);
  stage.note(why === "no connection" ? "The device does not answer. Trying again." : "The run has ended.");
  for (const chart of Object.values(charts)) chart.push(null);
}

async function begin() {
  let info;
  try {
    info = await read("/api/info");
  } catch {
    return; // the next state tries again
  }
  if (run !== null && run !== info.run) {
    [latest, dropped] = [null, null];
    answer.show(null);
  }
  run = info.run;
  stage.setSize(info.source.size_wh);
  stage.refresh();
  show(byId("what"), `${info.model.name} on ${info.source.name}`);
  facts(info);
  collect.start(info.model.classes);
  history.start();
}

function notices(list) {
  const parent = byId("notices");
  const texts = list.map((notice) => notice.text);
  if (texts.join("\n") === [...parent.children].map((item) => item.textContent).join("\n")) return;
  parent.replaceChildren(...texts.map((text) => element("li", {}, text)));
}

function device(state) {
  const { temperature_c: heat, mhz, governor, held_back: held } = state.device;
  const rows = [];
  if (heat !== null) rows.push(["Temperature", `${heat.toFixed(1)} °C`]);
  if (mhz !== null) rows.push(["Clock", `${(mhz / 1000).toFixed(2)} GHz${governor ? `, ${governor}` : ""}`]);
  if (held.length) rows.push(["Held back", held.join(", "), true]);
  rows.push(["Frames", `${state.classified.toLocaleString()} classified, ${state.dropped.toLocaleString()} dropped`]);
  if (state.age_ms) {
    const { p50, p90, p99 } = state.age_ms;
    rows.push(["Frame age", `p50 ${p50.toFixed(1)}, p90 ${p90.toFixed(1)}, p99 ${p99.toFixed(1)} ms`]);
  }
  const { skipped, frozen, reopened } = state.source;
  const wrong = [[skipped, "damaged"], [frozen, "frozen"], [reopened, "times lost and back"]].filter(([count]) => count);
  if (wrong.length) rows.push(["Source", wrong.map(([count, what]) => `${count} ${what}`).join(", ")]);
  for (const sink of state.sinks.filter(({ name }) => name !== "status")) {
    if (sink.error) rows.push([sink.name, sink.error, true]);
    else if (sink.dropped) rows.push([sink.name, `${sink.written} written, ${sink.dropped} dropped`]);
  }
  rows.push(["Running for", duration(state.uptime_s)]);
  pairs(byId("device"), rows);
}

function facts(info) {
  const { model, backend, device: board } = info;
  const classes = model.classes.length;
  pairs(byId("facts"), [
    ["Model", model.name],
    ["Variant", model.variant ?? "–"],
    ["Input", `${model.input_size_wh.join(" × ")} pixels, ${classes} classes`],
    ["Runtime", `${backend.name} ${backend.version}, ${backend.detail}, threads: ${backend.threads}`],
    ["Source", `${info.source.name}${info.source.size_wh ? `, ${info.source.size_wh.join(" × ")}` : ""}`],
    ["Device", [board.model, board.cpu].filter(Boolean).join(", ") || board.machine],
    ["System", [board.os, board.machine, `${board.cores} cores`].filter(Boolean).join(", ")],
    ["onsight", info.onsight],
    ["File", model.sha256 ? `SHA-256 ${model.sha256.slice(0, 16)}…` : "–"],
  ]);
}

function record(state) {
  const button = byId("record");
  recording = state.recording;
  button.disabled = !state.possible;
  button.title = state.possible ? "" : "Start the run with --web-folder FOLDER to record.";
  button.classList.toggle("hot", recording);
  button.setAttribute("aria-pressed", String(recording));
  show(button, recording ? `Stop ${duration(state.seconds ?? 0)}` : "Record");
  if (state.error) show(byId("picture-note"), `The recording failed: ${state.error}.`, true);
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    show(byId("picture-note"), `${error.message[0].toUpperCase()}${error.message.slice(1)}.`, true);
  }
}

const actions = {
  pause: () =>
    attempt(async () => {
      if (stage.held === null) await stage.hold();
      else stage.release();
      const held = stage.held !== null;
      byId("pause").setAttribute("aria-pressed", String(held));
      show(byId("pause"), held ? "Go on" : "Pause");
      show(byId("picture-note"), held ? "Held: this frame is what Collect saves." : "");
    }),
  snapshot: () =>
    attempt(async () => {
      const response = await request("/snapshot.jpg?plain=1");
      const url = URL.createObjectURL(await response.blob());
      const name = `onsight-${response.headers.get("X-Frame")}.jpg`;
      element("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
      show(byId("picture-note"), `Saved on this computer as ${name}.`);
    }),
  record: () =>
    attempt(async () => {
      const state = await send("/api/recording", { action: recording ? "stop" : "start" });
      show(byId("picture-note"), state.recording ? "Recording into the run's folder." : `Recorded: ${state.name ?? "done"}.`);
      record(state);
    }),
  overlay: () => {
    stage.setPlain(!stage.plain);
    byId("overlay").setAttribute("aria-pressed", String(!stage.plain));
  },
  full: () =>
    attempt(async () => {
      if (document.fullscreenElement) await document.exitFullscreen();
      else await byId("frame").requestFullscreen();
    }),
  help: () => byId("shortcuts").showModal(),
  theme: () => {
    const order = ["system", "light", "dark"];
    const root = document.documentElement;
    const next = order[(order.indexOf(root.dataset.theme ?? "system") + 1) % order.length];
    if (next === "system") delete root.dataset.theme;
    else root.dataset.theme = next;
    try {
      localStorage.setItem("onsight-theme", next);
    } catch {
      // it holds until the page is closed
    }
    nameTheme();
  },
};

function nameTheme() {
  const theme = document.documentElement.dataset.theme;
  byId("theme").setAttribute("aria-label", `Theme: ${theme ?? "as the system"}`);
  byId("theme").title = byId("theme").getAttribute("aria-label");
  show(byId("theme"), { light: "☀", dark: "☾" }[theme] ?? "◐");
}

const keys = { " ": "pause", s: "snapshot", r: "record", o: "overlay", f: "full", "?": "help" };
addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || byId("shortcuts").open) return;
  if (event.key === " " && event.target.closest("button, a, .events")) return; // which it presses or scrolls already
  if (/^[1-9]$/.test(event.key)) collect.saveNumber(Number(event.key));
  else if (event.key === "c") byId("class-name").focus();
  else if (event.key in keys && !byId(keys[event.key]).disabled) actions[keys[event.key]]();
  else return;
  event.preventDefault();
});

for (const [id, action] of Object.entries(actions)) byId(id).addEventListener("click", action);
nameTheme();
answer.show(null);
feed.start();
