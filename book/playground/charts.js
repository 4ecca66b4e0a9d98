// Curves and bars: the loss against T, the loss against the step, the loss of each row.
import { html, replace, set, show, showTemperature, styleOf, svg } from "./dom.js";
import { GRID } from "./temperature.js";

const LEFT = 42;
const RIGHT = 17;
const TOP = 12;
const BOTTOM = 22;

/** A drawing that is as wide as its place, so that its letters keep their size. */
class Chart {
  constructor(model, height, label) {
    this.model = model;
    this.width = 340;
    this.height = height;
    this.picture = svg("svg", { class: "chart", role: "img", "aria-label": label, height });
    new ResizeObserver(() => {
      const width = Math.round(this.picture.clientWidth);
      if (width > 0 && width !== this.width) {
        this.width = width;
        model.notify();
      }
    }).observe(this.picture);
  }

  /** Puts lines (with their class and values) into a frame with ticks. */
  frame(range, yMax, ticks, inside, marks) {
    set(this.picture, { viewBox: `0 0 ${this.width} ${this.height}` });
    this.x = (value) => LEFT + ((value - range[0]) / (range[1] - range[0])) * (this.width - LEFT - RIGHT);
    this.y = (value) => this.height - BOTTOM - (value / yMax) * (this.height - TOP - BOTTOM);
    const base = this.y(0);
    const levels = [0, yMax / 2, yMax];
    replace(this.picture, [
      ...levels.map((level) => svg("line", {
        class: "level", x1: LEFT, x2: this.width - RIGHT, y1: this.y(level), y2: this.y(level),
      })),
      ...levels.map((level) => svg("text", {
        class: "tick end", x: LEFT - 5, y: this.y(level) + 4,
      }, level ? show(level, 2) : "0")),
      ...ticks.map(([value, text]) => svg("text", { class: "tick", x: this.x(value), y: base + 15 }, text)),
      svg(
        "svg",
        { x: 0, y: TOP - 4, width: this.width, height: base - TOP + 5, viewBox: `0 ${TOP - 4} ${this.width} ${base - TOP + 5}` },
        ...inside(),
      ),
      ...marks(),
    ]);
  }

  /** A path through values; broken where one is NaN. */
  path(name, xs, values) {
    let pen = "M";
    const path = values.map((value, k) => {
      if (Number.isNaN(value)) {
        pen = "M";
        return "";
      }
      const y = Math.max(-500, Math.min(2000, this.y(value)));
      const piece = `${pen}${this.x(xs[k]).toFixed(1)},${y.toFixed(1)}`;
      pen = "L";
      return piece;
    });
    return svg("path", { class: name, d: path.join("") });
  }
}

export class TemperatureChart extends Chart {
  constructor(model) {
    super(model, 190, "");
    this.element = html("div", { class: "temperature-chart" }, this.picture);
  }

  draw() {
    const { landscape, state, result, published } = this.model;
    const { best, exact, chance } = landscape;
    const hot = Math.max(chance.at(-1), exact.at(-1), 0.3);
    const yMax = niceCeiling(2.1 * hot);
    const logs = GRID.map(Math.log10);
    const ticks = [-3, -2, -1, 0, 1, 2, 3].map((power) => [power, String(10 ** power)]);
    const now = Math.max(-3, Math.min(3, Math.log10(state.temperature)));
    this.frame([-3, 3], yMax, ticks, () => [
      this.path("chance", logs, chance),
      this.path("published", logs, landscape.published),
      this.path("exact", logs, exact),
    ], () => [
      ...landscape.published.map((value, k) => (Number.isNaN(value) ? this.cross(logs[k]) : null)).filter(Boolean),
      svg("line", { class: "now", x1: this.x(now), x2: this.x(now), y1: TOP - 6, y2: this.y(0) }),
      ...(best ? this.best(best, yMax) : []),
      this.dot("exact-dot", now, result.loss, yMax),
      ...(Number.isNaN(published) ? [] : [this.dot("published-dot", now, published, yMax)]),
    ]);
    set(this.picture, {
      "aria-label": `Loss against temperature. At T = ${showTemperature(state.temperature)} the loss is ` +
        `${show(result.loss)}, by chance ${show(this.model.chance)}.` +
        (best ? ` Lowest at T = ${showTemperature(best.temperature)}: ${show(best.loss)}.` : ""),
    });
  }

  cross(x) {
    const [cx, cy] = [this.x(x), TOP - 2];
    return svg("path", { class: "nan", d: `M${cx - 2.5},${cy - 2.5}l5,5m0,-5l-5,5` });
  }

  dot(name, x, loss, yMax) {
    return svg("circle", { class: name, cx: this.x(x), cy: this.y(Math.min(loss, 1.03 * yMax)), r: 4.5 });
  }

  best({ loss, temperature }, yMax) {
    const x = this.x(Math.max(-3, Math.min(3, Math.log10(temperature))));
    const y = this.y(Math.min(loss, yMax));
    return [
      svg("line", { class: "best", x1: x, x2: x, y1: TOP, y2: this.y(0) }),
      svg("circle", { class: "best-ring", cx: x, cy: y, r: 6.5 }),
    ];
  }
}

export class StepChart extends Chart {
  constructor(model) {
    super(model, 150, "");
    this.element = html("div", { class: "step-chart" }, this.picture);
  }

  draw() {
    const { curve, state, result, chance } = this.model;
    const points = curve.length ? curve : [{ step: state.step, loss: result.loss }];
    const yMax = niceCeiling(1.05 * Math.max(0.1, ...points.map((point) => Math.min(point.loss, 1e4))));
    const first = points[0].step;
    const last = Math.max(first + 50, points.at(-1).step);
    const ticks = [first, Math.round((first + last) / 2), last].map((step) => [step, String(step)]);
    const steps = points.map((point) => point.step);
    this.frame([first, last], yMax, ticks, () => [
      this.path("chance", [first, last], [chance, chance]),
      this.path("exact", steps, points.map((point) => point.loss)),
    ], () => [
      svg("circle", { class: "exact-dot", cx: this.x(steps.at(-1)), cy: this.y(points.at(-1).loss), r: 4 }),
    ]);
    set(this.picture, { "aria-label": `Loss against step. At step ${state.step} the loss is ${show(result.loss)}.` });
  }
}

export class RowChart extends Chart {
  constructor(model) {
    super(model, 132, "");
    this.element = html("div", { class: "row-chart" }, this.picture);
    this.picture.addEventListener("pointermove", (event) => this.look(event));
    this.picture.addEventListener("pointerleave", () => model.point(null));
    this.picture.addEventListener("click", (event) => {
      this.look(event);
      if (model.hover) model.choose(model.hover.i);
    });
  }

  look(event) {
    const { order } = this.model;
    const box = this.picture.getBoundingClientRect();
    const k = Math.floor(((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT)) * order.length);
    this.model.point(k in order ? { i: order[k] } : null);
  }

  draw() {
    const { order, state, result, looking } = this.model;
    const losses = order.map((i) => result.rowLosses[i]);
    const yMax = niceCeiling(1.02 * Math.max(0.1, ...losses));
    const slot = (this.width - LEFT - RIGHT) / Math.max(1, order.length);
    const width = Math.min(28, 0.78 * slot);
    this.frame([0, Math.max(1, order.length)], yMax, [], () => [], () => [
      ...order.map((i, k) => {
        const height = this.y(0) - this.y(losses[k]);
        return svg("rect", {
          class: `bar ${styleOf(state.labels[i])}${i === looking ? " named" : ""}${result.anchors[i] ? "" : " out"}`,
          x: this.x(k) + (slot - width) / 2,
          y: this.y(0) - Math.max(height, 1.5),
          width,
          height: Math.max(height, 1.5),
          rx: Math.min(3, width / 4),
        });
      }),
      ...order.map((i, k) => (slot >= 14 ? svg("text", {
        class: "tick", x: this.x(k + 0.5), y: this.y(0) + 15,
      }, i + 1) : "")),
      svg("line", { class: "mean", x1: LEFT, x2: this.width - RIGHT, y1: this.y(result.loss), y2: this.y(result.loss) }),
    ]);
    set(this.picture, { "aria-label": `Loss of each point, ${show(result.loss)} on average. The table below has the numbers.` });
  }
}

/** The next larger of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten. */
function niceCeiling(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= x * 0.999999);
}
