// The events of the server, for as long as the page is open; connects again when the connection is lost.
import { events } from "./api.js";

const LONGEST_PAUSE_MS = 10_000;

export class Live {
  // `on` has a function for each event. `onState` gets "open" or "lost", or at the end "absent", for a server without
  // events, or "refused", for a user who gives no token.
  constructor(server, on, onState) {
    this.abort = new AbortController();
    this.server = server;
    this.on = on;
    this.onState = onState;
    this.run();
  }

  close() {
    this.abort.abort();
  }

  async run() {
    for (let pauseMs = 500; !this.abort.signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const response = await this.server.fetch("GET", "/ui/data/events", { signal: this.abort.signal });
        if (response.status === 401) return this.onState("refused");
        const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
        if (response.status < 500 && response.status !== 429 && !isStream) return this.onState("absent");
        if (isStream) {
          this.onState("open");
          pauseMs = 250;
          for await (const { name, data } of events(response)) this.on[name]?.(data);
        }
      } catch (error) {
        if (error.name === "AbortError") return;
      }
      this.onState("lost");
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
