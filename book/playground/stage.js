// The plane: points that can be dragged, the lines of one of them, and where all would go.
import { Camera } from "./camera.js";
import {
  html,
  nameOfClass,
  replace,
  set,
  shapeOf,
  show,
  showTemperature,
  styleOf,
  svg,
} from "./dom.js";
import { Pointer, pressKey } from "./gestures.js";
import { describe } from "./words.js";

const RADIUS = 8;
const SMALL_RADIUS = 6.5;
const TOUCH = 18;
const LONGEST_ARROW = 52;
const HEAD = 6;
const NO_SLOPE = 1e-9;
const LAYERS = ["grid", "trails", "lines", "arrows", "marks"];

export class Stage {
  constructor(model) {
    this.model = model;
    this.radius = model.chapter < Infinity ? SMALL_RADIUS : RADIUS;
    this.camera = new Camera();
    this.layers = LAYERS.map((name) => {
      this[name] = svg(name === "arrows" ? "path" : "g", { class: name });
      return this[name];
    });
    const name = "The plane with its points";
    this.picture = svg(
      "svg",
      { class: "plane", role: "group", "aria-label": name },
      ...this.layers,
    );
    this.pointer = new Pointer(this);
    this.badge = html("p", { class: "badge", "aria-hidden": "true" });
    this.readout = html("p", { class: "readout" });
    const frame = html("div", { class: "frame" }, this.picture, this.badge);
    this.element = html("div", { class: "stage" }, frame, this.readout);
    new ResizeObserver(() => this.measure()).observe(this.picture);
  }

  measure() {
    const size = Math.round(this.picture.clientWidth);
    if (size > 0 && size !== this.camera.size) {
      this.camera.size = size;
      this.model.notify();
    }
  }

  draw() {
    const { model, camera } = this;
    const { state, result } = model;
    if (!this.pointer.held || !camera.half) camera.aim(state.points);
    set(this.picture, { viewBox: `0 0 ${camera.size} ${camera.size}` });
    this.picture.classList.toggle("adding", model.tool === "add");
    this.drawGrid();
    this.drawTrails();
    this.drawLines();
    this.drawArrows();
    this.drawPoints();
    this.readout.textContent = model.message || describe(model);
    const [loss, temperature] = [show(result.loss), showTemperature(state.temperature)];
    const step = state.step ? ` · step ${state.step}` : "";
    this.badge.textContent = `loss ${loss} · T ${temperature}${step}`;
  }

  drawGrid() {
    const { camera } = this;
    const { center, half, size } = camera;
    const cosine = this.model.state.distance === "cosine";
    const key = [center, half, size, cosine].join();
    if (key === this.gridKey) return;
    this.gridKey = key;
    const parts = camera.ticks(0).flatMap((tick) => {
      const [x] = camera.toScreen([tick, 0]);
      const line = { x1: x, x2: x, y1: 0, y2: size, class: tick ? "" : "axis" };
      const text = show(tick, 2).replace(/\.0$/, "");
      const room = x > 24 && x < size - 24;
      const number = room ? svg("text", { x: x + 3, y: size - 5 }, text) : "";
      return [svg("line", line), number];
    });
    for (const tick of camera.ticks(1)) {
      const [, y] = camera.toScreen([0, tick]);
      const line = { x1: 0, x2: size, y1: y, y2: y, class: tick ? "" : "axis" };
      parts.push(svg("line", line));
    }
    const [cx, cy] = camera.toScreen([0, 0]);
    const circle = { cx, cy, r: size / (2 * half), class: "unit" };
    replace(this.grid, cosine ? [...parts, svg("circle", circle)] : parts);
  }

  drawTrails() {
    const { trail, layers, state } = this.model;
    if (!layers.trails || !trail.length) return replace(this.trails, []);
    const places = [...trail, state.points];
    const paths = state.labels.map((label, i) => {
      const path = places.map((points) => {
        const [x, y] = this.camera.toScreen(points[i]);
        return `${x.toFixed(1)},${y.toFixed(1)}`;
      });
      return svg("path", { d: `M${path.join("L")}`, class: styleOf(label) });
    });
    return replace(this.trails, paths);
  }

  drawLines() {
    const { state, looking: i, layers } = this.model;
    if (!(i in state.points)) return replace(this.lines, []);
    const spoke = state.distance === "cosine" ? [this.spoke(i)] : [];
    if (!layers.lines) return replace(this.lines, spoke);
    const lines = state.points.map((_, j) => this.line(i, j));
    return replace(this.lines, [...spoke, ...lines.filter(Boolean)]);
  }

  /** As thick as i's probability to pick j; null if it could not be seen. */
  line(i, j) {
    const { state, result, hover } = this.model;
    const [p, force] = [result.probability[i][j], result.force[i][j]];
    const named = hover?.j === j;
    if (j === i || (p < 1e-3 && Math.abs(force) < 1e-2 && !named)) return null;
    const way = force < 0 ? "pull" : force > 0 ? "push" : "still";
    return this.between(state.points[i], state.points[j], {
      class: `${way}${named ? " named" : ""}`,
      "stroke-width": (1.2 + 13 * p).toFixed(2),
      "stroke-opacity": (0.3 + 0.6 * Math.sqrt(Math.abs(force))).toFixed(3),
    });
  }

  /** The cosine distance sees the direction of a point, not its length. */
  spoke(i) {
    return this.between([0, 0], this.model.state.points[i], { class: "spoke" });
  }

  between(from, to, attributes) {
    const [[x1, y1], [x2, y2]] = [from, to].map((point) => this.camera.toScreen(point));
    return svg("line", { x1, y1, x2, y2, ...attributes });
  }

  drawArrows() {
    const { layers, state, result } = this.model;
    const slopes = result.gradient.map(([x, y]) => Math.hypot(x, y));
    const largest = Math.max(0, ...slopes);
    const shown = layers.arrows && largest > NO_SLOPE;
    const paths = state.points.map((point, i) => {
      const length = (LONGEST_ARROW * slopes[i]) / largest;
      if (!shown || length < 2) return "";
      const [gx, gy] = result.gradient[i].map((g) => g / slopes[i]);
      return arrow(this.camera.toScreen(point), [-gx, gy], length);
    });
    set(this.arrows, { d: paths.join("") });
  }

  drawPoints() {
    const { points, chosen } = this.model.state;
    const marks = this.marks.children;
    while (marks.length > points.length) this.marks.lastChild.remove();
    while (marks.length < points.length) this.marks.append(this.makePoint());
    const home = chosen in points ? chosen : 0; // where Tab enters the plane
    points.forEach((_, i) => this.drawPoint(i, i === home));
  }

  makePoint() {
    const { model } = this;
    const i = this.marks.children.length;
    const free = () => !this.pointer.held;
    return svg(
      "g",
      {
        role: "button",
        "data-point": i,
        keydown: (event) => pressKey(this, event, i),
        focus: () => free() && model.state.chosen !== i && model.choose(i),
        pointerenter: () => free() && model.tool === "move" && model.point({ i }),
        pointerleave: () => free() && model.point(null),
      },
      svg("circle", { class: "touch", r: TOUCH }),
      svg("circle", { class: "halo", r: this.radius + 5 }),
      svg("path", { class: "shape" }),
      svg("text", { y: -this.radius - 6 }),
    );
  }

  drawPoint(i, home) {
    const { state, result, hover } = this.model;
    const mark = this.marks.children[i];
    const [label, point, chosen] = [
      state.labels[i],
      state.points[i],
      state.chosen === i,
    ];
    const [x, y] = this.camera.toScreen(point).map((at) => at.toFixed(2));
    const named = hover?.i === i || hover?.j === i;
    const loss = result.anchors[i] ? `loss ${show(result.rowLosses[i])}` : "no anchor";
    const at = point.map((value) => show(value)).join(", ");
    set(mark, {
      transform: `translate(${x} ${y})`,
      class: `point ${styleOf(label)}${chosen ? " chosen" : ""}${named ? " named" : ""}`,
      tabindex: home ? 0 : -1,
      "aria-pressed": chosen,
      "aria-label": `point ${i + 1}, ${nameOfClass(label)}, at ${at}, ${loss}`,
    });
    const numbered = state.points.length <= 12 || chosen || named;
    set(mark.children[2], { d: shapeOf(label, this.radius) });
    mark.children[3].textContent = numbered ? i + 1 : "";
  }

  /** Gives a point the focus, now that it may only just have been made. */
  focus(i) {
    this.draw();
    this.marks.children[i]?.focus({ preventScroll: true });
  }
}

/** The path of an arrow that leaves a point in a direction. */
function arrow([x, y], [dx, dy], length) {
  const at = (along, aside) =>
    [x + dx * along - dy * aside, y + dy * along + dx * aside]
      .map((value) => value.toFixed(1))
      .join();
  const from = RADIUS + 2;
  const tip = from + length;
  const head = Math.min(HEAD, length);
  const [left, right] = [at(tip - head, head / 2), at(tip - head, -head / 2)];
  return `M${at(from, 0)}L${at(tip, 0)}M${left}L${at(tip, 0)}L${right}`;
}
