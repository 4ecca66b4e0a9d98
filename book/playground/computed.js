// What is computed from a model's state, once for each state.
import { UNLABELED, evaluate } from "./loss.js";
import { publishedLoss } from "./published.js";
import { CLASSES } from "./state.js";
import { chanceLevels, landscape } from "./temperature.js";

const MOMENT = 200; // milliseconds

/** Needs `state` and `notify`, which a `Model` has. */
export class Computed {
  constructor() {
    this.kept = {};
    this.refresh();
  }

  /** Has the curves over T computed anew at once. */
  refresh() {
    this.landscapeUntil = 0;
  }

  get result() {
    return this.keep("result", [this.state], () => evaluate(this.state));
  }

  get published() {
    return this.keep("published", [this.state], () => publishedLoss(this.state));
  }

  /** The curves over T. While points move, those of a moment ago will do for a moment. */
  get landscape() {
    const { points, labels, distance } = this.state;
    const kept = this.kept.landscape;
    if (kept && performance.now() < this.landscapeUntil) {
      const now = [points, labels, distance];
      if (kept.of.some((thing, k) => thing !== now[k])) this.drawLater();
      return kept.value;
    }
    return this.keep("landscape", [points, labels, distance], () => {
      this.landscapeUntil = performance.now() + MOMENT;
      return landscape(this.state);
    });
  }

  drawLater() {
    this.later ??= setTimeout(() => {
      this.later = null;
      this.notify();
    }, MOMENT);
  }

  get chance() {
    const { batch } = this.landscape;
    return this.keep(
      "chance",
      [batch, this.state.temperature],
      () => chanceLevels(batch, [this.state.temperature])[0],
    );
  }

  /** The points in the order of the matrices: by class, the unlabeled last. */
  get order() {
    const { labels } = this.state;
    const rank = (i) => (labels[i] === UNLABELED ? CLASSES : labels[i]);
    return this.keep("order", [labels], () =>
      labels.map((_, i) => i).sort((a, b) => rank(a) - rank(b) || a - b),
    );
  }

  /** Computes a value once for the same things. */
  keep(name, of, compute) {
    const kept = this.kept[name];
    if (!kept || kept.of.some((thing, k) => thing !== of[k])) {
      this.kept[name] = { of, value: compute() };
    }
    return this.kept[name].value;
  }
}
