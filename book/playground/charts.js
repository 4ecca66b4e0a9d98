// The loss against the temperature, against the step, and the loss of each point.
import { Chart, niceCeiling } from "./chart.js";
import { set, show, showTemperature, styleOf, svg } from "./dom.js";
import { COLDEST, GRID, HOTTEST } from "./temperature.js";

const LOGS = GRID.map(Math.log10);
const DECADES = [-3, -2, -1, 0, 1, 2, 3].map((power) => [power, String(10 ** power)]);

/** The place of a temperature on the axis; at its ends if it lies beyond. */
function place(temperature) {
  return Math.log10(Math.min(HOTTEST, Math.max(COLDEST, temperature)));
}

/** Whether it stands in a chapter, with less room. */
const isSmall = (model) => model.chapter < Infinity;

export class TemperatureChart extends Chart {
  constructor(model) {
    super(model, isSmall(model) ? 130 : 190);
  }

  draw() {
    const { landscape, state, result, published } = this.model;
    const { best, exact, chance } = landscape;
    this.scale([-3, 3], niceCeiling(2.1 * Math.max(chance.at(-1), exact.at(-1), 0.3)));
    const now = place(state.temperature);
    const x = this.x(now);
    const curves = [
      this.path("chance", LOGS, chance),
      this.path("published", LOGS, landscape.published),
      this.path("exact", LOGS, exact),
    ];
    const marks = [
      ...LOGS.filter((_, k) => Number.isNaN(landscape.published[k])).map((log) =>
        this.cross(log),
      ),
      this.line("now", [x, this.ceiling - 6], [x, this.base]),
      ...(best ? this.best(best) : []),
      this.dot("exact-dot", now, result.loss),
      Number.isNaN(published) ? "" : this.dot("published-dot", now, published),
    ];
    this.show(this.words(best), DECADES, curves, marks);
  }

  words(best) {
    const { state, result, chance } = this.model;
    const lowest = best
      ? ` Lowest at T = ${showTemperature(best.temperature)}: ${show(best.loss)}.`
      : "";
    const loss = `the loss is ${show(result.loss)}, by chance ${show(chance)}.`;
    const now = showTemperature(state.temperature);
    return `Loss against temperature. At T = ${now} ${loss}${lowest}`;
  }

  /** NaN, where no curve can go. */
  cross(log) {
    const [x, y] = [this.x(log) - 2.5, this.ceiling - 4.5];
    return svg("path", { class: "nan", d: `M${x},${y}l5,5m0,-5l-5,5` });
  }

  best({ loss, temperature }) {
    const x = this.x(place(temperature));
    return [
      this.line("best", [x, this.ceiling], [x, this.base]),
      this.dot("best-ring", place(temperature), Math.min(loss, this.top), 6.5),
    ];
  }
}

export class StepChart extends Chart {
  constructor(model) {
    super(model, isSmall(model) ? 110 : 150);
    set(this.element, { class: "step-chart" });
  }

  draw() {
    const { curve, state, result, chance } = this.model;
    const steps = curve.length ? curve.map(({ step }) => step) : [state.step];
    const losses = curve.length ? curve.map(({ loss }) => loss) : [result.loss];
    const [first, now] = [steps[0], steps.at(-1)];
    const last = Math.max(first + 50, now);
    const highest = Math.max(0.1, ...losses.map((loss) => Math.min(loss, 1e4)));
    this.scale([first, last], niceCeiling(1.05 * highest));
    const ticks = [first, Math.round((first + last) / 2), last];
    this.show(
      `Loss against step. At step ${state.step} the loss is ${show(result.loss)}.`,
      ticks.map((step) => [step, String(step)]),
      [
        this.path("chance", [first, last], [chance, chance]),
        this.path("exact", steps, losses),
      ],
      [this.dot("exact-dot", now, losses.at(-1), 4)],
    );
  }
}

export class RowChart extends Chart {
  constructor(model) {
    super(model, 132);
    this.picture.addEventListener("pointermove", (event) => this.look(event));
    this.picture.addEventListener("pointerleave", () => model.point(null));
    this.picture.addEventListener("click", (event) => {
      this.look(event);
      if (model.hover) model.choose(model.hover.i);
    });
  }

  look(event) {
    const { order } = this.model;
    const k = Math.floor(this.share(event) * order.length);
    this.model.point(k in order ? { i: order[k] } : null);
  }

  draw() {
    const { order, result } = this.model;
    this.scale(
      [0, Math.max(1, order.length)],
      niceCeiling(1.02 * Math.max(0.1, ...result.rowLosses)),
    );
    const slot = this.x(1) - this.x(0);
    const numbers = slot >= 14 ? order.map((i, k) => [k + 0.5, i + 1]) : [];
    const mean = this.y(result.loss);
    const words = `Loss of each point, ${show(result.loss)} on average.`;
    this.show(
      `${words} The table of numbers has them.`,
      numbers,
      [],
      [
        ...order.map((i, k) => this.bar(i, k, slot)),
        this.line("mean", [this.left, mean], [this.right, mean]),
      ],
    );
  }

  bar(i, k, slot) {
    const { state, result, looking } = this.model;
    const width = Math.min(28, 0.78 * slot);
    const height = Math.max(1.5, this.base - this.y(result.rowLosses[i]));
    const name = ["bar", styleOf(state.labels[i])];
    if (i === looking) name.push("named");
    if (!result.anchors[i]) name.push("out");
    return svg("rect", {
      class: name.join(" "),
      x: this.x(k) + (slot - width) / 2,
      y: this.base - height,
      width,
      height,
      rx: Math.min(3, width / 4),
    });
  }
}
