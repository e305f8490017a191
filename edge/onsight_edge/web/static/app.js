"use strict";
const byId = (id) => document.getElementById(id);
const items = (texts) => texts.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
const events = new EventSource("/api/events");
events.addEventListener("result", (event) => {
  const result = JSON.parse(event.data);
  byId("label").textContent = result.decision ?? result.label;
  byId("bars").replaceChildren(...items(result.top.map(([name, score]) => `${name} ${(score * 100).toFixed(0)} %`)));
});
events.addEventListener("state", (event) => {
  const state = JSON.parse(event.data);
  const age = state.age_ms === null ? "-" : `${state.age_ms.p50.toFixed(1)} ms`;
  byId("facts").textContent = `${state.fps} fps, age ${age}, ${state.dropped} dropped`;
  byId("notices").replaceChildren(...items(state.notices.map((notice) => notice.text)));
});
