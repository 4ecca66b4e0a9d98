// The matrices as heat maps: distance, probability, mask, and p - q. A cell and a pair of
// points are linked: the pointer on one names the other.
import { html, replace, set, show, styleOf, svg } from "./dom.js";
import { kindOf } from "./loss.js";
import { pairText } from "./stage.js";

// The color map cividis at nine places, as in the chapters' figures.
const CIVIDIS = ["00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bbae6d", "dcc95a", "fee838"]
  .map((code) => [0, 2, 4].map((k) => parseInt(code.slice(k, k + 2), 16)));
const PULL = [22, 126, 200];
const PUSH = [217, 95, 14];
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const KINDS = [
  { name: "distance", symbol: "d", values: "distances", scale: (top) => `0 to ${top}`, color: cividis },
  { name: "probability", symbol: "p", values: "probability", scale: (top) => `0 to ${top}`, color: cividis },
  { name: "mask", symbol: "", words: "who is whose partner", scale: () => "partner, stranger" },
  { name: "pull and push", symbol: "p\u00a0−\u00a0q", values: "force", scale: (top) => `±${top}`, color: forceColor },
];

export class Matrices {
  constructor(model) {
    this.model = model;
    this.maps = KINDS.map((kind) => new HeatMap(model, kind, this));
    this.readout = html("p", { class: "readout", "aria-live": "polite" });
    this.element = html("div", {}, html("div", { class: "maps" }, ...this.maps.map((map) => map.element)), this.readout);
  }

  draw() {
    this.maps.forEach((map) => map.draw());
    const { hover, looking, state } = this.model;
    this.readout.textContent = hover?.j in state.points ? pairText(this.model, hover.i, hover.j)
      : looking in state.points ? `The frame marks the row of point ${looking + 1}: whom it sees. Point at a cell to see the pair.`
        : "Point at a cell, or go there with the arrow keys, to see the pair.";
  }
}

class HeatMap {
  constructor(model, kind, group) {
    this.model = model;
    this.kind = kind;
    this.group = group;
    this.cell = [0, 0];
    this.canvas = html("canvas", { width: 1, height: 1 });
    this.overlay = svg("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.sides = svg("svg", { class: "side", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.heads = svg("svg", { class: "head", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.box = html(
      "div",
      {
        class: "map",
        tabindex: 0,
        role: "img",
        pointermove: (event) => this.look(event),
        pointerdown: (event) => this.look(event),
        pointerleave: () => model.point(null),
        keydown: (event) => this.key(event),
        focus: () => { if (this.box.matches(":focus-visible")) this.show(); },
        blur: () => model.point(null),
      },
      this.canvas, this.overlay, this.sides, this.heads,
    );
    this.caption = html("figcaption");
    this.element = html("figure", {}, this.box, this.caption);
  }

  draw() {
    const { order, result } = this.model;
    const { name, symbol } = this.kind;
    const values = result[this.kind.values];
    const top = Math.max(1e-12, ...(values ?? []).flatMap((row) => [...row].map(Math.abs)));
    this.paint(order, (i, j) => (values ? this.kind.color(values[i][j] / top) : maskColor(this.model, i, j)));
    this.frame(order);
    const scale = this.kind.scale(show(top));
    replace(this.caption, [
      html("strong", {}, name), ` ${symbol}`, html("span", { class: `scale ${name.replace(/ /g, "-")}` }, scale),
    ]);
    set(this.box, {
      "aria-label": `Matrix of ${name}, ${order.length} by ${order.length}: ` +
        `${this.kind.words ?? scale}. Arrow keys go from cell to cell.`,
    });
  }

  paint(order, colorOf) {
    const n = order.length;
    if (!n) return;
    if (this.canvas.width !== n) Object.assign(this.canvas, { width: n, height: n });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(n, n);
    order.forEach((i, row) => order.forEach((j, column) => {
      image.data.set(colorOf(i, j), 4 * (row * n + column));
    }));
    context.putImageData(image, 0, 0);
  }

  /** The row that is looked at, the cell, and the classes along the sides. */
  frame(order) {
    const { hover, looking, state } = this.model;
    const n = order.length;
    set(this.overlay, { viewBox: `0 0 ${n || 1} ${n || 1}` });
    set(this.sides, { viewBox: `0 0 1 ${n || 1}` });
    set(this.heads, { viewBox: `0 0 ${n || 1} 1` });
    const row = order.indexOf(looking);
    const column = order.indexOf(hover?.j);
    const parts = [];
    const frame = (x, width) => ["under", "over"].forEach((name) =>
      parts.push(svg("rect", { class: name, x, y: row, width, height: 1 })));
    if (row >= 0) frame(0, n);
    if (row >= 0 && column >= 0) frame(column, 1);
    replace(this.overlay, parts);
    const key = order.map((i) => state.labels[i]).join();
    if (key === this.sideKey) return;
    this.sideKey = key;
    const strip = (across) => order.map((i, k) => svg("rect", {
      class: styleOf(state.labels[i]), [across]: k, width: 1.02, height: 1.02,
    }));
    replace(this.sides, strip("y"));
    replace(this.heads, strip("x"));
  }

  look(event) {
    const { order } = this.model;
    const box = this.canvas.getBoundingClientRect();
    const at = (share) => Math.max(0, Math.min(order.length - 1, Math.floor(share * order.length)));
    this.cell = [at((event.clientY - box.top) / box.height), at((event.clientX - box.left) / box.width)];
    this.show();
  }

  show() {
    const { order } = this.model;
    const [row, column] = this.cell.map((k) => Math.min(k, order.length - 1));
    if (order.length) this.model.point({ i: order[row], j: order[column] });
  }

  key(event) {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const last = this.model.order.length - 1;
    this.cell = this.cell.map((k, axis) => Math.max(0, Math.min(last, k + move[axis])));
    this.show();
  }
}

function cividis(share) {
  const place = Math.max(0, Math.min(1, share)) * (CIVIDIS.length - 1);
  const k = Math.min(CIVIDIS.length - 2, Math.floor(place));
  const mix = CIVIDIS[k].map((low, c) => low + (CIVIDIS[k + 1][c] - low) * (place - k));
  return [...mix, 255];
}

function maskColor({ state }, i, j) {
  const kind = kindOf(state.labels, i, j);
  if (kind === "partner") return [...PULL, 255];
  return kind === "stranger" ? [128, 128, 128, 70] : [0, 0, 0, 0];
}

function forceColor(share) {
  return [...(share < 0 ? PULL : PUSH), Math.round(255 * Math.sqrt(Math.abs(share)))];
}
