// What the device sends by itself. EventSource comes back by itself after a cut; where it gave up, we begin anew, ever
// more slowly. Ids of events are carried over, so that nothing that happened meanwhile is missed.

const SILENCE_MS = 5000; // the server sends a state every second
const MOST_WAIT_MS = 15000;

export class Feed extends EventTarget {
  #source = null;
  #last = null;
  #heardAt = 0;
  #wait = 1000;
  #timer = 0;

  start() {
    this.#open();
    setInterval(() => this.#look(), 1000);
  }

  get silentMs() {
    return performance.now() - this.#heardAt;
  }

  #open() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#source?.close();
    this.#heardAt = performance.now();
    const after = this.#last === null ? "" : `?after=${encodeURIComponent(this.#last)}`;
    this.#source = new EventSource(`/api/events${after}`);
    for (const kind of ["result", "state", "decision", "notice", "end"]) {
      this.#source.addEventListener(kind, (event) => this.#hear(kind, event));
    }
    this.#source.addEventListener("error", () => {
      this.dispatchEvent(new Event("cut"));
      if (this.#source.readyState === EventSource.CLOSED) this.#later();
    });
  }

  #hear(kind, event) {
    this.#heardAt = performance.now();
    this.#wait = 1000;
    if (event.lastEventId) this.#last = event.lastEventId;
    let value;
    try {
      value = JSON.parse(event.data);
    } catch {
      return;
    }
    this.dispatchEvent(new CustomEvent(kind, { detail: value }));
  }

  #look() {
    // a network that went away without a word: the browser would wait for minutes
    if (this.silentMs > SILENCE_MS && !this.#timer) {
      this.dispatchEvent(new Event("cut"));
      this.#later();
    }
  }

  #later() {
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, MOST_WAIT_MS);
  }
}
