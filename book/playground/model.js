// What the page knows: the state, how it came about, and what is computed from it.
import { Computed } from "./computed.js";
import { annealedTemperature, descend } from "./descent.js";
import { UNLABELED } from "./loss.js";
import { CLASSES, MOST_POINTS, startOf } from "./state.js";

const REMEMBERED = 200;
const LONGEST_TRAIL = 120;
const TOO_FAR = 1e6;

export class Model extends Computed {
  /** `chapter`: nothing is said or drawn that the book explains only later. */
  constructor(state, notify, chapter = Infinity) {
    super();
    this.notify = notify;
    this.chapter = chapter;
    this.past = [];
    this.future = [];
    this.merged = "";
    this.hover = null; // {i} or {i, j}: what the pointer is on
    this.tool = "move";
    this.newClass = 0;
    this.layers = { lines: chapter >= 2, arrows: chapter >= 4, trails: true };
    this.speed = "normal";
    this.playing = false;
    this.message = "";
    this.begin(state);
  }

  /** A state without a history: descent starts here. */
  begin(state) {
    this.state = state;
    this.start = state;
    this.memory = null;
    this.trail = [];
    this.stride = 1;
    this.curve = [];
    this.notify();
  }

  /**
   * An edit, which can be undone. Edits in a row that name the same `merge` (one drag, one
   * slider) are undone at once.
   */
  edit(changes, merge = "") {
    this.remember(merge);
    this.message = "";
    const next = { ...this.state, ...changes };
    const other = next.points.length !== this.state.points.length;
    if (changes.optimizer || other) this.memory = null;
    if (other) Object.assign(this, { trail: [], stride: 1 });
    const moved = changes.points ?? changes.labels;
    if (moved && !this.playing) {
      this.begin({ ...next, step: 0, ...(next.annealed && { temperature: 1 }) });
    } else {
      this.state = next;
      this.notify();
    }
  }

  remember(merge) {
    if (!merge || merge !== this.merged) {
      this.past.push(this.state);
      if (this.past.length > REMEMBERED) this.past.shift();
    }
    this.merged = merge;
    this.future = [];
  }

  /** Ends what `merge` holds together: the next edit is one of its own. */
  settle() {
    this.merged = "";
  }

  undo() {
    this.exchange(this.past, this.future);
  }

  redo() {
    this.exchange(this.future, this.past);
  }

  exchange(from, to) {
    if (!from.length) return;
    this.playing = false;
    this.settle();
    to.push(this.state);
    this.refresh();
    this.message = "";
    this.begin(from.pop());
  }

  load(state) {
    this.remember("");
    this.playing = false;
    this.refresh();
    this.message = "";
    this.hover = null;
    this.begin(state);
  }

  preset(name, seed = 0) {
    this.load(startOf(name, seed));
  }

  choose(i) {
    this.message = "";
    this.state = { ...this.state, chosen: i };
    this.notify();
  }

  point(hover) {
    if (hover?.i === this.hover?.i && hover?.j === this.hover?.j) return;
    this.hover = hover;
    this.notify();
  }

  /** The point whose lines are drawn. */
  get looking() {
    return this.hover?.i ?? this.state.chosen;
  }

  move(i, place, merge) {
    this.edit(
      { points: this.state.points.map((old, j) => (j === i ? place : old)) },
      merge,
    );
  }

  label(i, label) {
    if (this.chapter < 3) return; // no classes yet
    this.edit({ labels: this.state.labels.map((old, j) => (j === i ? label : old)) });
  }

  /** The next class round: those in use, one more, unlabeled. */
  nextLabel(i) {
    const used = Math.max(-1, ...this.state.labels);
    const old = this.state.labels[i];
    if (old === UNLABELED) return 0;
    return old >= Math.min(used + (used < 1 ? 1 : 0), CLASSES - 1)
      ? UNLABELED
      : old + 1;
  }

  add(place, merge = "") {
    const { points, labels } = this.state;
    if (points.length >= MOST_POINTS) {
      this.message = `${MOST_POINTS} points are the most that fit here.`;
      this.notify();
      return;
    }
    const chosen = points.length;
    this.edit(
      { points: [...points, place], labels: [...labels, this.newClass], chosen },
      merge,
    );
  }

  remove(i) {
    if (!(i in this.state.points)) return;
    this.hover = null;
    const keep = (_, j) => j !== i;
    const points = this.state.points.filter(keep);
    const chosen = Math.min(i, points.length - 1);
    this.edit({ points, labels: this.state.labels.filter(keep), chosen });
  }

  clear() {
    this.hover = null;
    this.tool = "add";
    this.edit({ points: [], labels: [], chosen: -1 });
  }

  anneal(annealed) {
    const temperature = annealed
      ? annealedTemperature(this.state.step)
      : this.state.temperature;
    this.edit({ annealed, temperature });
  }

  /** Some steps of descent; it ends where the points fly away. */
  descend(steps) {
    this.remember("descent");
    if (!this.curve.length) this.record();
    for (let k = 0; k < steps; k += 1) {
      const { state, memory } = descend(this.state, this.memory);
      if (!state.points.flat().every((x) => Math.abs(x) < TOO_FAR)) {
        this.message =
          "The step was too large, and the points flew away. Undo, or take a smaller rate.";
        this.playing = false;
        break;
      }
      this.state = state;
      this.memory = memory;
      this.record();
    }
    this.notify();
  }

  /** Notes the loss, and the points: all at first, later every second, fourth... */
  record() {
    const { step, temperature, points } = this.state;
    this.curve.push({ step, temperature, loss: this.result.loss });
    if ((step - this.start.step) % this.stride === 0) this.trail.push(points);
    if (this.trail.length > LONGEST_TRAIL) {
      this.trail = this.trail.filter((_, k) => k % 2 === 0);
      this.stride *= 2;
    }
  }

  /** Back to where descent started. */
  restart() {
    this.remember("");
    this.playing = false;
    this.message = "";
    const { points, labels, step } = this.start;
    const temperature = this.state.annealed
      ? annealedTemperature(step)
      : this.state.temperature;
    this.begin({ ...this.state, points, labels, step, temperature });
  }
}
