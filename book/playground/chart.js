// A frame for curves and bars: levels on the left, ticks below, as wide as its place.
import { html, replace, set, show, svg } from "./dom.js";

const LEFT = 42;
const RIGHT = 17;
const TOP = 12;
const BOTTOM = 22;
const LEVELS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

export class Chart {
  constructor(model, height) {
    this.model = model;
    this.width = 340;
    this.height = height;
    this.picture = svg("svg", { class: "chart", role: "img", height });
    this.element = html("div", {}, this.picture);
    new ResizeObserver(() => this.measure()).observe(this.picture);
  }

  /** Keeps one unit of the drawing as large as a pixel, and so the letters readable. */
  measure() {
    const width = Math.round(this.picture.clientWidth);
    if (width > 0 && width !== this.width) {
      this.width = width;
      this.model.notify();
    }
  }

  /** From what to what the axes go: x from `first` to `last`, y from 0 to `top`. */
  scale([first, last], top) {
    [this.first, this.span, this.top] = [first, last - first, top];
    [this.left, this.right] = [LEFT, this.width - RIGHT];
    [this.ceiling, this.base] = [TOP, this.height - BOTTOM];
  }

  x(value) {
    return this.left + ((value - this.first) / this.span) * (this.right - this.left);
  }

  y(value) {
    return this.base - (value / this.top) * (this.base - this.ceiling);
  }

  /** The share of the axis at which a pointer is, from 0 to 1. */
  share(event) {
    const box = this.picture.getBoundingClientRect();
    return (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  }

  /** Shows all: curves are cut off at the top, marks are not. */
  show(name, ticks, curves, marks) {
    const { width, height, base } = this;
    const [y, depth] = [TOP - 4, base - TOP + 5];
    const window = { y, width, height: depth, viewBox: `0 ${y} ${width} ${depth}` };
    set(this.picture, { viewBox: `0 0 ${width} ${height}`, "aria-label": name });
    replace(this.picture, [
      ...[0, 0.5, 1].flatMap((share) => this.level(share * this.top)),
      ...ticks.map(([value, text]) => this.tick(this.x(value), text)),
      svg("svg", window, ...curves),
      ...marks,
    ]);
  }

  level(value) {
    const text = { class: "tick end", x: this.left - 5, y: this.y(value) + 4 };
    return [
      this.line("level", [this.left, this.y(value)], [this.right, this.y(value)]),
      svg("text", text, value ? show(value, 2) : "0"),
    ];
  }

  tick(x, text) {
    return svg("text", { class: "tick", x, y: this.base + 15 }, text);
  }

  line(name, [x1, y1], [x2, y2]) {
    return svg("line", { class: name, x1, y1, x2, y2 });
  }

  dot(name, x, value, r = 4.5) {
    const cy = this.y(Math.min(value, 1.03 * this.top));
    return svg("circle", { class: name, cx: this.x(x), cy, r });
  }

  /** A path through values; broken where one is NaN. */
  path(name, xs, values) {
    let pen = "M";
    const path = values.map((value, k) => {
      const y = Math.max(-500, Math.min(2000, this.y(value)));
      const piece = `${pen}${this.x(xs[k]).toFixed(1)},${y.toFixed(1)}`;
      pen = Number.isNaN(value) ? "M" : "L";
      return Number.isNaN(value) ? "" : piece;
    });
    return svg("path", { class: name, d: path.join("") });
  }
}

/** The next larger of 1, 1.5, 2, 3, 4, 5, 6 and 8 times a power of ten. */
export function niceCeiling(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * LEVELS.find((level) => level * power >= x * 0.999999);
}
