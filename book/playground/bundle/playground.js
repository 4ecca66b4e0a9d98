// Made of book/playground/*.js by tools/bundle_playground.py.
"use strict";
(() => {
const module_loss = (() => {
// The soft nearest neighbor loss of points, in double precision: the value of each row,
// the pick probabilities, and the gradient in closed form. (chapters 1 to 4)

const UNLABELED = -100;

/** The distances d_ij between all points: "cosine" or "sqeuclidean". */
function distanceMatrix(points, distance) {
  const cosine = distance === "cosine";
  const rows = cosine ? unitRows(points).rows : points;
  const between = cosine ? (a, b) => 1 - dot(a, b) : squaredLength;
  return rows.map((row) => Float64Array.from(rows, (other) => between(row, other)));
}

/**
 * The loss of a batch, of each row, and its gradient.
 *
 * ell_i = log(1 + O_i / S_i): S_i sums exp(-d_ij / T) over the partners of row i, O_i over
 * the other candidates. The sums are kept as logarithms, so nothing underflows. The loss is
 * the mean over the anchors, and d ell / d s_ij = (p_ij - q_ij) / |A|, s_ij = -d_ij / T.
 *
 * Takes N points (arrays of D numbers), N integer labels (-100: unlabeled), T > 0, and the
 * name of a distance. Returns loss; rowLosses (N), 0 at rows that are no anchors; gradient
 * (N x D); and what they are made of: distances, probability and force = p - q (N x N each),
 * anchors (N booleans).
 */
function evaluate({ points, labels, temperature, distance = "cosine" }) {
  check({ points, labels, temperature, distance });
  const distances = distanceMatrix(points, distance);
  const rows = distances.map((row, i) => pickFrom(row, temperature, labels, i));
  const anchors = rows.map((row) => row.anchor);
  const rowLosses = rows.map((row) => row.loss);
  const count = Math.max(1, anchors.filter(Boolean).length);
  const force = rows.map((row) => row.force);
  const scale = -1 / (temperature * count); // from p - q to d ell / d d_ij
  const slopes = force.map((row) => row.map((value) => value * scale));
  return {
    loss: sum(rowLosses) / count,
    rowLosses,
    gradient:
      distance === "cosine" ? cosineChain(points, slopes) : squareChain(points, slopes),
    distances,
    probability: rows.map((row) => row.probability),
    force,
    anchors,
  };
}

/** Row i: its loss, whom it picks (p_ij), and who pulls and pushes (p_ij - q_ij). */
function pickFrom(distances, temperature, labels, i) {
  const logits = distances.map((d) => -d / temperature);
  const probability = new Float64Array(labels.length);
  const force = new Float64Array(labels.length);
  const kind = labels.map((_, j) => kindOf(labels, i, j));
  const partners = logSumExp(logits, kind, "partner");
  const strangers = logSumExp(logits, kind, "stranger");
  const anchor = partners > -Infinity;
  const odds = strangers - partners; // log(O / S); NaN where a row has no candidate
  for (let j = 0; j < labels.length; j += 1) {
    if (kind[j] === "partner") {
      const q = Math.exp(logits[j] - partners);
      probability[j] = q * logistic(-odds);
      force[j] = -q * logistic(odds); // p - q, without subtracting
    } else if (kind[j] === "stranger") {
      probability[j] = Math.exp(logits[j] - strangers) * logistic(odds);
      force[j] = anchor ? probability[j] : 0;
    }
  }
  return { loss: anchor ? softplus(odds) : 0, anchor, probability, force };
}

/** What point j is to point i: "partner", "stranger", or "" if i may not pick it. */
function kindOf(labels, i, j) {
  if (i === j || labels[i] === UNLABELED || labels[j] === UNLABELED) return "";
  return labels[i] === labels[j] ? "partner" : "stranger";
}

/** d ell / d x from the slopes d ell / d d_ij, for d = |x_i - x_j|^2. */
function squareChain(points, slopes) {
  const gradient = points.map((point) => point.map(() => 0));
  slopes.forEach((row, i) =>
    row.forEach((slope, j) => {
      if (slope === 0) return;
      for (let k = 0; k < points[i].length; k += 1) {
        const part = 2 * slope * (points[i][k] - points[j][k]);
        gradient[i][k] += part;
        gradient[j][k] -= part;
      }
    }),
  );
  return gradient;
}

/** The same for d = 1 - u_i . u_j with u = x / |x|: only what turns a row counts. */
function cosineChain(points, slopes) {
  const { rows, lengths } = unitRows(points);
  const turned = points.map((point) => point.map(() => 0));
  slopes.forEach((row, i) =>
    row.forEach((slope, j) => {
      if (slope === 0) return;
      for (let k = 0; k < points[i].length; k += 1) {
        turned[i][k] -= slope * rows[j][k];
        turned[j][k] -= slope * rows[i][k];
      }
    }),
  );
  return turned.map((row, i) => {
    const along = dot(row, rows[i]);
    const factor = lengths[i] > 0 ? 1 / lengths[i] : 0; // zeros have no direction
    return row.map((value, k) => (value - along * rows[i][k]) * factor);
  });
}

/** The rows x / |x|, zeros for zeros, and their lengths. */
function unitRows(points) {
  const lengths = points.map((point) => Math.hypot(...point));
  const rows = points.map((point, i) =>
    point.map((x) => (lengths[i] > 0 ? x / lengths[i] : 0)),
  );
  return { rows, lengths };
}

function check({ points, labels, temperature, distance }) {
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new RangeError(`temperature must be positive and finite; got ${temperature}`);
  }
  if (distance !== "cosine" && distance !== "sqeuclidean") {
    throw new RangeError(`distance must be "cosine" or "sqeuclidean"; got ${distance}`);
  }
  if (points.length !== labels.length) {
    throw new RangeError(
      `labels must be ${points.length}, one a point; got ${labels.length}`,
    );
  }
  if (!points.every((point) => point.every(Number.isFinite))) {
    throw new RangeError("points must be finite numbers");
  }
}

/** log of the sum of exp(logits) over one kind; -Infinity if there is none. */
function logSumExp(logits, kind, wanted) {
  let largest = -Infinity;
  for (let j = 0; j < logits.length; j += 1) {
    if (kind[j] === wanted && logits[j] > largest) largest = logits[j];
  }
  if (largest === -Infinity) return largest;
  let total = 0;
  for (let j = 0; j < logits.length; j += 1) {
    if (kind[j] === wanted) total += Math.exp(logits[j] - largest);
  }
  return largest + Math.log(total);
}

/** 1 / (1 + exp(-x)), to the last digit for very negative x, too. */
function logistic(x) {
  if (x > 0) return 1 / (1 + Math.exp(-x));
  const weight = Math.exp(x);
  return weight / (1 + weight);
}

/** log(1 + exp(x)) without overflow. */
function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function dot(a, b) {
  let total = 0;
  for (let k = 0; k < a.length; k += 1) total += a[k] * b[k];
  return total;
}

function squaredLength(a, b) {
  let total = 0;
  for (let k = 0; k < a.length; k += 1) total += (a[k] - b[k]) ** 2;
  return total;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
return { UNLABELED, distanceMatrix, evaluate, kindOf };
})();
const module_dom = (() => {
// Small helpers: elements, numbers as text, and the shapes of the classes.
const { UNLABELED } = module_loss;

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; functions among the attributes listen to events of their name. */
function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A new set of children in place of the old ones. */
function replace(element, children) {
  element.replaceChildren(...children);
}

/** Sets attributes only where they change. */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

/** A number in a few digits, for people. */
function show(x, digits = 3) {
  if (Number.isNaN(x)) return "NaN";
  const size = Math.abs(x);
  if (x === 0) return "0";
  if (size >= 1e5 || size < 1e-3) {
    return x.toExponential(1).replace("e+", "e").replace(/-/g, "−");
  }
  const text = size >= 100 ? x.toFixed(Math.max(0, digits - 2)) : x.toPrecision(digits);
  return text.replace("-", "−");
}

/** A temperature: fewer digits. */
function showTemperature(x) {
  return String(Number(x.toPrecision(2)));
}

function nameOfClass(label) {
  return label === UNLABELED ? "unlabeled" : `class ${label}`;
}

/** "c0" to "c9", or "none": what the style sheet colors by. */
function styleOf(label) {
  return label === UNLABELED ? "none" : `c${label}`;
}

const corners = (count, turn = 0) =>
  Array.from({ length: count }, (_, k) => {
    const angle = 2 * Math.PI * (k / count + turn) - Math.PI / 2;
    return [Math.cos(angle), Math.sin(angle)];
  });
const star = corners(10).map(([x, y], k) => (k % 2 ? [0.5 * x, 0.5 * y] : [x, y]));
const plus = [
  [1, 3],
  [3, 3],
  [3, 1],
  [1, 1],
].flatMap((_, k) => {
  const turn = ([x, y]) =>
    [
      [x, y],
      [-y, x],
      [-x, -y],
      [y, -x],
    ][k];
  return [
    [0.36, 0.95],
    [0.36, 0.36],
    [0.95, 0.36],
  ]
    .map(turn)
    .reverse();
});
const cross = plus.map(([x, y]) => [0.72 * (x - y), 0.72 * (x + y)]);
const polygons = [
  null, // a circle
  corners(4, 0.125).map(([x, y]) => [1.15 * x, 1.15 * y]),
  corners(4).map(([x, y]) => [1.1 * x, 1.2 * y]),
  corners(3).map(([x, y]) => [1.2 * x, 1.2 * y + 0.2]),
  corners(3, 0.5).map(([x, y]) => [1.2 * x, 1.2 * y - 0.2]),
  plus,
  star.map(([x, y]) => [1.25 * x, 1.25 * y]),
  cross,
  corners(5).map(([x, y]) => [1.1 * x, 1.1 * y]),
  corners(6).map(([x, y]) => [1.1 * x, 1.1 * y]),
];

/** The outline of a class's shape: a shape for each class, as in the chapters. */
function shapeOf(label, radius) {
  const size = label === UNLABELED ? 0.7 * radius : radius;
  const polygon = polygons[label] ?? null;
  if (!polygon) {
    const arc = `a${size},${size} 0 1 1`;
    return `M${-size},0${arc} ${2 * size},0${arc} ${-2 * size},0Z`;
  }
  return `M${polygon.map(([x, y]) => `${(size * x).toFixed(2)},${(size * y).toFixed(2)}`).join("L")}Z`;
}

let made = 0;

/** An id that no other element of the page has. */
function freshId(name) {
  made += 1;
  return `snnl-${name}-${made}`;
}
return { html, svg, replace, set, show, showTemperature, nameOfClass, styleOf, shapeOf, freshId };
})();
const module_fields = (() => {
// Buttons, choices, checkboxes and number fields: the browser's own.
// Each but the button comes with a `draw` that shows what the model holds.
const { freshId, html } = module_dom;

function button(text, action, attributes = {}) {
  return html("button", { type: "button", click: action, ...attributes }, text);
}

function bar(...children) {
  return html("div", { class: "bar" }, ...children);
}

/** Radio buttons in a row: each of [value, content, name for screen readers]. */
function choices(legend, options, { picked, pick, className = "" }) {
  const group = { type: "radio", name: freshId("group") };
  const inputs = options.map(([value, , name]) => {
    const input = html("input", { ...group, value, change: () => pick(value) });
    if (name) input.setAttribute("aria-label", name);
    return input;
  });
  const labels = options.map(([, content, name], k) => {
    const title = name ? { title: name } : {};
    return html("label", title, inputs[k], html("span", {}, content));
  });
  const heading = html("legend", {}, legend);
  const element = html(
    "fieldset",
    { class: `choices ${className}` },
    heading,
    ...labels,
  );
  const draw = () => {
    const now = picked();
    inputs.forEach((input, k) => (input.checked = options[k][0] === now));
  };
  return { element, draw };
}

function checkbox(text, checked, check) {
  const input = html("input", { type: "checkbox", change: () => check(input.checked) });
  const element = html("label", { class: "check" }, input, text);
  return { element, draw: () => (input.checked = checked()) };
}

/** A number to type; what is typed stays while the field has the focus. */
function numberField(text, value, change, attributes = {}) {
  const input = html("input", { type: "number", step: "any", ...attributes });
  const draw = () => {
    if (document.activeElement !== input || input.value === "") input.value = value();
  };
  input.addEventListener("change", () => {
    if (input.value !== "" && input.checkValidity()) change(Number(input.value));
    draw();
  });
  input.addEventListener("blur", () => draw());
  const element = html("label", { class: "field" }, html("span", {}, text), input);
  return { element, draw, input };
}

/** A slider of a logarithm: one undo for each time that it is moved. */
function logSlider(name, [low, high], { value, change, settle }) {
  const input = html("input", {
    type: "range",
    min: low,
    max: high,
    step: 0.02,
    "aria-label": `${name}, logarithmic`,
    input: () => change(10 ** input.value),
    change: settle,
  });
  const draw = () => {
    const log = Math.log10(value());
    if (Math.abs(input.value - log) > 0.011) input.value = log;
  };
  return { element: input, draw };
}
return { button, bar, choices, checkbox, numberField, logSlider };
})();
const module_random = (() => {
// Random numbers that a seed decides, the same in every browser.

/** A function that gives uniform numbers in [0, 1) (the generator mulberry32). */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number of the standard normal distribution. */
function gaussian(random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A copy in random order. */
function shuffled(values, random) {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}
return { randomNumbers, gaussian, shuffled };
})();
const module_presets = (() => {
// What the playground can start from: each preset draws points and labels from a seed.
const { UNLABELED } = module_loss;
const { gaussian, randomNumbers } = module_random;

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
const PRESETS = [
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
function drawPreset(name, seed) {
  const preset = PRESETS.find((known) => known.name === name);
  const { points, labels } = preset.draw(randomNumbers(seed));
  return { points: points.map((point) => point.map(tidy)), labels };
}

/** Three digits after the point are finer than a pixel. */
function tidy(x) {
  return Math.round(1000 * x) / 1000;
}
return { PRESETS, drawPreset, tidy };
})();
const module_descent = (() => {
// One step down the loss, as torch.optim.SGD and torch.optim.Adam take it.
const { evaluate } = module_loss;

const DECAY = [0.9, 0.999];
const TINY = 1e-8;

/** The learning rate that an optimizer starts with here. */
const FIRST_RATE = { descent: 1, adam: 0.05 };

/** The annealed temperature of chapter 6. */
function annealedTemperature(step) {
  return (1 + step) ** -0.55;
}

/**
 * The state after one step, and the optimizer's memory for the next.
 * `memory` is null at first, and of no use to plain gradient descent.
 */
function descend(state, memory) {
  const { gradient } = evaluate(state);
  const step = state.step + 1;
  const moved = state.optimizer === "adam" ? adamStep : plainStep;
  const next = moved(state.points, gradient, state.rate, memory);
  const temperature = state.annealed ? annealedTemperature(step) : state.temperature;
  return {
    state: { ...state, points: next.points, step, temperature },
    memory: next.memory,
  };
}

function plainStep(points, gradient, rate) {
  return {
    points: points.map((point, i) => point.map((x, k) => x - rate * gradient[i][k])),
    memory: null,
  };
}

function adamStep(points, gradient, rate, memory) {
  const count = (memory?.count ?? 0) + 1;
  const blend = (old, now, decay) => decay * old + (1 - decay) * now;
  const mean = gradient.map((row, i) =>
    row.map((g, k) => blend(memory?.mean[i][k] ?? 0, g, DECAY[0])),
  );
  const square = gradient.map((row, i) =>
    row.map((g, k) => blend(memory?.square[i][k] ?? 0, g * g, DECAY[1])),
  );
  const [first, second] = DECAY.map((decay) => 1 - decay ** count);
  const moved = points.map((point, i) =>
    point.map(
      (x, k) =>
        x - (rate * mean[i][k]) / first / (Math.sqrt(square[i][k] / second) + TINY),
    ),
  );
  return { points: moved, memory: { count, mean, square } };
}
return { FIRST_RATE, annealedTemperature, descend };
})();
const module_published = (() => {
// The loss as the published code computes it, in single precision. (chapter 4)
// Every result is rounded to float32, as a tensor library would round it.

const round = Math.fround;
const EPSILON = round(1e-5);

/** What is left of the published form where a row finds no partner: -log(epsilon). */
const STUCK = -Math.log(1e-5);

/**
 * -mean_i log(eps + sum_j [y_j = y_i] (e^(-d_ij/T) - [i = j]) / (eps + row sum)).
 *
 * NaN where the diagonal's rounding residue makes the sum negative. It knows no unlabeled
 * rows: they count as one more class. Published code has the cosine distance only.
 */
function publishedLoss({ points, labels, temperature, distance = "cosine" }) {
  return publishedLosses({ points, labels, distance }, [temperature])[0];
}

/** The same for several temperatures. */
function publishedLosses({ points, labels, distance }, temperatures) {
  const distances = singleDistances(points, distance);
  return temperatures.map(round).map((temperature) => {
    let total = 0;
    for (let i = 0; i < labels.length; i += 1) {
      total = round(total + rowLoss(distances[i], labels, temperature, i));
    }
    return round(total / labels.length);
  });
}

function rowLoss(distances, labels, temperature, i) {
  const weights = new Float32Array(labels.length);
  let sum = 0;
  for (let j = 0; j < labels.length; j += 1) {
    weights[j] =
      round(Math.exp(round(-distances[j] / temperature))) - (i === j ? 1 : 0);
    sum = round(sum + weights[j]);
  }
  const divisor = round(sum + EPSILON);
  let picked = 0;
  for (let j = 0; j < labels.length; j += 1) {
    if (labels[i] === labels[j]) picked = round(picked + round(weights[j] / divisor));
  }
  return -round(Math.log(round(picked + EPSILON)));
}

/** The distances in float32; a cosine distance of a row to itself is about 1e-7, not 0. */
function singleDistances(points, distance) {
  const rows = points.map((point) => point.map(round));
  if (distance === "sqeuclidean") {
    return rows.map((a) =>
      rows.map((b) => singleSum(a.map((x, k) => round(x - b[k]) ** 2))),
    );
  }
  const unit = rows.map((row) => {
    const length = Math.max(round(Math.sqrt(singleSum(row.map((x) => x * x)))), 1e-12);
    return row.map((x) => round(x / length));
  });
  return unit.map((a) =>
    unit.map((b) => round(1 - singleSum(a.map((x, k) => x * b[k])))),
  );
}

function singleSum(values) {
  return values.reduce((total, value) => round(total + round(value)), 0);
}
return { STUCK, publishedLoss, publishedLosses };
})();
const module_temperature = (() => {
// The loss against the temperature: its curve, its best temperature, its chance level.
// (chapters 5 and 6; the search is that of snnl_tutorial.entanglement)
const { UNLABELED, distanceMatrix } = module_loss;
const { publishedLosses } = module_published;
const { randomNumbers, shuffled } = module_random;

const SHUFFLES = 20;
const COLDEST = 1e-3;
const HOTTEST = 1e3;

/** Temperatures of the drawn curve, evenly spaced in log T. */
const GRID = Array.from({ length: 61 }, (_, k) => 10 ** (k / 10 - 3));

/** The labeled points only: their distances, labels, and shuffles of these labels. */
function batchOf({ points, labels, distance }) {
  const labeled = labels.map((_, i) => i).filter((i) => labels[i] !== UNLABELED);
  const own = labeled.map((i) => labels[i]);
  const random = randomNumbers(0);
  return {
    distances: distanceMatrix(
      labeled.map((i) => points[i]),
      distance,
    ),
    labels: own,
    shuffles: Array.from({ length: SHUFFLES }, () => shuffled(own, random)),
  };
}

/** The loss for each labeling and temperature; the exponentials are computed once for all. */
function lossesAt({ distances }, labelings, temperatures) {
  const totals = labelings.map(() => temperatures.map(() => 0));
  const anchors = labelings.map(
    (labels) =>
      labels.filter((a, i) => labels.some((b, j) => i !== j && a === b)).length,
  );
  distances.forEach((row, i) => {
    const nearest = Math.min(...row.filter((_, j) => j !== i));
    const gaps = row.map((d, j) => (j === i ? Infinity : d - nearest));
    const weights = new Float64Array(gaps.length);
    const partners = labelings.map((labels) =>
      Int32Array.from(
        [...labels.keys()].filter((j) => j !== i && labels[j] === labels[i]),
      ),
    );
    temperatures.forEach((temperature, k) => {
      let sum = 0;
      for (let j = 0; j < gaps.length; j += 1) {
        weights[j] = Math.exp(-gaps[j] / temperature);
        sum += weights[j];
      }
      const everybody = Math.log(sum);
      for (let l = 0; l < partners.length; l += 1) {
        if (partners[l].length)
          totals[l][k] +=
            everybody - logWeight(partners[l], weights, gaps, temperature);
      }
    });
  });
  return totals.map((row, l) => row.map((total) => total / Math.max(1, anchors[l])));
}

/** log of the summed weights of some columns, also where they underflow. */
function logWeight(columns, weights, gaps, temperature) {
  let total = 0;
  for (let k = 0; k < columns.length; k += 1) total += weights[columns[k]];
  if (total > 1e-280) return Math.log(total);
  let nearest = Infinity;
  for (let k = 0; k < columns.length; k += 1)
    nearest = Math.min(nearest, gaps[columns[k]]);
  total = 0;
  for (let k = 0; k < columns.length; k += 1)
    total += Math.exp((nearest - gaps[columns[k]]) / temperature);
  return Math.log(total) - nearest / temperature;
}

/** {loss, temperature} at the lowest loss over T; null if no point has a partner. */
function bestTemperature(batch) {
  const { distances, labels } = batch;
  if (new Set(labels).size === labels.length) return null;
  const all = distances.flatMap((row) => [...row]);
  const mean = all.reduce((sum, d) => sum + d, 0) / all.length;
  const scale = mean > 1e-15 ? mean : 1;
  const search = (grid, best) => {
    lossesAt(batch, [labels], grid)[0].forEach((loss, k) => {
      const lower =
        loss < best.loss || (loss === best.loss && grid[k] < best.temperature);
      if (lower) best = { loss, temperature: grid[k] };
    });
    return best;
  };
  const steps = Array.from({ length: 13 }, (_, k) => scale * 10 ** (k / 2 - 3));
  let best = search(steps, { loss: Infinity, temperature: scale });
  for (let ratio = Math.sqrt(10), round = 0; round < 3; round += 1, ratio **= 1 / 3) {
    const { temperature } = best;
    best = search(
      [-2, -1, 1, 2].map((step) => temperature * ratio ** (step / 3)),
      best,
    );
  }
  return best;
}

/** The mean loss of the same points with their labels shuffled, for each temperature. */
function chanceLevels(batch, temperatures) {
  const losses = lossesAt(batch, batch.shuffles, temperatures);
  return temperatures.map(
    (_, k) => losses.reduce((sum, row) => sum + row[k], 0) / SHUFFLES,
  );
}

/** All that the temperature chart shows, for a state. */
function landscape(state) {
  const batch = batchOf(state);
  return {
    batch,
    best: bestTemperature(batch),
    exact: lossesAt(batch, [batch.labels], GRID)[0],
    chance: chanceLevels(batch, GRID),
    published: publishedLosses(state, GRID),
  };
}
return { COLDEST, HOTTEST, GRID, batchOf, lossesAt, bestTemperature, chanceLevels, landscape };
})();
const module_state = (() => {
// What a reader can share: the state, in the part of an address behind "#", and back.
const { FIRST_RATE } = module_descent;
const { UNLABELED } = module_loss;
const { PRESETS, drawPreset } = module_presets;
const { COLDEST, HOTTEST } = module_temperature;

const MOST_POINTS = 60;
const CLASSES = 10;
const MARK = "#play";

/** The state in which a preset starts. */
function startOf(name, seed = 0) {
  const { start } = PRESETS.find((preset) => preset.name === name);
  return {
    preset: name,
    seed,
    ...drawPreset(name, seed),
    ...start,
    optimizer: "adam",
    rate: FIRST_RATE.adam,
    annealed: false,
    step: 0,
    chosen: name === "six" ? 2 : -1,
  };
}

/** "#play&preset=six&seed=0..."; the points only if they are no longer the preset's. */
function encode(state) {
  const drawn = drawPreset(state.preset, state.seed);
  const fields = {
    preset: state.preset,
    seed: state.seed,
    distance: state.distance,
    T: state.temperature,
    optimizer: state.optimizer,
    rate: state.rate,
    annealed: Number(state.annealed),
    step: state.step,
    chosen: state.chosen,
  };
  if (pointsAsText(state) !== pointsAsText(drawn)) fields.points = pointsAsText(state);
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return [MARK, ...pairs].join("&");
}

/** The state of an address's part, or null if it is none; what is bad is left out. */
function decode(hash) {
  if (hash !== MARK && !hash.startsWith(`${MARK}&`)) return null;
  const given = new URLSearchParams(hash.slice(MARK.length));
  const name = PRESETS.some((known) => known.name === given.get("preset"))
    ? given.get("preset")
    : PRESETS[0].name;
  const state = startOf(name, wholeNumber(given.get("seed"), 0, 2 ** 31) ?? 0);
  const points = pointsFromText(given.get("points"));
  const last = (points ?? state).points.length - 1;
  const read = {
    ...points,
    distance: oneOf(given.get("distance"), ["cosine", "sqeuclidean"]),
    temperature: numberIn(given.get("T"), COLDEST, HOTTEST),
    optimizer: oneOf(given.get("optimizer"), Object.keys(FIRST_RATE)),
    rate: numberIn(given.get("rate"), 1e-4, 1e3),
    annealed: { 0: false, 1: true }[given.get("annealed")],
    step: wholeNumber(given.get("step"), 0, 1e9),
    chosen: wholeNumber(given.get("chosen"), -1, last) ?? (points ? -1 : undefined),
  };
  for (const [field, value] of Object.entries(read)) {
    if (value !== undefined && value !== null) state[field] = value;
  }
  return state;
}

/** "x,y,class_x,y,class..." with every digit; u: unlabeled. */
function pointsAsText({ points, labels }) {
  return points
    .map((point, i) => [...point, labels[i] === UNLABELED ? "u" : labels[i]].join(","))
    .join("_");
}

function pointsFromText(text) {
  if (text === null) return null;
  const rows = text
    .split("_")
    .filter(Boolean)
    .map((row) => row.split(","));
  const points = rows.map(([x, y]) => [numberIn(x, -1e9, 1e9), numberIn(y, -1e9, 1e9)]);
  const labels = rows.map((row) =>
    row[2] === "u" ? UNLABELED : wholeNumber(row[2], 0, CLASSES - 1),
  );
  const good =
    rows.length <= MOST_POINTS && ![...points.flat(), ...labels].includes(undefined);
  return good ? { points, labels } : null;
}

function numberIn(text, low, high) {
  const value = text === null || text === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : undefined;
}

function wholeNumber(text, low, high) {
  const value = numberIn(text ?? "", low, high);
  return Number.isInteger(value) ? value : undefined;
}

function oneOf(text, known) {
  return known.includes(text) ? text : undefined;
}
return { MOST_POINTS, CLASSES, startOf, encode, decode };
})();
const module_bars = (() => {
// The presets, and what can be done to points: the rows of controls round the plane.
const { html, nameOfClass, set, shapeOf, show, styleOf, svg } = module_dom;
const { bar, button, checkbox, choices, numberField } = module_fields;
const { UNLABELED } = module_loss;
const { PRESETS, drawPreset, tidy } = module_presets;
const { CLASSES, MOST_POINTS, encode } = module_state;

const LABELS = [...Array.from({ length: CLASSES }, (_, k) => k), UNLABELED];
const LAYERS = ["lines", "arrows", "trails"];

/** The points of a preset as a small picture. */
function thumbnail({ points, labels }) {
  const reach = [0, 1].map((k) => {
    const values = points.map((point) => point[k]);
    return [Math.min(...values), Math.max(...values)];
  });
  const half = 0.58 * Math.max(...reach.map(([low, high]) => high - low));
  const radius = points.length > 12 ? 2.6 : 3.6;
  const marks = points.map((point, i) => {
    const [x, y] = point.map((value, k) => value - (reach[k][0] + reach[k][1]) / 2);
    const [left, top] = [x, -y].map((at) => (30 + (27 * at) / half).toFixed(1));
    return svg("path", {
      class: `shape ${styleOf(labels[i])}`,
      d: shapeOf(labels[i], radius),
      transform: `translate(${left} ${top})`,
    });
  });
  return svg("svg", { viewBox: "0 0 60 60", "aria-hidden": "true" }, ...marks);
}

function presetBar(model) {
  const buttons = PRESETS.map(({ name, title }) => {
    const made = button("", () => model.preset(name), { "data-preset": name });
    made.append(thumbnail(drawPreset(name, 0)), html("span", {}, title));
    return made;
  });
  const attributes = { class: "presets", role: "group", "aria-label": "Presets" };
  const draw = () => {
    for (const made of buttons) {
      set(made, { "aria-pressed": made.dataset.preset === model.state.preset });
    }
  };
  return { element: html("div", attributes, ...buttons), draw };
}

/** Move or draw, undo, clear, another draw: above the plane. */
function toolBar(model) {
  const tools = [
    ["move", "Move"],
    ["add", "Draw"],
  ];
  const tool = choices("Tool", tools, {
    picked: () => model.tool,
    pick: (name) => {
      model.tool = name;
      model.notify();
    },
  });
  const from = (seed) => model.preset(model.state.preset, seed);
  const undo = button("Undo", () => model.undo());
  const redo = button("Redo", () => model.redo());
  const clear = button("Clear", () => model.clear());
  const another = button("New draw", () => from(model.state.seed + 1));
  const whole = { min: 0, max: 2 ** 31, step: 1, class: "short" };
  const seed = numberField("seed", () => model.state.seed, from, whole);
  const draw = () => {
    tool.draw();
    seed.draw();
    undo.disabled = !model.past.length;
    redo.disabled = !model.future.length;
    another.disabled = model.state.preset === "six"; // it is the same for every seed
    clear.disabled = !model.state.points.length;
  };
  const gap = html("span", { class: "gap" });
  const parts = [tool.element, undo, redo, clear, gap, another, seed.element];
  return { element: bar(...parts), draw };
}

/** Below a small plane: the way back, and the way to the page with everything. */
function smallBar(model) {
  const first = model.state;
  const back = button("Start again", () => model.load(first));
  const more = html("a", {}, "Open in the playground");
  const root = document.documentElement.dataset.content_root ?? "";
  const draw = () => {
    back.disabled = model.state === first;
    set(more, { href: `${root}playground.html${encode(model.state)}` });
  };
  return { element: bar(back, more), draw };
}

/** The class of the chosen point, its place, and what goes with it. */
function pointBar(model) {
  const chosen = () =>
    model.state.chosen in model.state.points ? model.state.chosen : -1;
  const classes = classChoice(model, chosen);
  const place = [0, 1].map((k) => placeField(model, chosen, k));
  const name = html("strong");
  const beside = () =>
    chosen() < 0 ? [0, 0] : model.state.points[chosen()].map((x) => tidy(x + 0.2));
  const add = button("Add", () => model.add(beside()), {
    title: "Adds a point beside the chosen one",
  });
  const remove = button("Delete", () => model.remove(chosen()));
  const draw = () => {
    [classes, ...place].forEach((field) => field.draw());
    place.forEach((field) => (field.input.disabled = chosen() < 0));
    name.textContent = chosen() < 0 ? "No point chosen" : `Point ${chosen() + 1}`;
    add.disabled = model.state.points.length >= MOST_POINTS;
    remove.disabled = chosen() < 0;
  };
  const inner = bar(name, ...place.map((field) => field.element), add, remove);
  inner.classList.add("inner");
  return { element: bar(classes.element, inner), draw };
}

/** The class of the chosen point, or of the next that is drawn. */
function classChoice(model, chosen) {
  const options = LABELS.map((label) => {
    const shape = { class: `shape ${styleOf(label)}`, d: shapeOf(label, 7) };
    const box = { viewBox: "-10 -10 20 20", "aria-hidden": "true" };
    return [label, svg("svg", box, svg("path", shape)), nameOfClass(label)];
  });
  const ofPoint = () => model.tool === "move" && chosen() >= 0;
  return choices("Class", options, {
    className: "chips",
    picked: () => (ofPoint() ? model.state.labels[chosen()] : model.newClass),
    pick: (label) => {
      model.newClass = label;
      if (ofPoint()) model.label(chosen(), label);
      else model.notify();
    },
  });
}

/** One coordinate of the chosen point. */
function placeField(model, chosen, k) {
  const point = () => model.state.points[chosen()];
  return numberField(
    "xy"[k],
    () => (chosen() < 0 ? "" : tidy(point()[k])),
    (value) => model.move(chosen(), point().with(k, value)),
    { min: -1e6, max: 1e6 },
  );
}

/** What is drawn into the plane, and what the colors of lines say. */
function layerBar(model) {
  const boxes = LAYERS.map((layer) =>
    checkbox(
      layer,
      () => model.layers[layer],
      (on) => {
        model.layers[layer] = on;
        model.notify();
      },
    ),
  );
  const colors = ["pull", "push"].flatMap((way) => [
    html("i", { class: way }),
    `${way}ed`,
  ]);
  const longest = html("span", { class: "key" });
  const key = html("span", { class: "key" }, ...colors);
  const element = bar(...boxes.map((box) => box.element), longest, key);
  element.classList.add("layers");
  const draw = () => {
    boxes.forEach((box) => box.draw());
    const slopes = model.result.gradient.map(([x, y]) => Math.hypot(x, y));
    longest.textContent = `longest arrow ${show(Math.max(0, ...slopes), 2)}`;
  };
  return { element, draw };
}
return { presetBar, toolBar, smallBar, pointBar, classChoice, layerBar };
})();
const module_chart = (() => {
// A frame for curves and bars: levels on the left, ticks below, as wide as its place.
const { html, replace, set, show, svg } = module_dom;

const LEFT = 42;
const RIGHT = 17;
const TOP = 12;
const BOTTOM = 22;
const LEVELS = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

class Chart {
  constructor(model, height) {
    this.model = model;
    this.width = 340;
    this.height = height;
    this.picture = svg("svg", { class: "chart", role: "img", height });
    this.element = html("div", {}, this.picture);
    new ResizeObserver(() => this.measure()).observe(this.picture);
  }

  /** Keeps one unit of the drawing as large as a pixel, and so the letters readable. */
  measure() {
    const width = Math.round(this.picture.clientWidth);
    if (width > 0 && width !== this.width) {
      this.width = width;
      this.model.notify();
    }
  }

  /** From what to what the axes go: x from `first` to `last`, y from 0 to `top`. */
  scale([first, last], top) {
    [this.first, this.span, this.top] = [first, last - first, top];
    [this.left, this.right] = [LEFT, this.width - RIGHT];
    [this.ceiling, this.base] = [TOP, this.height - BOTTOM];
  }

  x(value) {
    return this.left + ((value - this.first) / this.span) * (this.right - this.left);
  }

  y(value) {
    return this.base - (value / this.top) * (this.base - this.ceiling);
  }

  /** The share of the axis at which a pointer is, from 0 to 1. */
  share(event) {
    const box = this.picture.getBoundingClientRect();
    return (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
  }

  /** Shows all: curves are cut off at the top, marks are not. */
  show(name, ticks, curves, marks) {
    const { width, height, base } = this;
    const [y, depth] = [TOP - 4, base - TOP + 5];
    const window = { y, width, height: depth, viewBox: `0 ${y} ${width} ${depth}` };
    set(this.picture, { viewBox: `0 0 ${width} ${height}`, "aria-label": name });
    replace(this.picture, [
      ...[0, 0.5, 1].flatMap((share) => this.level(share * this.top)),
      ...ticks.map(([value, text]) => this.tick(this.x(value), text)),
      svg("svg", window, ...curves),
      ...marks,
    ]);
  }

  level(value) {
    const text = { class: "tick end", x: this.left - 5, y: this.y(value) + 4 };
    return [
      this.line("level", [this.left, this.y(value)], [this.right, this.y(value)]),
      svg("text", text, value ? show(value, 2) : "0"),
    ];
  }

  tick(x, text) {
    return svg("text", { class: "tick", x, y: this.base + 15 }, text);
  }

  line(name, [x1, y1], [x2, y2]) {
    return svg("line", { class: name, x1, y1, x2, y2 });
  }

  dot(name, x, value, r = 4.5) {
    const cy = this.y(Math.min(value, 1.03 * this.top));
    return svg("circle", { class: name, cx: this.x(x), cy, r });
  }

  /** A path through values; broken where one is NaN. */
  path(name, xs, values) {
    let pen = "M";
    const path = values.map((value, k) => {
      const y = Math.max(-500, Math.min(2000, this.y(value)));
      const piece = `${pen}${this.x(xs[k]).toFixed(1)},${y.toFixed(1)}`;
      pen = Number.isNaN(value) ? "M" : "L";
      return Number.isNaN(value) ? "" : piece;
    });
    return svg("path", { class: name, d: path.join("") });
  }
}

/** The next larger of 1, 1.5, 2, 3, 4, 5, 6 and 8 times a power of ten. */
function niceCeiling(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * LEVELS.find((level) => level * power >= x * 0.999999);
}
return { Chart, niceCeiling };
})();
const module_charts = (() => {
// The loss against the temperature, against the step, and the loss of each point.
const { Chart, niceCeiling } = module_chart;
const { set, show, showTemperature, styleOf, svg } = module_dom;
const { COLDEST, GRID, HOTTEST } = module_temperature;

const LOGS = GRID.map(Math.log10);
const DECADES = [-3, -2, -1, 0, 1, 2, 3].map((power) => [power, String(10 ** power)]);

/** The place of a temperature on the axis; at its ends if it lies beyond. */
function place(temperature) {
  return Math.log10(Math.min(HOTTEST, Math.max(COLDEST, temperature)));
}

/** Whether it stands in a chapter, with less room. */
const isSmall = (model) => model.chapter < Infinity;

class TemperatureChart extends Chart {
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

class StepChart extends Chart {
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

class RowChart extends Chart {
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
return { TemperatureChart, StepChart, RowChart };
})();
const module_loss_panel = (() => {
// The loss in large letters: exact beside published, and both beside chance.
const { html, show, showTemperature } = module_dom;
const { UNLABELED } = module_loss;
const { STUCK } = module_published;

const QUIET = 700; // milliseconds without a change before the loss is read aloud
const CHANCE_AT = 2 / 3; // of the gauge

function lossPanel(model) {
  const exact = html("span", { class: "value exact" });
  const published = html("span", { class: "value published" });
  const verdict = html("span", { class: "verdict" });
  const fill = html("span", { class: "fill" });
  const mark = html("span", { class: "chance" });
  const words = html("p", { class: "words" });
  const aloud = speaker(model);
  const draw = () => {
    const { result, chance } = model;
    const judged = verdictOf(model);
    exact.textContent = showLarge(result.loss);
    published.textContent = showLarge(model.published);
    published.classList.toggle("bad", judged !== "agrees");
    verdict.textContent = judged;
    const share = (CHANCE_AT * result.loss) / Math.max(chance, 1e-9);
    fill.style.width = `${100 * Math.min(1, share)}%`;
    mark.hidden = !result.anchors.some(Boolean);
    words.textContent = chanceText(model);
    aloud.draw();
  };
  const name = (text) => html("span", { class: "name" }, text);
  const numbers = html(
    "div",
    { class: "numbers" },
    html("p", {}, name("exact loss"), exact),
    html("p", {}, name("published form"), published, verdict),
  );
  const gauge = html("div", { class: "gauge", "aria-hidden": "true" }, fill, mark);
  const element = html("div", { class: "loss" }, numbers, gauge, words, aloud.element);
  return { element, draw };
}

/** Reads the loss aloud once it has come to rest. */
function speaker(model) {
  const element = html("p", { class: "visually-hidden", "aria-live": "polite" });
  let timer;
  const speak = () => {
    const { result, chance, published, state } = model;
    const loss = `Loss ${show(result.loss)} at temperature ${showTemperature(state.temperature)}`;
    const judged = `Published form: ${show(published)}, ${verdictOf(model)}`;
    element.textContent = `${loss}, by chance ${show(chance)}. ${judged}.`;
  };
  const draw = () => {
    clearTimeout(timer);
    timer = setTimeout(speak, QUIET);
  };
  return { element, draw };
}

function chanceText({ result, chance, state }) {
  const count = result.anchors.filter(Boolean).length;
  if (!count)
    return "No point has a partner: there is nothing to say, and the loss is 0.";
  const mean = `The loss is the mean over ${count} of ${state.points.length} points.`;
  return `Chance, with the labels shuffled: ${show(chance)}. ${mean}`;
}

/** Four digits, or three where many zeros stand before them. */
function showLarge(x) {
  return show(x, Math.abs(x) < 0.1 ? 3 : 4);
}

/** What is wrong with the published form here. */
function verdictOf({ published, result, state }) {
  if (Number.isNaN(published)) return "the log of a negative number";
  const off = Math.abs(published - result.loss);
  if (off <= 2e-3 * Math.max(0.01, result.loss)) return "agrees";
  if (Math.abs(published - STUCK) < 0.02) return "stuck at −log ε";
  if (state.labels.includes(UNLABELED)) return "takes the unlabeled for a class";
  if (result.anchors.includes(false)) return "counts the point without a partner";
  return published < result.loss ? "too small" : "too large";
}
return { lossPanel };
})();
const module_matrix_kinds = (() => {
// What the four matrices show, and in which colors.
const { kindOf } = module_loss;

// The color map cividis at nine places, as in the chapters' figures.
const CIVIDIS = [
  "00224e",
  "1a386f",
  "434e6c",
  "61656f",
  "7d7c78",
  "9b9476",
  "bbae6d",
  "dcc95a",
  "fee838",
].map((code) => [0, 2, 4].map((k) => parseInt(code.slice(k, k + 2), 16)));
const PULL = [22, 126, 200];
const PUSH = [217, 95, 14];

/**
 * Each matrix: its name and symbol, the values that it takes of a result, what its scale
 * says, given the largest value, and its color at a share of that. Colors are RGBA.
 */
const KINDS = [
  {
    name: "distance",
    symbol: "d",
    values: "distances",
    scale: (top) => `0 to ${top}`,
    color: cividis,
  },
  {
    name: "probability",
    symbol: "p",
    values: "probability",
    scale: (top) => `0 to ${top}`,
    color: cividis,
  },
  {
    name: "mask",
    symbol: "",
    scale: () => "partner, stranger",
  },
  {
    name: "pull and push",
    symbol: "p\u00a0−\u00a0q",
    values: "force",
    scale: (top) => `±${top}`,
    color: forceColor,
  },
];

function cividis(share) {
  const place = Math.max(0, Math.min(1, share)) * (CIVIDIS.length - 1);
  const k = Math.min(CIVIDIS.length - 2, Math.floor(place));
  const mix = CIVIDIS[k].map((low, c) => low + (CIVIDIS[k + 1][c] - low) * (place - k));
  return [...mix, 255];
}

/** Partners, strangers, and nobody: from the labels alone. */
function maskColor(labels, i, j) {
  const kind = kindOf(labels, i, j);
  if (kind === "partner") return [...PULL, 255];
  return kind === "stranger" ? [128, 128, 128, 70] : [0, 0, 0, 0];
}

function forceColor(share) {
  return [...(share < 0 ? PULL : PUSH), Math.round(255 * Math.sqrt(Math.abs(share)))];
}
return { KINDS, maskColor };
})();
const module_words = (() => {
// What is said about a point or a pair, in one sentence.
const { show } = module_dom;
const { UNLABELED } = module_loss;
const { MOST_POINTS } = module_state;

/** About what the pointer is on, or the point that is chosen, or what to do. */
function describe(model) {
  const { state, looking: i, hover, tool } = model;
  const { points } = state;
  if (!points.length) {
    return "No points. Press on the plane to draw some; drag to draw many.";
  }
  if (tool === "add") {
    const count = `${points.length} of ${MOST_POINTS}`;
    return `Press to add a point, drag to draw many. ${count}.`;
  }
  if (!(i in points)) {
    if (model.chapter < 3) return "Drag a point, or press one to choose it.";
    return "Drag a point. Press one to choose it, press it again to change its class.";
  }
  return hover?.j in points && hover.j !== i
    ? pairText(model, i, hover.j)
    : pointText(model, i);
}

function pointText(model, i) {
  const { state, result, chapter } = model;
  if (chapter < 3) return neighborText(model, i);
  const name = `Point ${i + 1}`;
  if (state.labels[i] === UNLABELED) {
    return `${name} is unlabeled: it picks nobody, and nobody picks it.`;
  }
  if (!result.anchors[i]) {
    const so = chapter < 4 ? "it is no anchor" : "its loss does not count";
    return `${name} is alone in its class: it has no partner, so ${so}.`;
  }
  const own = show(Math.exp(-result.rowLosses[i]));
  if (chapter < 4) return `${name} picks its own class with probability ${own}.`;
  const loss = show(result.rowLosses[i]);
  return `${name} picks its own class with probability ${own}: its loss is ${loss}.`;
}

/** Who is nearest to point i; labels do not count yet. */
function neighborText({ result, chapter }, i) {
  const name = `Point ${i + 1}`;
  const distances = [...result.distances[i]];
  const others = distances.map((_, j) => j).filter((j) => j !== i);
  if (!others.length) return `${name} is alone.`;
  const j = others.reduce((a, b) => (distances[b] < distances[a] ? b : a));
  const nearest = `Point ${j + 1} is the nearest to point ${i + 1}: d = ${showDistance(distances[j])}`;
  if (chapter < 2) return `${nearest}.`;
  return `${nearest}, picked with p = ${show(result.probability[i][j])}.`;
}

/** Who point i and point j are to each other, in numbers. */
function pairText({ state, result, chapter }, i, j) {
  if (i === j && chapter >= 2) return `Point ${i + 1} may not pick itself.`;
  const name = `Point ${i + 1} and point ${j + 1}`;
  const d = `d = ${showDistance(result.distances[i][j])}`;
  if (chapter < 2) return `${name}: ${d}.`;
  const labels = [state.labels[i], state.labels[j]];
  if (labels.includes(UNLABELED)) return `${name}: ${d}. One is unlabeled.`;
  const kind = labels[0] === labels[1] ? "partners" : "strangers";
  const p = `picked with p = ${show(result.probability[i][j])}`;
  if (chapter < 3) return `${name}: ${d}, ${p}.`;
  if (chapter < 4) return `${name}, ${kind}: ${d}, ${p}.`;
  return `${name}, ${kind}: ${d}, ${p}, ${effectOf(result.force[i][j])}.`;
}

/** Without what rounding leaves. */
function showDistance(d) {
  return show(Math.abs(d) < 1e-12 ? 0 : d);
}

function effectOf(force) {
  if (force < 0) return `pulled, p − q = ${show(force)}`;
  return force > 0 ? `pushed, p − q = +${show(force)}` : "at rest";
}
return { describe, pairText };
})();
const module_matrices = (() => {
// The matrices as heat maps: distance, probability, mask, and p - q. A cell and a pair of
// points are linked: the pointer on one names the other.
const { html, replace, set, show, styleOf, svg } = module_dom;
const { KINDS, maskColor } = module_matrix_kinds;
const { pairText } = module_words;

const MOVES = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
};

class Matrices {
  /** `names`: of the kinds that are shown, with "-" for a space; all by default. */
  constructor(model, names = null) {
    this.model = model;
    const isShown = ({ name }) => names?.includes(name.replace(/ /g, "-")) ?? true;
    this.maps = KINDS.filter(isShown).map((kind) => new HeatMap(model, kind));
    this.readout = html("p", { class: "readout", "aria-live": "polite" });
    const maps = html("div", { class: "maps" }, ...this.maps.map((map) => map.element));
    this.element = html("div", {}, maps, this.readout);
  }

  draw() {
    this.maps.forEach((map) => map.draw());
    this.readout.textContent = this.describe();
  }

  describe() {
    const { hover, looking, state } = this.model;
    if (hover?.j in state.points) return pairText(this.model, hover.i, hover.j);
    return looking in state.points
      ? `The frame marks whom point ${looking + 1} sees. Point at a cell to see the pair.`
      : "Point at a cell, or go there with the arrow keys, to see the pair.";
  }
}

class HeatMap {
  constructor(model, kind) {
    this.model = model;
    this.kind = kind;
    this.cell = [0, 0];
    this.canvas = html("canvas", { width: 1, height: 1 });
    [this.overlay, this.side, this.head] = ["cells", "side", "head"].map((name) =>
      svg("svg", { class: name, preserveAspectRatio: "none", "aria-hidden": "true" }),
    );
    this.box = html(
      "div",
      {
        class: "map",
        tabindex: 0,
        role: "img",
        pointermove: (event) => this.look(event),
        pointerdown: (event) => this.look(event),
        pointerleave: () => model.point(null),
        keydown: (event) => this.key(event),
        focus: () => this.box.matches(":focus-visible") && this.show(),
        blur: () => model.point(null),
      },
      this.canvas,
      this.overlay,
      this.side,
      this.head,
    );
    this.caption = html("figcaption");
    this.element = html("figure", {}, this.box, this.caption);
  }

  draw() {
    const { order, result, state } = this.model;
    const { name, symbol, values, color } = this.kind;
    const rows = values ? result[values] : [];
    const top = Math.max(1e-12, ...rows.flatMap((row) => [...row].map(Math.abs)));
    const colorOf = values
      ? (i, j) => color(rows[i][j] / top)
      : (i, j) => maskColor(state.labels, i, j);
    this.paint(order, colorOf);
    this.mark(order);
    this.markClasses(order);
    const scale = this.kind.scale(show(top));
    const bar = html("span", { class: `scale ${name.replace(/ /g, "-")}` }, scale);
    replace(this.caption, [html("strong", {}, name), ` ${symbol}`, bar]);
    const size = `${order.length} by ${order.length}`;
    const words = `Matrix of ${name}, ${size}: ${scale}.`;
    set(this.box, { "aria-label": `${words} Arrow keys go from cell to cell.` });
  }

  paint(order, colorOf) {
    const n = order.length;
    if (!n) return;
    if (this.canvas.width !== n) Object.assign(this.canvas, { width: n, height: n });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(n, n);
    order.forEach((i, row) => {
      order.forEach((j, column) => {
        image.data.set(colorOf(i, j), 4 * (row * n + column));
      });
    });
    context.putImageData(image, 0, 0);
  }

  /** Frames the row that is looked at, and the cell. */
  mark(order) {
    const { hover, looking } = this.model;
    const n = order.length;
    const [row, column] = [order.indexOf(looking), order.indexOf(hover?.j)];
    const frame = (x, width) =>
      ["under", "over"].map((name) =>
        svg("rect", { class: name, x, y: row, width, height: 1 }),
      );
    set(this.overlay, { viewBox: `0 0 ${n || 1} ${n || 1}` });
    replace(this.overlay, [
      ...(row >= 0 ? frame(0, n) : []),
      ...(row >= 0 && column >= 0 ? frame(column, 1) : []),
    ]);
  }

  /** The classes as colors along two sides. */
  markClasses(order) {
    const classes = order.map((i) => styleOf(this.model.state.labels[i]));
    if (classes.join() === this.classes) return;
    this.classes = classes.join();
    const n = order.length || 1;
    const strip = (across) =>
      classes.map((name, k) =>
        svg("rect", { class: name, [across]: k, width: 1.02, height: 1.02 }),
      );
    set(this.side, { viewBox: `0 0 1 ${n}` });
    set(this.head, { viewBox: `0 0 ${n} 1` });
    replace(this.side, strip("y"));
    replace(this.head, strip("x"));
  }

  look(event) {
    const { order } = this.model;
    const box = this.canvas.getBoundingClientRect();
    const at = (share) =>
      Math.max(0, Math.min(order.length - 1, Math.floor(share * order.length)));
    this.cell = [
      at((event.clientY - box.top) / box.height),
      at((event.clientX - box.left) / box.width),
    ];
    this.show();
  }

  show() {
    const { order } = this.model;
    const [row, column] = this.cell.map((k) => Math.min(k, order.length - 1));
    if (order.length) this.model.point({ i: order[row], j: order[column] });
  }

  key(event) {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    const last = this.model.order.length - 1;
    this.cell = this.cell.map((k, axis) => Math.max(0, Math.min(last, k + move[axis])));
    this.show();
  }
}
return { Matrices };
})();
const module_numbers = (() => {
// The points in numbers, for those who read rather than look.
const { html, nameOfClass, replace, show } = module_dom;

const HEADS = [
  "point",
  "class",
  "x",
  "y",
  "loss",
  "picks its own class",
  "would move by",
];
const CAPTION = "Each point in numbers; the last column is minus the gradient";

/** A table that is filled when it is open and the points rest. */
function numbersTable(model) {
  const body = html("tbody");
  const heads = HEADS.map((head) => html("th", { scope: "col" }, head));
  const table = html(
    "table",
    { class: "numbers-table" },
    html("caption", {}, CAPTION),
    html("thead", {}, html("tr", {}, ...heads)),
    body,
  );
  const region = { class: "scroll", tabindex: 0, role: "region" };
  const box = html(
    "details",
    { class: "more", toggle: () => draw() },
    html("summary", {}, "The numbers as a table"),
    html("div", { ...region, "aria-label": "The numbers" }, table),
  );
  const draw = () => {
    if (!box.open || model.playing) return;
    replace(
      body,
      model.state.points.map((_, i) => rowOf(model, i)),
    );
  };
  return { element: box, draw };
}

function rowOf({ state, result }, i) {
  const loss = result.rowLosses[i];
  const anchor = result.anchors[i];
  const cells = [
    nameOfClass(state.labels[i]).replace("class ", ""),
    ...state.points[i].map((x) => show(x)),
    anchor ? show(loss) : "no anchor",
    anchor ? show(Math.exp(-loss)) : "",
    result.gradient[i].map((slope) => show(0 - slope, 2)).join(", "),
  ];
  const head = html("th", { scope: "row" }, i + 1);
  return html("tr", {}, head, ...cells.map((cell) => html("td", {}, cell)));
}
return { numbersTable };
})();
const module_player = (() => {
// Descends while it plays, so many steps a second.

const STEPS_A_SECOND = { slow: 3, normal: 30, fast: 150 };
const STEPS_A_FRAME = 6;
const LONGEST_RUN = 1500;

class Player {
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
return { Player };
})();
const module_settings = (() => {
// Distance, temperature, and how to descend: the controls beside the plane.
const { FIRST_RATE } = module_descent;
const { html, set, show, showTemperature } = module_dom;
const { bar, button, checkbox, choices, logSlider, numberField } = module_fields;
const { COLDEST, HOTTEST } = module_temperature;

function distanceChoice(model) {
  const options = [
    ["cosine", "cosine"],
    ["sqeuclidean", "squared Euclidean"],
  ];
  return choices("Distance", options, {
    picked: () => model.state.distance,
    pick: (distance) => model.edit({ distance }),
  });
}

function changeTemperature(model, temperature, merge) {
  const rounded = Number(temperature.toPrecision(3));
  model.edit({ temperature: rounded, annealed: false }, merge);
}

/** A slider of log T, and the number. */
function temperatureSlider(model) {
  const change = (temperature, merge) => changeTemperature(model, temperature, merge);
  const slider = logSlider("temperature", [-3, 3], {
    value: () => model.state.temperature,
    change: (temperature) => change(temperature, "temperature"),
    settle: () => model.settle(),
  });
  const field = numberField(
    "temperature T",
    () => Number(model.state.temperature.toPrecision(4)),
    (temperature) => change(temperature),
    { min: COLDEST, max: HOTTEST },
  );
  const draw = () => {
    slider.draw();
    field.draw();
    const now = showTemperature(model.state.temperature);
    set(slider.element, { "aria-valuetext": `T = ${now}` });
  };
  const wrapped = html("div", { class: "slider" }, slider.element);
  const element = html("div", { class: "bar" }, wrapped, field.element);
  return { slider: wrapped, field: field.element, element, draw };
}

/** The slider for below the chart, the number, and the best one. */
function temperatureControls(model) {
  const { slider, field, draw: drawSlider } = temperatureSlider(model);
  const within = (temperature) => Math.max(COLDEST, Math.min(HOTTEST, temperature));
  const best = button("", () =>
    changeTemperature(model, within(model.landscape.best.temperature)),
  );
  const draw = () => {
    drawSlider();
    const found = model.landscape.best;
    best.disabled = !found;
    best.textContent = found
      ? `Best T: ${showTemperature(found.temperature)}`
      : "No best T";
  };
  return { slider, element: bar(field, best), draw };
}

/** Play, step, and back. */
function stepBar(model, player) {
  const by = (steps) => () => {
    player.pause();
    model.descend(steps);
  };
  const play = button("Play", () => player.toggle(), { class: "primary" });
  const step = button("Step", by(1));
  const leap = button("50 steps", by(50));
  const title = "Back to where the descent started";
  const back = button("Reset", () => model.restart(), { title });
  play.hidden = player.still;
  const draw = () => {
    const lonely = !model.result.anchors.some(Boolean);
    play.textContent = model.playing ? "Pause" : "Play";
    [play, step, leap].forEach((made) => (made.disabled = lonely));
    back.disabled = model.state.points === model.start.points;
  };
  return { element: bar(play, step, leap, back), draw };
}

/** How fast it plays, by which optimizer, at which rate and temperature. */
function descentSettings(model, player) {
  const speeds = ["slow", "normal", "fast"].map((name) =>
    html("option", { value: name, selected: name === model.speed }, name),
  );
  const pace = () => (model.speed = speed.value);
  const speed = html("select", { "aria-label": "speed", change: pace }, ...speeds);
  speed.hidden = player.still;
  const options = [
    ["descent", "gradient descent"],
    ["adam", "Adam"],
  ];
  const optimizer = choices("Optimizer", options, {
    picked: () => model.state.optimizer,
    pick: (name) => model.edit({ optimizer: name, rate: FIRST_RATE[name] }),
  });
  const rate = logSlider("learning rate", [-3, 2], {
    value: () => model.state.rate,
    change: (value) => model.edit({ rate: Number(value.toPrecision(2)) }, "rate"),
    settle: () => model.settle(),
  });
  const shown = html("span", { class: "value" });
  const power = html("sup", {}, "0.55");
  const schedule = html("span", {}, "annealed: T = 1 / (1 + step)", power);
  const anneal = checkbox(
    schedule,
    () => model.state.annealed,
    (on) => model.anneal(on),
  );
  const draw = () => {
    [optimizer, rate, anneal].forEach((part) => part.draw());
    set(rate.element, { "aria-valuetext": show(model.state.rate, 2) });
    shown.textContent = showTemperature(model.state.rate);
  };
  const name = html("span", {}, "learning rate");
  const field = html("label", { class: "field wide" }, name, rate.element, shown);
  const rows = [bar(optimizer.element, speed), bar(field), bar(anneal.element)];
  return { element: html("div", {}, ...rows), draw };
}
return { distanceChoice, temperatureSlider, temperatureControls, stepBar, descentSettings };
})();
const module_python = (() => {
// "Copy as Python": code that computes the same number with the package.

const listOf = (values) => `[${values.join(", ")}]`;

/** A Python program that prints the loss, and its gradient in the points. */
function toPython({ points, labels, temperature, distance }, loss) {
  const rows = points
    .map((point) => `        ${listOf(point.map(decimal))},`)
    .join("\n");
  const classes = wrap(labels.map(String), 4);
  return `import torch

from snnl_tutorial import soft_nearest_neighbor_loss

points = torch.tensor(
    [
${rows}
    ],
    dtype=torch.float64,
    requires_grad=True,
)
labels = torch.tensor([
${classes}
])  # -100: unlabeled
loss = soft_nearest_neighbor_loss(
    points, labels, temperature=${decimal(temperature)}, distance="${distance}"
)
loss.backward()
print(loss.item())  # ${loss}
print(points.grad)
`;
}

/** A number as Python's float: every digit that it has, and a point. */
function decimal(x) {
  const text = String(Object.is(x, -0) ? 0 : x);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Values in lines of at most 74 columns. */
function wrap(values, indent) {
  const lines = [];
  let line = "";
  for (const value of values) {
    if (line.length + value.length + 2 > 74 - indent) {
      lines.push(line);
      line = "";
    }
    line += `${line ? " " : ""}${value},`;
  }
  return [...lines, line].map((text) => " ".repeat(indent) + text).join("\n");
}
return { toPython };
})();
const module_share = (() => {
// What a reader can take along: code that computes the same number, and a link.
const { html } = module_dom;
const { bar, button } = module_fields;
const { toPython } = module_python;
const { encode } = module_state;

const SAID_FOR = 4000; // milliseconds

function sharePanel(model) {
  const code = html("pre", { class: "code" });
  // The theme takes the focus from every `pre` that did not scroll when it looked.
  const region = { class: "scroll", tabindex: 0, role: "region" };
  const said = html("span", { role: "status" });
  const say = (text) => {
    said.textContent = text;
    setTimeout(() => (said.textContent = ""), SAID_FOR);
  };
  const program = () => toPython(model.state, model.result.loss);
  const copyCode = button("Copy as Python", async () => {
    const done = await copy(program());
    say(done ? "Code copied." : "Select the code below.");
  });
  const copyLink = button("Copy link", async () => {
    const address = window.location.href.split("#")[0] + encode(model.state);
    const done = await copy(address);
    say(done ? "Link copied: it opens these points and settings." : address);
  });
  const box = html(
    "details",
    { class: "more", toggle: () => draw() },
    html("summary", {}, "The same number in Python"),
    html("div", { ...region, "aria-label": "Python code" }, code),
  );
  const draw = () => {
    if (box.open && !model.playing) code.textContent = program();
  };
  const element = html("div", { class: "share" }, bar(copyCode, copyLink, said), box);
  return { element, draw };
}

/** Whether the text is on the clipboard now. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyFromField(text);
  }
}

/** The old way, for pages to which the browser does not give its clipboard. */
function copyFromField(text) {
  const field = html("textarea", { style: "position: fixed; opacity: 0" });
  field.value = text;
  document.body.append(field);
  const focused = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
return { sharePanel };
})();
const module_camera = (() => {
// Which part of the plane is seen, and the way between places and pixels.
const { tidy } = module_presets;

const MARGIN = 0.93; // of the view: where points may lie before it moves
const CLOSEST = 1.2;

class Camera {
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
return { Camera };
})();
const module_gestures = (() => {
// What the pointer and the keys do to the points of a stage.
const { UNLABELED } = module_loss;
const { tidy } = module_presets;
const { CLASSES } = module_state;

const SLACK = 4; // pixels that a press may wander without being a drag
const GAP = 28; // pixels between points that are painted
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Presses and drags: `held` says what the pointer holds, or is null. */
class Pointer {
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
function pressKey(stage, event, i) {
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
return { Pointer, pressKey };
})();
const module_stage = (() => {
// The plane: points that can be dragged, the lines of one of them, and where all would go.
const { Camera } = module_camera;
const {
  html,
  nameOfClass,
  replace,
  set,
  shapeOf,
  show,
  showTemperature,
  styleOf,
  svg,
} = module_dom;
const { Pointer, pressKey } = module_gestures;
const { describe } = module_words;

const RADIUS = 8;
const SMALL_RADIUS = 6.5;
const TOUCH = 18;
const LONGEST_ARROW = 52;
const HEAD = 6;
const NO_SLOPE = 1e-9;
const LAYERS = ["grid", "trails", "lines", "arrows", "marks"];

class Stage {
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
return { Stage };
})();
const module_layout = (() => {
// The parts of a playground, and where they stand.
const {
  classChoice,
  layerBar,
  pointBar,
  presetBar,
  smallBar,
  toolBar,
} = module_bars;
const { RowChart, StepChart, TemperatureChart } = module_charts;
const { html } = module_dom;
const { lossPanel } = module_loss_panel;
const { Matrices } = module_matrices;
const { numbersTable } = module_numbers;
const { Player } = module_player;
const {
  descentSettings,
  distanceChoice,
  stepBar,
  temperatureControls,
  temperatureSlider,
} = module_settings;
const { sharePanel } = module_share;
const { Stage } = module_stage;

const LINES = ["exact", "published", "chance"];

/** The parts of the large playground: name, place, element, and what is drawn anew. */
function makeParts(model) {
  const player = new Player(model);
  const points = [toolBar, Stage, layerBar, pointBar].map((make) =>
    create(make, model),
  );
  const temperature = temperatureControls(model);
  const distance = distanceChoice(model);
  const curve = new TemperatureChart(model);
  const descent = [stepBar, descentSettings].map((make) => make(model, player));
  const single = (make) => [create(make, model)];
  return [
    part("presets", "above", "", single(presetBar)),
    part("stage", "left", "The points", points),
    part("rows", "left", "The loss of each point", single(RowChart)),
    part("loss", "right", "The loss", single(lossPanel)),
    part("temperature", "right", "Distance and temperature", [
      distance,
      curve,
      { element: temperature.slider },
      { element: legend() },
      temperature,
    ]),
    part("descent", "right", "Descend the loss", [...descent, new StepChart(model)]),
    part("matrices", "below", "Every pair", single(Matrices)),
    part("numbers", "below", "", single(numbersTable)),
    part("share", "below", "", single(sharePanel)),
  ];
}

/** Those of the small ones: one idea each. */
function makeSmallParts(model, maps) {
  const player = new Player(model);
  const distance = distanceChoice(model);
  const classes = classChoice(model, () => model.state.chosen);
  const [curve, slider] = [new TemperatureChart(model), temperatureSlider(model)];
  const descent = [stepBar, descentSettings].map((make) => make(model, player));
  return [
    part("stage", "left", "The points", [new Stage(model), smallBar(model)]),
    part("distance", "right", "Distance", [distance]),
    part("loss", "right", "The loss", [lossPanel(model)]),
    part("curve", "right", "Loss against temperature", [
      curve,
      { element: slider.slider, draw: slider.draw },
      { element: legend() },
    ]),
    part("descent", "right", "Descend the loss", [...descent, new StepChart(model)]),
    part("temperature", "right", "Temperature", [temperatureSlider(model)]),
    part("classes", "right", "Class of the chosen point", [classes]),
    part("matrices", "right", "Every pair", [new Matrices(model, maps)]),
  ];
}

/** Calls a function, or makes an object of a class. */
function create(make, model) {
  return make.prototype?.draw ? new make(model) : make(model);
}

/** A part; with a title, it is a panel. */
function part(name, place, title, items) {
  const elements = items.map((item) => item.element);
  const drawn = items.filter((item) => item.draw);
  if (!title) return { name, place, element: elements[0], drawn };
  const attributes = { class: `panel ${name}-panel`, "aria-label": title };
  const heading = html("p", { class: "title" }, title);
  const element = html("section", attributes, heading, ...elements);
  return { name, place, element, drawn };
}

function legend() {
  const lines = LINES.flatMap((name) => [html("i", { class: name }), name]);
  return html(
    "p",
    { class: "legend" },
    ...lines,
    html("i", { class: "best" }),
    "best T",
  );
}

/** Fills a place of the page with the parts that it names; returns what to draw. */
function build(place, model) {
  const small = "chapter" in place.dataset;
  const maps = place.dataset.maps?.split(" ");
  const all = small ? makeSmallParts(model, maps) : makeParts(model);
  const wanted = place.dataset.parts?.split(" ") ?? all.map(({ name }) => name);
  const parts = all.filter(({ name }) => wanted.includes(name));
  const at = (where) =>
    parts.filter((made) => made.place === where).map((made) => made.element);
  const columns = ["left", "right"].map((side) =>
    html("div", { class: side }, ...at(side)),
  );
  const middle = html("div", { class: "columns" }, ...columns);
  place.replaceChildren(...at("above"), middle, ...at("below"));
  return parts.flatMap(({ drawn }) => drawn);
}
return { build };
})();
const module_computed = (() => {
// What is computed from a model's state, once for each state.
const { UNLABELED, evaluate } = module_loss;
const { publishedLoss } = module_published;
const { CLASSES } = module_state;
const { chanceLevels, landscape } = module_temperature;

const MOMENT = 200; // milliseconds

/** Needs `state` and `notify`, which a `Model` has. */
class Computed {
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
return { Computed };
})();
const module_model = (() => {
// What the page knows: the state, how it came about, and what is computed from it.
const { Computed } = module_computed;
const { annealedTemperature, descend } = module_descent;
const { UNLABELED } = module_loss;
const { CLASSES, MOST_POINTS, startOf } = module_state;

const REMEMBERED = 200;
const LONGEST_TRAIL = 120;
const TOO_FAR = 1e6;

class Model extends Computed {
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
return { Model };
})();
const module_main = (() => {
// Puts a playground into every <div class="snnl-playground"> of a page.
//
//     data-state="#play&preset=six"   what it starts from
//     data-parts="stage loss"         which of its parts are shown; all by default
//     data-chapter="2"                a small one: it knows chapters 1 and 2 only
//     data-maps="distance mask"       which matrices a small one shows
//     data-address                    whether the page's address follows it
const { build } = module_layout;
const { evaluate } = module_loss;
const { Model } = module_model;
const { publishedLoss } = module_published;
const { toPython } = module_python;
const { decode, encode, startOf } = module_state;
const { batchOf, bestTemperature, chanceLevels } = module_temperature;

const ADDRESS_DELAY = 300; // milliseconds at rest before the address follows
const models = [];

/** One playground: a model and its parts, drawn once a frame however much changes. */
function start(place) {
  let parts = [];
  let waiting = false;
  const address = "address" in place.dataset ? new Address() : null;
  const draw = () => {
    waiting = false;
    parts.forEach((part) => part.draw());
    address?.follow();
  };
  const notify = () => {
    if (waiting || !parts.length) return;
    waiting = true;
    requestAnimationFrame(draw);
  };
  const given = address?.read() ?? decode(place.dataset.state ?? "");
  const chapter = Number(place.dataset.chapter ?? Infinity);
  const model = new Model(given ?? startOf("six"), notify, chapter);
  parts = build(place, model);
  place.classList.add("ready");
  address?.join(model);
  draw();
  return model;
}

/** The page's address and a model, in step: each follows the other. */
class Address {
  read() {
    return decode(window.location.hash);
  }

  join(model) {
    this.model = model;
    this.written = model.state;
    window.addEventListener("hashchange", () => {
      const state = this.read();
      if (state && encode(state) !== encode(model.state)) model.load(state);
    });
  }

  /** Once the points rest, so that a browser need not note each frame. */
  follow() {
    clearTimeout(this.timer);
    if (!this.model.playing) this.timer = setTimeout(() => this.write(), ADDRESS_DELAY);
  }

  write() {
    if (this.model.state === this.written) return;
    this.written = this.model.state;
    window.history.replaceState(window.history.state, "", encode(this.model.state));
  }
}

/** A button in the text that sets the first playground up. */
function enable(button, place, model) {
  button.hidden = false;
  button.addEventListener("click", () => {
    model.load(decode(button.dataset.state));
    place.querySelector(".columns").scrollIntoView({ block: "start" });
    place.querySelector(".plane [tabindex='0']")?.focus({ preventScroll: true });
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const places = [...document.querySelectorAll(".snnl-playground")];
  models.push(...places.map(start));
  for (const button of document.querySelectorAll("button.snnl-load")) {
    if (places.length) enable(button, places[0], models[0]);
  }
});

window.snnlPlayground = {
  batchOf,
  bestTemperature,
  chanceLevels,
  decode,
  encode,
  evaluate,
  models,
  publishedLoss,
  startOf,
  toPython,
};
return {  };
})();
})();
