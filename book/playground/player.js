// Descends while it plays, so many steps a second.

const STEPS_A_SECOND = { slow: 3, normal: 30, fast: 150 };
const STEPS_A_FRAME = 6;
const LONGEST_RUN = 1500;

export class Player {
  constructor(model) {
    this.model = model;
    /** Whether the reader asks for less motion, and so steps by hand. */
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  }

  toggle() {
    if (this.model.playing) this.pause();
    else this.play();
  }

  play() {
    this.model.settle();
    this.model.playing = true;
    this.left = LONGEST_RUN;
    this.due = 1;
    this.time = null;
    requestAnimationFrame((time) => this.frame(time));
    this.model.notify();
  }

  pause() {
    if (!this.model.playing) return;
    this.model.playing = false;
    this.model.notify();
  }

  frame(time) {
    if (!this.model.playing) return;
    const passed = Math.min(0.1, (time - (this.time ?? time)) / 1000);
    this.time = time;
    this.due += passed * STEPS_A_SECOND[this.model.speed];
    const steps = Math.min(STEPS_A_FRAME, Math.floor(this.due));
    if (steps > 0) {
      this.due = Math.min(1, this.due - steps);
      this.left -= steps;
      this.model.descend(steps);
      if (this.left <= 0) this.pause();
    }
    requestAnimationFrame((next) => this.frame(next));
  }
}
