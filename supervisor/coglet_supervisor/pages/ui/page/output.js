// Shows what a model returned: text as text, images, audio and video with a player, everything else as JSON.
// All of it is untrusted: it becomes text nodes and the `src` of players, never HTML.
import { element } from "./element.js";
import { bytes, json } from "./format.js";

const PLAYERS = { image: "img", audio: "audio", video: "video" };
const BY_ENDING = { png: "image", jpg: "image", jpeg: "image", gif: "image", webp: "image", svg: "image", avif: "image",
  mp3: "audio", wav: "audio", ogg: "audio", flac: "audio", mp4: "video", webm: "video", mov: "video" };
const MOST_CHARACTERS = 100_000; // of one text; more of it would make the page slow
const MOST_FILES = 100; // found in one JSON value
const LONGEST_URL = 2000; // a longer one is text, except for a data URL, which is the file itself
const STEP = 100; // items of a list that are shown at once

export class OutputView {
  constructor(place) {
    this.place = place;
    this.clear();
  }

  clear() {
    this.items = [];
    this.limit = STEP;
    this.restart();
  }

  restart() {
    this.shown = 0;
    this.text = null;
    this.more = null;
    this.place.replaceChildren();
  }

  // Shows a whole output. With `joins`, the strings of a list are parts of one text.
  show(output, joins = false) {
    if (output === null || output === undefined) return this.clear();
    const items = Array.isArray(output) && (joins || output.some(isUrl) || output.every(isString)) ? output : [output];
    // After a stream, the output consists of the items that are shown already, or will be at the next frame.
    if (items.length === this.items.length && joins === this.joins && items.every((item, n) => item === this.items[n])) {
      return this.render();
    }
    this.joins = joins;
    this.items = items;
    this.limit = STEP;
    this.restart();
    this.render();
  }

  // Adds an item of a stream, at the next frame: a model may produce thousands of them per second.
  append(item, joins) {
    this.joins = joins;
    this.items.push(item);
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.render();
    });
  }

  render() {
    this.more?.remove();
    this.more = null;
    for (; this.shown < this.items.length; this.shown++) {
      const item = this.items[this.shown];
      if (this.joins && isString(item)) {
        this.text ??= this.add(new LongText());
        this.text.append(item);
      } else if (this.place.childElementCount < this.limit) {
        this.text = null;
        if (isString(item) && !isUrl(item)) this.add(new LongText()).append(item);
        else this.place.append(...shown(item));
      } else break;
    }
    const left = this.items.length - this.shown;
    if (!left) return;
    this.more = element("button", { type: "button", className: "more" }, `Show more (${left} of ${this.items.length} are hidden)`);
    this.more.onclick = () => {
      this.limit += STEP;
      this.render();
    };
    this.place.append(this.more);
  }

  add(view) {
    this.place.append(view.element);
    return view;
  }
}

// A text that grows; beyond a limit its beginning is shown, and all of it can be saved.
export class LongText {
  constructor(pre = element("pre")) {
    this.pre = pre;
    this.element = pre.parentElement ?? element("div", { className: "text" }, pre);
    this.clear();
  }

  clear() {
    this.parts = [];
    this.length = 0;
    this.note?.remove();
    this.note = null;
    this.pre.textContent = "";
  }

  append(text) {
    const room = MOST_CHARACTERS - this.length;
    this.parts.push(text);
    this.length += text.length;
    if (room > 0) this.pre.append(text.slice(0, room));
    if (this.length <= MOST_CHARACTERS) return;
    if (!this.note) {
      const save = element("button", { type: "button" }, "Save all of it");
      save.onclick = () => saveText(this.parts.join(""));
      this.note = element("p", { className: "quiet" }, element("span"), " ", save);
      this.pre.after(this.note);
    }
    this.note.firstChild.textContent = `The first ${MOST_CHARACTERS.toLocaleString()} of ${this.length.toLocaleString()} characters.`;
  }
}

function saveText(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  element("a", { href: url, download: "output.txt" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const isString = (value) => typeof value === "string";

export function isUrl(value) {
  return isString(value) && (/^data:[\w.+-]+\//i.test(value) || (value.length <= LONGEST_URL && /^https?:\/\/\S+$/i.test(value)));
}

function shown(item) {
  if (isUrl(item)) return [media(item)];
  const text = new LongText();
  text.append(json(item) ?? "");
  const files = [];
  find(item, files);
  return [text.element, ...files.map(media)];
}

// Finds the files in a JSON value, without recursion: it may be nested as deeply as it likes.
function find(value, files) {
  const waiting = [value];
  while (waiting.length && files.length < MOST_FILES) {
    const next = waiting.pop();
    if (isUrl(next)) files.push(next);
    else if (next && typeof next === "object") for (const each of Object.values(next).reverse()) waiting.push(each);
  }
}

function media(url) {
  const isData = url.startsWith("data:");
  const type = isData ? /^data:([\w.+/-]+)/i.exec(url)[1].toLowerCase() : "";
  const ending = isData ? "" : /\.(\w+)(?:[?#]|$)/.exec(url)?.[1].toLowerCase();
  const kind = isData ? type.split("/")[0] : Object.hasOwn(BY_ENDING, ending) && BY_ENDING[ending];
  const name = isData ? `output.${type.split("/")[1]?.split("+")[0] ?? "bin"}` : "output";
  const size = isData ? `${type}, ${bytes(Math.round((url.length - url.indexOf(",") - 1) * 0.75))}` : "";
  const link = element("a", isData ? { href: url, download: name } : { href: url, target: "_blank", rel: "noopener noreferrer" }, isData ? "Download" : url);
  const caption = element("figcaption", { className: "quiet" }, link, " ", size);
  const figure = element("figure", {}, caption);
  // Files on other servers are linked, not loaded.
  if (!Object.hasOwn(PLAYERS, kind) || !(isData || url.startsWith(`${location.origin}/`))) return figure;
  const player = element(PLAYERS[kind], { src: url, controls: true, alt: `Output of the model, ${type || ending}` });
  player.onerror = () => player.replaceWith(element("p", { className: "bad" }, `This ${kind} cannot be shown: it is damaged, or of a format that the browser does not know.`));
  figure.prepend(player);
  return figure;
}
