// What the playground can start from: each preset draws points and labels from a seed.
import { UNLABELED } from "./loss.js";
import { gaussian, randomNumbers } from "./random.js";

const near = (random, x, y, spread) => [
  x + spread * gaussian(random),
  y + spread * gaussian(random),
];

const circle = (turn, radius) => [
  radius * Math.cos(2 * Math.PI * turn),
  radius * Math.sin(2 * Math.PI * turn),
];

/** `count` points round each center, labeled by `labelOf(center, point)`. */
function heaps(random, centers, count, spread, labelOf) {
  const drawn = { points: [], labels: [] };
  centers.forEach(([x, y], c) => {
    for (let k = 0; k < count; k += 1) {
      drawn.points.push(near(random, x, y, spread));
      drawn.labels.push(labelOf(c, k));
    }
  });
  return drawn;
}

/** `count` points of two classes by turns, placed by `place(class, share of the way)`. */
function curves(count, place) {
  const labels = Array.from({ length: count }, (_, k) => k % 2);
  const points = labels.map((label, k) =>
    place(label, Math.floor(k / 2) / (count / 2)),
  );
  return { points, labels };
}

function sixPoints() {
  const line = [0, 0.4, 2.6, 2.2, 3, 3.4]; // chapter 4
  return { points: line.map((x) => [x, 0]), labels: [0, 0, 0, 1, 1, 1] };
}

function clusters(random) {
  const centers = [0.1, 0.35, 0.6, 0.85].map((turn) => circle(turn, 1.9));
  return heaps(random, centers, 10, 0.75, (c) => c);
}

function moons(random) {
  return curves(44, (label, way) => {
    const [x, y] = circle(way / 2 + 0.01, 1.5);
    const [a, b] = label ? [0.75 - x, 0.45 - y] : [x - 0.75, y - 0.45];
    return near(random, a, b, 0.32);
  });
}

function rings(random) {
  return curves(52, (label, way) =>
    near(random, ...circle(way, label ? 2.1 : 0.9), 0.3),
  );
}

function xor(random) {
  const corners = [
    [1.2, 1.2],
    [-1.2, 1.2],
    [-1.2, -1.2],
    [1.2, -1.2],
  ];
  return heaps(random, corners, 10, 0.55, (c) => c % 2);
}

function randomLabels(random) {
  return heaps(random, [[0, 0]], 56, 1, (c, k) => k % 4);
}

function tenClasses(random) {
  const centers = Array.from({ length: 10 }, (_, c) => circle(c / 10, 2));
  return heaps(random, centers, 6, 0.33, (c) => c);
}

function lonely(random) {
  const drawn = heaps(
    random,
    [0.38, 0.5, 0.62].map((turn) => circle(turn, 2)),
    9,
    0.2,
    (c) => c,
  );
  return { points: [...drawn.points, [2.1, 0.3]], labels: [...drawn.labels, 3] };
}

function crowd(random) {
  const centers = [0.25, 0.583, 0.917].map((turn) => circle(turn, 1.5));
  return heaps(random, centers, 16, 0.6, (c, k) => (k < 2 ? c : UNLABELED));
}

/** In the order of their buttons. `start`: what a preset sets besides its points. */
export const PRESETS = [
  ["six", "six points", sixPoints, { distance: "sqeuclidean", temperature: 1 }],
  ["clusters", "clusters", clusters, { distance: "cosine", temperature: 0.1 }],
  ["moons", "two moons", moons, { distance: "sqeuclidean", temperature: 0.1 }],
  ["rings", "rings", rings, { distance: "sqeuclidean", temperature: 0.3 }],
  ["xor", "XOR", xor, { distance: "sqeuclidean", temperature: 1 }],
  [
    "random",
    "random labels",
    randomLabels,
    { distance: "sqeuclidean", temperature: 1 },
  ],
  ["ten", "ten classes", tenClasses, { distance: "cosine", temperature: 0.1 }],
  ["lonely", "one lonely point", lonely, { distance: "cosine", temperature: 0.1 }],
  ["crowd", "unlabeled crowd", crowd, { distance: "sqeuclidean", temperature: 1 }],
].map(([name, title, draw, start]) => ({ name, title, draw, start }));

/** The points and labels of a preset for a seed, rounded so that links stay short. */
export function drawPreset(name, seed) {
  const preset = PRESETS.find((known) => known.name === name);
  const { points, labels } = preset.draw(randomNumbers(seed));
  return { points: points.map((point) => point.map(tidy)), labels };
}

/** Three digits after the point are finer than a pixel. */
export function tidy(x) {
  return Math.round(1000 * x) / 1000;
}
