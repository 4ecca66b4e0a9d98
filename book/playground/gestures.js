// What the pointer and the keys do to the points of a stage.
import { UNLABELED } from "./loss.js";
import { tidy } from "./presets.js";
import { CLASSES } from "./state.js";

const SLACK = 4; // pixels that a press may wander without being a drag
const GAP = 28; // pixels between points that are painted
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Presses and drags: `held` says what the pointer holds, or is null. */
export class Pointer {
  constructor(stage) {
    this.stage = stage;
    this.model = stage.model;
    this.held = null;
    this.strokes = 0;
    const listeners = {
      pointerdown: (event) => this.press(event),
      pointermove: (event) => this.drag(event),
      pointerup: () => this.release(),
      pointercancel: () => this.letGo(),
      pointerleave: () => this.leave(),
      dblclick: (event) => this.addAt(event),
    };
    for (const [name, listener] of Object.entries(listeners)) {
      stage.picture.addEventListener(name, listener);
    }
  }

  place(event) {
    return this.stage.camera.toPlane(event, this.stage.picture);
  }

  press(event) {
    if (event.button !== 0) return;
    const mark = event.target.closest("[data-point]");
    if (this.model.tool !== "add" && !mark) return;
    this.model.settle();
    this.strokes += 1;
    if (this.model.tool === "add") this.paint(this.place(event));
    else this.take(mark, event);
    event.preventDefault();
    this.stage.picture.setPointerCapture(event.pointerId);
  }

  paint(place) {
    this.held = { last: place, merge: `stroke ${this.strokes}` };
    this.model.add(place, this.held.merge);
  }

  take(mark, event) {
    const i = Number(mark.dataset.point);
    const wasChosen = this.model.state.chosen === i;
    this.held = {
      i,
      wasChosen,
      moved: false,
      from: [event.clientX, event.clientY],
      merge: `drag ${this.strokes}`,
    };
    this.model.hover = null;
    if (!wasChosen) this.model.choose(i);
    mark.focus({ preventScroll: true });
  }

  drag(event) {
    const { held } = this;
    if (!held) return;
    const place = this.place(event);
    if (held.last) {
      const far = Math.hypot(place[0] - held.last[0], place[1] - held.last[1]);
      const { size, half } = this.stage.camera;
      if (far * size >= 2 * half * GAP) this.paint(place);
      return;
    }
    const [x, y] = held.from;
    held.moved ||= Math.hypot(event.clientX - x, event.clientY - y) > SLACK;
    if (held.moved) this.model.move(held.i, place, held.merge);
  }

  /** What was held is left where it is. */
  letGo() {
    this.held = null;
    this.model.settle();
    this.model.notify();
  }

  release() {
    const { held } = this;
    if (!held) return;
    this.letGo();
    const pressed = !held.last && !held.moved && held.wasChosen;
    if (pressed) this.model.label(held.i, this.model.nextLabel(held.i));
  }

  leave() {
    if (!this.held) this.model.point(null);
  }

  /** A double press on the empty plane adds a point. */
  addAt(event) {
    if (this.model.tool === "move" && !event.target.closest("[data-point]")) {
      this.model.add(this.place(event));
    }
  }
}

/** A key on point i. */
export function pressKey(stage, event, i) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { model } = stage;
  const { points } = model.state;
  const label = (value) => model.label(i, value);
  const last = points.length - 1;
  const actions = {
    PageDown: () => model.choose(Math.min(i + 1, last)),
    PageUp: () => model.choose(Math.max(i - 1, 0)),
    Home: () => model.choose(0),
    End: () => model.choose(last),
    Enter: () => label(model.nextLabel(i)),
    " ": () => label(model.nextLabel(i)),
    u: () => label(UNLABELED),
    Delete: () => model.remove(i),
    Backspace: () => model.remove(i),
    a: () => model.add(points[i].map((x) => tidy(x + stage.camera.half / 10))),
  };
  const digit = /^[0-9]$/.test(event.key) && Number(event.key) < CLASSES;
  if (event.key in ARROWS) nudge(stage, i, ARROWS[event.key], event.shiftKey ? 5 : 1);
  else if (event.key === "Escape") model.choose(-1);
  else if (digit) label(Number(event.key));
  else if (event.key in actions) {
    actions[event.key]();
    stage.focus(model.state.chosen);
  } else return;
  event.preventDefault();
}

function nudge({ model, camera }, i, way, times) {
  const step = (times * camera.half) / 50;
  const place = model.state.points[i].map((x, k) => tidy(x + step * way[k]));
  model.move(i, place, `key ${i}`);
}
