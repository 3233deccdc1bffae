// Plots of numbers over time, drawn as SVG by hand.

const NS = "http://www.w3.org/2000/svg";
const WIDTH = 320, HEIGHT = 110;
const LEFT = 52, RIGHT = 6, TOP = 8, BOTTOM = 20;
const GAP_S = 30; // without a sample for so long, a line is interrupted
const SPANS_MIN = [6, 12, 30, 60]; // what a plot may show: the shortest that holds all samples

function svg(tag, attributes, text) {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export class Plot {
  // `series` has a name for each line; `read` returns their values in a sample, null where there is none. The unit of
  // the values is 1 unless `unitOf` returns another one for the highest of them.
  constructor(place, title, series, read, format, unitOf = () => 1) {
    Object.assign(this, { title, series, read, format, unitOf });
    this.svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.latest = document.createElement("p");
    this.latest.className = "latest";
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.mark(this.samples?.at(-1)));
    const heading = document.createElement("h4");
    heading.textContent = title;
    place.replaceChildren(heading, this.latest, this.svg);
  }

  // Draws samples of the last hour; `at` is in seconds since the epoch.
  draw(samples) {
    this.to = samples.at(-1)?.at ?? Date.now() / 1000;
    const age = this.to - (samples[0]?.at ?? this.to);
    this.minutes = SPANS_MIN.find((minutes) => minutes * 60 >= age) ?? SPANS_MIN.at(-1);
    this.from = this.to - this.minutes * 60;
    this.samples = samples.filter(({ at }) => at >= this.from);
    const values = this.samples.flatMap(this.read).filter((value) => value !== null && value !== undefined);
    const highest = Math.max(0, ...values);
    this.top = ceiling(highest, this.unitOf(highest));
    this.svg.replaceChildren(...this.axes());
    this.series.forEach((_, index) => this.svg.append(svg("path", { class: `line line-${index}`, d: this.path(index) })));
    this.cursor = svg("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.svg.append(this.cursor);
    this.svg.setAttribute("aria-label", `${this.title}, the last ${this.minutes} minutes, at most ${this.format(highest)}`);
    this.mark(this.samples.at(-1));
  }

  x(at) {
    return LEFT + ((at - this.from) / (this.to - this.from)) * (WIDTH - LEFT - RIGHT);
  }

  y(value) {
    return TOP + (1 - value / this.top) * (HEIGHT - TOP - BOTTOM);
  }

  axes() {
    const made = [];
    for (const share of [0, 0.5, 1]) {
      const y = this.y(share * this.top);
      made.push(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }));
      made.push(svg("text", { x: LEFT - 5, y: y + 3.5, "text-anchor": "end" }, this.format(share * this.top)));
    }
    for (const share of [1, 2 / 3, 1 / 3, 0]) {
      const minutes = Math.round(share * this.minutes);
      const x = this.x(this.to - minutes * 60);
      const anchor = share === 1 ? "start" : share ? "middle" : "end";
      made.push(svg("text", { x, y: HEIGHT - 6, "text-anchor": anchor }, minutes ? `−${minutes} min` : "now"));
    }
    return made;
  }

  path(index) {
    let text = "", lastAt = -Infinity;
    for (const sample of this.samples) {
      const value = this.read(sample)[index];
      if (value === null || value === undefined) continue;
      const isStart = sample.at - lastAt > GAP_S;
      text += `${isStart ? "M" : "L"}${this.x(sample.at).toFixed(1)} ${this.y(value).toFixed(1)}`;
      if (isStart) text += "h0.5"; // a single sample is a visible dot
      lastAt = sample.at;
    }
    return text;
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const at = this.from + (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * (this.to - this.from);
    const nearest = this.samples?.reduce((best, each) => (Math.abs(each.at - at) < Math.abs(best.at - at) ? each : best), this.samples[0]);
    this.mark(nearest, true);
  }

  // Writes the values of a sample above the plot.
  mark(sample, isPointed = false) {
    this.cursor?.setAttribute("visibility", isPointed && sample ? "visible" : "hidden");
    if (!sample) return void (this.latest.textContent = "no samples yet");
    const x = this.x(sample.at);
    this.cursor.setAttribute("x1", x);
    this.cursor.setAttribute("x2", x);
    const values = this.read(sample);
    this.latest.replaceChildren(...this.series.map((name, index) => {
      const part = document.createElement("span");
      part.className = `key key-${index}`;
      part.textContent = `${name} ${values[index] === null || values[index] === undefined ? "–" : this.format(values[index])}`;
      return part;
    }));
    if (isPointed) this.latest.append(` at ${new Date(sample.at * 1000).toLocaleTimeString()}`);
  }
}

// The next round number above: 1, 2 or 5 times a power of ten, in a unit.
function ceiling(value, unit) {
  if (!value) return unit;
  const power = 10 ** Math.floor(Math.log10(value / unit)) * unit;
  return [1, 2, 5, 10].find((step) => step * power >= value) * power;
}
