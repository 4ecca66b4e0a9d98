// The matrices as heat maps: distance, probability, mask, and p - q. A cell and a pair of
// points are linked: the pointer on one names the other.
import { html, replace, set, show, styleOf, svg } from "./dom.js";
import { KINDS, maskColor } from "./matrix_kinds.js";
import { pairText } from "./words.js";

const MOVES = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

export class Matrices {
  /** `names`: of the kinds that are shown, with "-" for a space; all by default. */
  constructor(model, names = null) {
    this.model = model;
    const isShown = ({ name }) => names?.includes(name.replace(/ /g, "-")) ?? true;
    this.maps = KINDS.filter(isShown).map((kind) => new HeatMap(model, kind));
    this.readout = html("p", { class: "readout", "aria-live": "polite" });
    const maps = html("div", { class: "maps" }, ...this.maps.map((map) => map.element));
    this.element = html("div", {}, maps, this.readout);
  }

  draw() {
    this.maps.forEach((map) => map.draw());
    this.readout.textContent = this.describe();
  }

  describe() {
    const { hover, looking, state } = this.model;
    if (hover?.j in state.points) return pairText(this.model, hover.i, hover.j);
    return looking in state.points
      ? `The frame marks whom point ${looking + 1} sees. Point at a cell to see the pair.`
      : "Point at a cell, or go there with the arrow keys, to see the pair.";
  }
}

class HeatMap {
  constructor(model, kind) {
    this.model = model;
    this.kind = kind;
    this.cell = [0, 0];
    this.canvas = html("canvas", { width: 1, height: 1 });
    [this.overlay, this.side, this.head] = ["cells", "side", "head"].map((name) =>
      svg("svg", { class: name, preserveAspectRatio: "none", "aria-hidden": "true" }),
    );
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
        focus: () => this.box.matches(":focus-visible") && this.show(),
        blur: () => model.point(null),
      },
      this.canvas,
      this.overlay,
      this.side,
      this.head,
    );
    this.caption = html("figcaption");
    this.element = html("figure", {}, this.box, this.caption);
  }

  draw() {
    const { order, result, state } = this.model;
    const { name, symbol, values, color } = this.kind;
    const rows = values ? result[values] : [];
    const top = Math.max(1e-12, ...rows.flatMap((row) => [...row].map(Math.abs)));
    const colorOf = values
      ? (i, j) => color(rows[i][j] / top)
      : (i, j) => maskColor(state.labels, i, j);
    this.paint(order, colorOf);
    this.mark(order);
    this.markClasses(order);
    const scale = this.kind.scale(show(top));
    const bar = html("span", { class: `scale ${name.replace(/ /g, "-")}` }, scale);
    replace(this.caption, [html("strong", {}, name), ` ${symbol}`, bar]);
    const size = `${order.length} by ${order.length}`;
    const words = `Matrix of ${name}, ${size}: ${scale}.`;
    set(this.box, { "aria-label": `${words} Arrow keys go from cell to cell.` });
  }

  paint(order, colorOf) {
    const n = order.length;
    if (!n) return;
    if (this.canvas.width !== n) Object.assign(this.canvas, { width: n, height: n });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(n, n);
    order.forEach((i, row) => {
      order.forEach((j, column) => {
        image.data.set(colorOf(i, j), 4 * (row * n + column));
      });
    });
    context.putImageData(image, 0, 0);
  }

  /** Frames the row that is looked at, and the cell. */
  mark(order) {
    const { hover, looking } = this.model;
    const n = order.length;
    const [row, column] = [order.indexOf(looking), order.indexOf(hover?.j)];
    const frame = (x, width) =>
      ["under", "over"].map((name) =>
        svg("rect", { class: name, x, y: row, width, height: 1 }),
      );
    set(this.overlay, { viewBox: `0 0 ${n || 1} ${n || 1}` });
    replace(this.overlay, [
      ...(row >= 0 ? frame(0, n) : []),
      ...(row >= 0 && column >= 0 ? frame(column, 1) : []),
    ]);
  }

  /** The classes as colors along two sides. */
  markClasses(order) {
    const classes = order.map((i) => styleOf(this.model.state.labels[i]));
    if (classes.join() === this.classes) return;
    this.classes = classes.join();
    const n = order.length || 1;
    const strip = (across) =>
      classes.map((name, k) =>
        svg("rect", { class: name, [across]: k, width: 1.02, height: 1.02 }),
      );
    set(this.side, { viewBox: `0 0 1 ${n}` });
    set(this.head, { viewBox: `0 0 ${n} 1` });
    replace(this.side, strip("y"));
    replace(this.head, strip("x"));
  }

  look(event) {
    const { order } = this.model;
    const box = this.canvas.getBoundingClientRect();
    const at = (share) =>
      Math.max(0, Math.min(order.length - 1, Math.floor(share * order.length)));
    this.cell = [
      at((event.clientY - box.top) / box.height),
      at((event.clientX - box.left) / box.width),
    ];
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
