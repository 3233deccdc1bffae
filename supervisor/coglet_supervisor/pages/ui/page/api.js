// Client of one model server: the one that serves this page, or another one through the proxy of `cog playground`,
// because browsers block direct cross-origin requests.

export class ApiServer {
  // `target` is the URL of another server, or null. `askToken` returns a promise of the token, or of null.
  constructor(target, askToken) {
    this.target = target === null ? null : target.replace(/\/+$/, "");
    this.askToken = askToken;
    this.declined = 0; // how often the user was asked, and gave no token
    this.last = null; // the latest inspected request and its response
  }

  get isOwn() {
    return this.target === null;
  }

  // The public URL of the server, for code to copy.
  get url() {
    return this.target ?? new URL("..", location.href).href.replace(/\/$/, "");
  }

  get token() {
    return sessionStorage.getItem(`token of ${this.url}`);
  }

  set token(value) {
    sessionStorage.setItem(`token of ${this.url}`, value);
  }

  // The response; one without access only if the user gives no token that the server accepts.
  async fetch(method, path, options = {}) {
    for (;;) {
      const { token: used, declined } = this;
      const response = await this.send(method, path, options);
      if (response.status !== 401) return response;
      // Another request may have asked for it in the meantime, and the answer is for this one too.
      if (this.token === used && (this.declined !== declined || !(await this.ask()))) return response;
    }
  }

  // All requests that need the token share one question.
  ask() {
    this.asking ??= this.askToken(this.token !== null).then((given) => {
      this.asking = undefined;
      if (given === null) this.declined += 1;
      else this.token = given;
      return given !== null;
    });
    return this.asking;
  }

  async send(method, path, { body, headers = {}, signal, inspect = false }) {
    const started = performance.now();
    const sent = body === undefined ? headers : { ...headers, "Content-Type": "application/json" };
    const response = await fetch(this.isOwn ? new URL(`..${path}`, location.href) : `proxy${path}`, {
      method,
      headers: { ...sent, ...this.access() },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    if (inspect) {
      this.last = {
        sent: { method, url: this.url + path, headers: sent, body },
        status: response.status,
        headers: upstreamHeaders(response),
        ms: Math.round(performance.now() - started),
      };
    }
    return response;
  }

  access() {
    const bearer = this.token === null ? {} : { [this.isOwn ? "Authorization" : "X-Cog-Token"]: `Bearer ${this.token}` };
    return this.isOwn ? bearer : { ...bearer, "X-Cog-Target": this.target };
  }

  // The body of a response; an Error with its text if it is not a success.
  async json(path, method = "GET") {
    const response = await this.fetch(method, path);
    const text = await response.text();
    const body = parsed(text);
    if (!response.ok) throw Object.assign(new Error(reason(body, text, response.status)), { status: response.status });
    return body;
  }
}

function upstreamHeaders(response) {
  const upstream = response.headers.get("X-Cog-Upstream-Headers");
  return upstream ? JSON.parse(atob(upstream)) : Object.fromEntries(response.headers);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// What an answer that is not a success says.
export function reason(body, text, status) {
  const detail = body?.detail ?? body?.error;
  if (Array.isArray(detail)) return detail.map((each) => `${each.loc?.at(-1)}: ${each.msg}`).join("\n");
  return String(detail || text.slice(0, 300) || `status ${status}`);
}

// Yields the events of a response of type text/event-stream. An event may have many megabytes: each piece is read once.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let parts = []; // of the event that is not complete
  let hasLineEnd = false; // the last of them ends with "\n"
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const piece = value.replaceAll("\r", "");
      if (!piece) continue;
      const blocks = piece.split("\n\n");
      if (hasLineEnd && piece.startsWith("\n")) blocks.splice(0, 1, "", piece.split("\n\n")[0].slice(1));
      hasLineEnd = blocks.at(-1).endsWith("\n");
      for (const block of blocks.slice(0, -1)) {
        const event = eventOf(parts.join("") + block);
        parts = [];
        if (event) yield event;
      }
      parts.push(blocks.at(-1));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function eventOf(block) {
  const event = { name: "message", data: "" };
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event.name = line.slice(6).trim();
    if (line.startsWith("data:")) event.data += line.slice(5).trimStart();
  }
  return event.data ? { name: event.name, data: JSON.parse(event.data) } : null;
}
