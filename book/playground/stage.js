// The plane: points that can be dragged, the lines of one of them, and where all would go.
import { html, nameOfClass, replace, set, shapeOf, show, showTemperature, styleOf, svg } from "./dom.js";
import { UNLABELED } from "./loss.js";
import { tidy } from "./presets.js";
import { CLASSES, MOST_POINTS } from "./state.js";

const RADIUS = 8;
const TOUCH = 18;
const LONGEST_ARROW = 52;
const NO_SLOPE = 1e-9;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Stage {
  constructor(model) {
    this.model = model;
    this.size = 560;
    this.view = null;
    this.grid = svg("g", { class: "grid" });
    this.trails = svg("g", { class: "trails" });
    this.lines = svg("g", { class: "lines" });
    this.arrows = svg("path", { class: "arrows" });
    this.marks = svg("g", { class: "marks" });
    this.picture = svg(
      "svg",
      {
        class: "plane",
        role: "group",
        "aria-label": "The plane with its points",
        pointerdown: (event) => this.press(event),
        pointermove: (event) => this.drag(event),
        pointerup: (event) => this.release(event),
        pointercancel: () => { this.held = null; },
        pointerleave: () => { if (!this.held) this.model.point(null); },
        dblclick: (event) => this.addAt(event),
      },
      this.grid, this.trails, this.lines, this.arrows, this.marks,
    );
    this.readout = html("p", { class: "readout" });
    this.badge = html("p", { class: "badge", "aria-hidden": "true" });
    this.element = html("div", { class: "stage" }, html("div", { class: "frame" }, this.picture, this.badge), this.readout);
    new ResizeObserver(() => this.measure()).observe(this.picture);
  }

  measure() {
    const size = Math.round(this.picture.clientWidth);
    if (size > 0 && size !== this.size) {
      this.size = size;
      this.model.notify();
    }
  }

  // The camera: which part of the plane is seen.

  /** Wide enough for all points and the origin; keeps still while a point is held. */
  aim() {
    const { points } = this.model.state;
    if (this.held && this.view) return;
    const reach = [0, 1].map((k) => {
      const values = [0, ...points.map((point) => point[k])];
      return [Math.min(...values), Math.max(...values)];
    });
    const half = Math.max(1.2, ...reach.map(([low, high]) => (0.6 * (high - low))));
    const fits = this.view && this.view.half <= 1.6 * half && reach.every(([low, high], k) =>
      low > this.view.center[k] - this.view.half * 0.93 &&
      high < this.view.center[k] + this.view.half * 0.93);
    if (!fits) this.view = { center: reach.map(([low, high]) => (low + high) / 2), half: 1.08 * half };
  }

  toScreen([x, y]) {
    const { center, half } = this.view;
    const scale = this.size / (2 * half);
    return [(x - center[0] + half) * scale, (center[1] + half - y) * scale];
  }

  toPlane(event) {
    const box = this.picture.getBoundingClientRect();
    const { center, half } = this.view;
    const scale = (2 * half) / box.width;
    return [
      tidy(center[0] - half + (event.clientX - box.left) * scale),
      tidy(center[1] + half - (event.clientY - box.top) * scale),
    ];
  }

  // Drawing.

  draw() {
    this.aim();
    set(this.picture, { viewBox: `0 0 ${this.size} ${this.size}` });
    this.picture.classList.toggle("adding", this.model.tool === "add");
    this.drawGrid();
    this.drawTrails();
    this.drawLines();
    this.drawArrows();
    this.drawPoints();
    this.readout.textContent = this.model.message || this.describe();
    const { result, state } = this.model;
    const step = state.step ? ` · step ${state.step}` : "";
    this.badge.textContent = `loss ${show(result.loss)} · T ${showTemperature(state.temperature)}${step}`;
  }

  drawGrid() {
    const { center, half } = this.view;
    const { distance } = this.model.state;
    const key = [center, half, distance, this.size].join();
    if (key === this.gridKey) return;
    this.gridKey = key;
    const step = tickStep(half);
    const parts = [];
    for (let k = Math.ceil((center[0] - half) / step); k * step < center[0] + half; k += 1) {
      const [x] = this.toScreen([k * step, 0]);
      parts.push(svg("line", { x1: x, x2: x, y1: 0, y2: this.size, class: k ? "" : "axis" }));
      if (x > 24 && x < this.size - 12) {
        parts.push(svg("text", { x: x + 3, y: this.size - 5 }, show(tidy(k * step), 2).replace(/\.0$/, "")));
      }
    }
    for (let k = Math.ceil((center[1] - half) / step); k * step < center[1] + half; k += 1) {
      const [, y] = this.toScreen([0, k * step]);
      parts.push(svg("line", { x1: 0, x2: this.size, y1: y, y2: y, class: k ? "" : "axis" }));
    }
    if (distance === "cosine") {
      const [cx, cy] = this.toScreen([0, 0]);
      parts.push(svg("circle", { cx, cy, r: this.size / (2 * half), class: "unit" }));
    }
    replace(this.grid, parts);
  }

  drawTrails() {
    const { trail, layers, state } = this.model;
    if (!layers.trails || trail.length < 2) return replace(this.trails, []);
    replace(this.trails, state.labels.map((label, i) => {
      const path = [...trail, state.points].map((points) => this.toScreen(points[i]).map((x) => x.toFixed(1)));
      return svg("path", { d: `M${path.join("L")}`, class: styleOf(label) });
    }));
  }

  drawLines() {
    const { state, result, looking: i, hover, layers } = this.model;
    const spokes = state.distance === "cosine" && i in state.points ? [this.spoke(i)] : [];
    if (!layers.lines || !(i in state.points)) return replace(this.lines, spokes);
    const [x1, y1] = this.toScreen(state.points[i]);
    const lines = state.points.map((point, j) => {
      const [p, force] = [result.probability[i][j], result.force[i][j]];
      const named = hover?.j === j;
      if (j === i || (p < 1e-3 && Math.abs(force) < 1e-2 && !named)) return null;
      const [x2, y2] = this.toScreen(point);
      const way = force < 0 ? "pull" : force > 0 ? "push" : "still";
      return svg("line", {
        x1, y1, x2, y2,
        class: `${way}${named ? " named" : ""}`,
        "stroke-width": (1.2 + 13 * p).toFixed(2),
        "stroke-opacity": (0.3 + 0.6 * Math.sqrt(Math.abs(force))).toFixed(3),
      });
    });
    replace(this.lines, [...spokes, ...lines.filter(Boolean)]);
  }

  /** The cosine distance sees the direction of a point, not its length. */
  spoke(i) {
    const [x1, y1] = this.toScreen([0, 0]);
    const [x2, y2] = this.toScreen(this.model.state.points[i]);
    return svg("line", { x1, y1, x2, y2, class: "spoke" });
  }

  drawArrows() {
    const { layers, state, result } = this.model;
    const lengths = result.gradient.map(([x, y]) => Math.hypot(x, y));
    const largest = Math.max(0, ...lengths);
    if (!layers.arrows || largest < NO_SLOPE) return set(this.arrows, { d: "" });
    const path = state.points.map((point, i) => {
      const length = (LONGEST_ARROW * lengths[i]) / largest;
      if (length < 2) return "";
      const [x, y] = this.toScreen(point);
      const [dx, dy] = [-result.gradient[i][0], result.gradient[i][1]].map((g) => g / lengths[i]);
      const from = RADIUS + 2;
      const at = (along, aside) =>
        `${(x + dx * along - dy * aside).toFixed(1)},${(y + dy * along + dx * aside).toFixed(1)}`;
      const tip = from + length;
      const head = Math.min(6, length);
      return `M${at(from, 0)}L${at(tip, 0)}M${at(tip - head, head / 2)}L${at(tip, 0)}L${at(tip - head, -head / 2)}`;
    });
    return set(this.arrows, { d: path.join("") });
  }

  drawPoints() {
    const { state } = this.model;
    while (this.marks.children.length > state.points.length) this.marks.lastChild.remove();
    while (this.marks.children.length < state.points.length) this.marks.append(this.makePoint());
    const home = state.chosen in state.points ? state.chosen : 0;
    state.points.forEach((_, i) => this.drawPoint(i, i === home));
  }

  makePoint() {
    const i = this.marks.children.length;
    return svg(
      "g",
      {
        role: "button",
        "data-point": i,
        keydown: (event) => this.key(event, i),
        focus: () => { if (!this.held && this.model.state.chosen !== i) this.model.choose(i); },
        pointerenter: () => { if (!this.held && this.model.tool === "move") this.model.point({ i }); },
        pointerleave: () => { if (!this.held) this.model.point(null); },
      },
      svg("circle", { class: "touch", r: TOUCH }),
      svg("circle", { class: "halo", r: RADIUS + 5 }),
      svg("path", { class: "shape" }),
      svg("text", { y: -RADIUS - 6 }),
    );
  }

  drawPoint(i, home) {
    const { state, result, hover } = this.model;
    const mark = this.marks.children[i];
    const label = state.labels[i];
    const [x, y] = this.toScreen(state.points[i]);
    const chosen = state.chosen === i;
    const named = hover?.i === i || hover?.j === i;
    set(mark, {
      transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`,
      class: `point ${styleOf(label)}${chosen ? " chosen" : ""}${named ? " named" : ""}`,
      tabindex: home ? 0 : -1,
      "aria-pressed": chosen,
      "aria-label": `point ${i + 1}, ${nameOfClass(label)}, at ${show(state.points[i][0])}, ` +
        `${show(state.points[i][1])}, ${result.anchors[i] ? `loss ${show(result.rowLosses[i])}` : "no anchor"}`,
    });
    set(mark.children[2], { d: shapeOf(label, RADIUS) });
    mark.children[3].textContent = state.points.length <= 12 || chosen || named ? i + 1 : "";
  }

  /** One sentence about the pair or the point that is looked at. */
  describe() {
    const { state, result, looking: i, hover, tool } = this.model;
    if (!state.points.length) return "No points. Press on the plane to draw some; drag to draw many.";
    if (tool === "add") return `Press to add a point, drag to draw many. ${state.points.length} of ${MOST_POINTS}.`;
    if (!(i in state.points)) return "Drag a point. Press one to choose it, press it again to change its class.";
    if (hover?.j in state.points && hover.j !== i) return pairText(this.model, i, hover.j);
    const name = `Point ${i + 1}`;
    if (state.labels[i] === UNLABELED) return `${name} is unlabeled: it picks nobody, and nobody picks it.`;
    if (!result.anchors[i]) return `${name} is alone in its class: it has no partner, so its loss does not count.`;
    const own = Math.exp(-result.rowLosses[i]);
    return `${name} picks its own class with probability ${show(own)}: its loss is ${show(result.rowLosses[i])}.`;
  }

  // Pointer and keyboard.

  press(event) {
    if (event.button !== 0) return;
    const mark = event.target.closest("[data-point]");
    this.model.settle();
    this.strokes = (this.strokes ?? 0) + 1;
    const merge = `drag ${this.strokes}`;
    if (this.model.tool === "add") {
      this.held = { drawing: true, last: this.toPlane(event), merge };
      this.model.add(this.held.last, merge);
    } else if (mark) {
      const i = Number(mark.dataset.point);
      const wasChosen = this.model.state.chosen === i;
      this.held = { i, x: event.clientX, y: event.clientY, moved: false, wasChosen, merge };
      this.model.hover = null;
      if (!wasChosen) this.model.choose(i);
      mark.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    this.picture.setPointerCapture(event.pointerId);
  }

  drag(event) {
    const { held } = this;
    if (!held) return;
    const place = this.toPlane(event);
    if (held.drawing) {
      const gap = Math.hypot(place[0] - held.last[0], place[1] - held.last[1]);
      if (gap * this.size < 56 * this.view.half) return;
      held.last = place;
      this.model.add(place, held.merge);
    } else if (held.moved || Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4) {
      held.moved = true;
      this.model.move(held.i, place, held.merge);
    }
  }

  release() {
    const { held } = this;
    this.held = null;
    if (!held) return;
    this.model.settle();
    if (!held.drawing && !held.moved && held.wasChosen) {
      this.model.label(held.i, this.model.nextLabel(held.i));
    } else this.model.notify();
  }

  /** A double press on the empty plane adds a point. */
  addAt(event) {
    if (this.model.tool === "move" && !event.target.closest("[data-point]")) {
      this.model.add(this.toPlane(event));
    }
  }

  key(event, i) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { model } = this;
    const { points } = model.state;
    const last = points.length - 1;
    const go = { PageDown: Math.min(i + 1, last), PageUp: Math.max(i - 1, 0), Home: 0, End: last };
    const actions = {
      Enter: () => model.label(i, model.nextLabel(i)),
      " ": () => model.label(i, model.nextLabel(i)),
      u: () => model.label(i, UNLABELED),
      Delete: () => model.remove(i),
      Backspace: () => model.remove(i),
      a: () => model.add(points[i].map((x) => tidy(x + this.view.half / 10))),
      Escape: () => model.choose(-1),
    };
    if (event.key in ARROWS) {
      const step = (this.view.half / 50) * (event.shiftKey ? 5 : 1);
      model.move(i, points[i].map((x, k) => tidy(x + step * ARROWS[event.key][k])), `key ${i}`);
    } else if (event.key in go) this.focus(go[event.key]);
    else if (/^[0-9]$/.test(event.key) && Number(event.key) < CLASSES) model.label(i, Number(event.key));
    else if (event.key in actions) {
      actions[event.key]();
      if (event.key !== "Escape") this.focus(model.state.chosen);
    } else return;
    event.preventDefault();
  }

  focus(i) {
    this.model.choose(i);
    this.draw();
    this.marks.children[i]?.focus({ preventScroll: true });
  }
}

/** Who row i and row j are to each other, in numbers. */
export function pairText({ state, result }, i, j) {
  const p = result.probability[i][j];
  const force = result.force[i][j];
  const d = `d = ${show(result.distances[i][j])}`;
  const name = `Point ${i + 1} and point ${j + 1}`;
  if (i === j) return `Point ${i + 1} may not pick itself.`;
  if (state.labels[i] === UNLABELED || state.labels[j] === UNLABELED) return `${name}: ${d}. One is unlabeled.`;
  const kind = state.labels[i] === state.labels[j] ? "partners" : "strangers";
  const effect = force < 0 ? `pulled, p − q = ${show(force)}` : force > 0 ? `pushed, p − q = +${show(force)}` : "at rest";
  return `${name}, ${kind}: ${d}, picked with p = ${show(p)}, ${effect}.`;
}

/** 1, 2 or 5 times a power of ten: about four grid lines to each side. */
function tickStep(half) {
  const power = 10 ** Math.floor(Math.log10(half / 3));
  return power * [1, 2, 5, 10].find((factor) => factor * power * 4 > half);
}
