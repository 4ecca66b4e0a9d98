// Which part of the plane is seen, and the way between places and pixels.
import { tidy } from "./presets.js";

const MARGIN = 0.93; // of the view: where points may lie before it moves
const CLOSEST = 1.2;

export class Camera {
  constructor() {
    this.center = [0, 0];
    this.half = 0; // half the width of what is seen; 0: nothing yet
    this.size = 560; // of the picture, in pixels
  }

  /** Sees all points and the origin, and moves only if it must. */
  aim(points) {
    const reach = [0, 1].map((k) => {
      const values = [0, ...points.map((point) => point[k])];
      return [Math.min(...values), Math.max(...values)];
    });
    const half = Math.max(CLOSEST, ...reach.map(([low, high]) => 0.6 * (high - low)));
    const near = this.half * MARGIN;
    const inside = reach.every(
      ([low, high], k) => low > this.center[k] - near && high < this.center[k] + near,
    );
    if (inside && this.half <= 1.6 * half) return;
    this.center = reach.map(([low, high]) => (low + high) / 2);
    this.half = 1.08 * half;
  }

  toScreen([x, y]) {
    const scale = this.size / (2 * this.half);
    return [
      (x - this.center[0] + this.half) * scale,
      (this.center[1] + this.half - y) * scale,
    ];
  }

  /** Where an event on the picture lies in the plane. */
  toPlane(event, picture) {
    const box = picture.getBoundingClientRect();
    const scale = (2 * this.half) / box.width;
    return [
      tidy(this.center[0] - this.half + (event.clientX - box.left) * scale),
      tidy(this.center[1] + this.half - (event.clientY - box.top) * scale),
    ];
  }

  /** The round numbers along an axis: about four to each side. */
  ticks(axis) {
    const power = 10 ** Math.floor(Math.log10(this.half / 3));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power * 4 > this.half);
    const [low, high] = [-1, 1].map((side) => this.center[axis] + side * this.half);
    const first = Math.ceil(low / step);
    const count = Math.max(0, Math.ceil(high / step) - first);
    return Array.from({ length: count }, (_, k) => tidy((first + k) * step));
  }
}
