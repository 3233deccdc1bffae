// Client for the model server, through the playground's proxy: browsers block direct cross-origin requests.

export class Model {
  constructor(target) {
    this.target = target.replace(/\/+$/, "");
    this.last = null; // the latest request and its response, for the inspector
  }

  async fetch(method, path, { body, headers = {}, signal, inspect = false } = {}) {
    const started = performance.now();
    const sent = { method, url: this.target + path, headers, body };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch("/proxy" + path, {
      method,
      headers: { ...headers, "X-Cog-Target": this.target },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    if (inspect) {
      const upstream = response.headers.get("X-Cog-Upstream-Headers");
      this.last = {
        sent,
        status: response.status,
        headers: upstream ? JSON.parse(atob(upstream)) : {},
        ms: Math.round(performance.now() - started),
      };
    }
    return response;
  }

  async json(path) {
    const response = await this.fetch("GET", path);
    const body = await response.json();
    if (!response.ok) throw new Error(body.error || body.detail || `status ${response.status}`);
    return body;
  }
}

// Yields the events of a response of type text/event-stream.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value.replaceAll("\r", "");
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event:")) event.name = line.slice(6).trim();
        if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
      }
      if (event.data) yield { name: event.name, data: JSON.parse(event.data) };
    }
  }
}
