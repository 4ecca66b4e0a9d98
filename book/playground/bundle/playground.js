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
  const rows = distances.map((row, i) =>
    pickFrom(row, temperature, labels, i),
  );
  const anchors = rows.map((row) => row.anchor);
  const rowLosses = rows.map((row) => row.loss);
  const count = Math.max(1, anchors.filter(Boolean).length);
  const force = rows.map((row) => row.force);
  const scale = -1 / (temperature * count); // from p - q to d ell / d d_ij
  const slopes = force.map((row) => row.map((value) => value * scale));
  return {
    loss: sum(rowLosses) / count,
    rowLosses,
    gradient: distance === "cosine" ? cosineChain(points, slopes) : squareChain(points, slopes),
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
  slopes.forEach((row, i) => row.forEach((slope, j) => {
    if (slope === 0) return;
    for (let k = 0; k < points[i].length; k += 1) {
      const part = 2 * slope * (points[i][k] - points[j][k]);
      gradient[i][k] += part;
      gradient[j][k] -= part;
    }
  }));
  return gradient;
}

/** The same for d = 1 - u_i . u_j with u = x / |x|: only what turns a row counts. */
function cosineChain(points, slopes) {
  const { rows, lengths } = unitRows(points);
  const turned = points.map((point) => point.map(() => 0));
  slopes.forEach((row, i) => row.forEach((slope, j) => {
    if (slope === 0) return;
    for (let k = 0; k < points[i].length; k += 1) {
      turned[i][k] -= slope * rows[j][k];
      turned[j][k] -= slope * rows[i][k];
    }
  }));
  return turned.map((row, i) => {
    const along = dot(row, rows[i]);
    const factor = lengths[i] > 0 ? 1 / lengths[i] : 0; // zeros have no direction
    return row.map((value, k) => (value - along * rows[i][k]) * factor);
  });
}

/** The rows x / |x|, zeros for zeros, and their lengths. */
function unitRows(points) {
  const lengths = points.map((point) => Math.hypot(...point));
  const rows = points.map((point, i) => point.map((x) => (lengths[i] > 0 ? x / lengths[i] : 0)));
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
    throw new RangeError(`labels must be ${points.length}, one a point; got ${labels.length}`);
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

const corners = (count, turn = 0) => Array.from({ length: count }, (_, k) => {
  const angle = 2 * Math.PI * (k / count + turn) - Math.PI / 2;
  return [Math.cos(angle), Math.sin(angle)];
});
const star = corners(10).map(([x, y], k) => (k % 2 ? [0.5 * x, 0.5 * y] : [x, y]));
const plus = [[1, 3], [3, 3], [3, 1], [1, 1]].flatMap((_, k) => {
  const turn = ([x, y]) => [[x, y], [-y, x], [-x, -y], [y, -x]][k];
  return [[0.36, 0.95], [0.36, 0.36], [0.95, 0.36]].map(turn).reverse();
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
    weights[j] = round(Math.exp(round(-distances[j] / temperature))) - (i === j ? 1 : 0);
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
    return rows.map((a) => rows.map((b) => singleSum(a.map((x, k) => round(x - b[k]) ** 2))));
  }
  const unit = rows.map((row) => {
    const length = Math.max(round(Math.sqrt(singleSum(row.map((x) => x * x)))), 1e-12);
    return row.map((x) => round(x / length));
  });
  return unit.map((a) => unit.map((b) => round(1 - singleSum(a.map((x, k) => x * b[k])))));
}

function singleSum(values) {
  return values.reduce((total, value) => round(total + round(value)), 0);
}
return { STUCK, publishedLoss, publishedLosses };
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
    distances: distanceMatrix(labeled.map((i) => points[i]), distance),
    labels: own,
    shuffles: Array.from({ length: SHUFFLES }, () => shuffled(own, random)),
  };
}

/** The loss for each labeling and temperature; the exponentials are computed once for all. */
function lossesAt({ distances }, labelings, temperatures) {
  const totals = labelings.map(() => temperatures.map(() => 0));
  const anchors = labelings.map((labels) => labels.filter((a, i) =>
    labels.some((b, j) => i !== j && a === b)).length);
  distances.forEach((row, i) => {
    const nearest = Math.min(...row.filter((_, j) => j !== i));
    const gaps = row.map((d, j) => (j === i ? Infinity : d - nearest));
    const weights = new Float64Array(gaps.length);
    const partners = labelings.map((labels) => Int32Array.from(
      [...labels.keys()].filter((j) => j !== i && labels[j] === labels[i])));
    temperatures.forEach((temperature, k) => {
      let sum = 0;
      for (let j = 0; j < gaps.length; j += 1) {
        weights[j] = Math.exp(-gaps[j] / temperature);
        sum += weights[j];
      }
      const everybody = Math.log(sum);
      for (let l = 0; l < partners.length; l += 1) {
        if (partners[l].length) totals[l][k] += everybody - logWeight(partners[l], weights, gaps, temperature);
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
  for (let k = 0; k < columns.length; k += 1) nearest = Math.min(nearest, gaps[columns[k]]);
  total = 0;
  for (let k = 0; k < columns.length; k += 1) total += Math.exp((nearest - gaps[columns[k]]) / temperature);
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
      const lower = loss < best.loss || (loss === best.loss && grid[k] < best.temperature);
      if (lower) best = { loss, temperature: grid[k] };
    });
    return best;
  };
  const steps = Array.from({ length: 13 }, (_, k) => scale * 10 ** (k / 2 - 3));
  let best = search(steps, { loss: Infinity, temperature: scale });
  for (let ratio = Math.sqrt(10), round = 0; round < 3; round += 1, ratio **= 1 / 3) {
    const { temperature } = best;
    best = search([-2, -1, 1, 2].map((step) => temperature * ratio ** (step / 3)), best);
  }
  return best;
}

/** The mean loss of the same points with their labels shuffled, for each temperature. */
function chanceLevels(batch, temperatures) {
  const losses = lossesAt(batch, batch.shuffles, temperatures);
  return temperatures.map((_, k) => losses.reduce((sum, row) => sum + row[k], 0) / SHUFFLES);
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
const module_charts = (() => {
// Curves and bars: the loss against T, the loss against the step, the loss of each row.
const { html, replace, set, show, showTemperature, styleOf, svg } = module_dom;
const { GRID } = module_temperature;

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

class TemperatureChart extends Chart {
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

class StepChart extends Chart {
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

class RowChart extends Chart {
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
return { TemperatureChart, StepChart, RowChart };
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
  return { state: { ...state, points: next.points, step, temperature }, memory: next.memory };
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
    row.map((g, k) => blend(memory?.mean[i][k] ?? 0, g, DECAY[0])));
  const square = gradient.map((row, i) =>
    row.map((g, k) => blend(memory?.square[i][k] ?? 0, g * g, DECAY[1])));
  const [first, second] = DECAY.map((decay) => 1 - decay ** count);
  const moved = points.map((point, i) => point.map((x, k) =>
    x - (rate * mean[i][k]) / first / (Math.sqrt(square[i][k] / second) + TINY)));
  return { points: moved, memory: { count, mean, square } };
}
return { FIRST_RATE, annealedTemperature, descend };
})();
const module_presets = (() => {
// What the playground can start from: each preset draws points and labels from a seed.
const { UNLABELED } = module_loss;
const { gaussian, randomNumbers } = module_random;

const near = (random, x, y, spread) =>
  [x + spread * gaussian(random), y + spread * gaussian(random)];

const circle = (turn, radius) =>
  [radius * Math.cos(2 * Math.PI * turn), radius * Math.sin(2 * Math.PI * turn)];

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
  const points = labels.map((label, k) => place(label, Math.floor(k / 2) / (count / 2)));
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
  return curves(52, (label, way) => near(random, ...circle(way, label ? 2.1 : 0.9), 0.3));
}

function xor(random) {
  const corners = [[1.2, 1.2], [-1.2, 1.2], [-1.2, -1.2], [1.2, -1.2]];
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
  const drawn = heaps(random, [0.38, 0.5, 0.62].map((turn) => circle(turn, 2)), 9, 0.2, (c) => c);
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
  ["random", "random labels", randomLabels, { distance: "sqeuclidean", temperature: 1 }],
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
    ? given.get("preset") : PRESETS[0].name;
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
  const rows = text.split("_").filter(Boolean).map((row) => row.split(","));
  const points = rows.map(([x, y]) => [numberIn(x, -1e9, 1e9), numberIn(y, -1e9, 1e9)]);
  const labels = rows.map((row) =>
    (row[2] === "u" ? UNLABELED : wholeNumber(row[2], 0, CLASSES - 1)));
  const good = rows.length <= MOST_POINTS && ![...points.flat(), ...labels].includes(undefined);
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
const module_controls = (() => {
// Everything to press, choose and slide: the browser's own buttons and inputs.
const { FIRST_RATE } = module_descent;
const { freshId, html, nameOfClass, set, shapeOf, show, showTemperature, styleOf, svg } = module_dom;
const { UNLABELED } = module_loss;
const { PRESETS, drawPreset, tidy } = module_presets;
const { CLASSES, MOST_POINTS } = module_state;
const { COLDEST, HOTTEST } = module_temperature;

/** A button; its draw() says when it can be pressed. */
function button(text, action, attributes = {}) {
  return html("button", { type: "button", click: action, ...attributes }, text);
}

/** Radio buttons in a row: one of [value, content, name for screen readers]. */
function choices(legend, options, picked, pick, className = "") {
  const group = freshId("group");
  const inputs = new Map();
  const labels = options.map(([value, content, name]) => {
    const input = html("input", { type: "radio", name: group, value, change: () => pick(value) });
    if (name) input.setAttribute("aria-label", name);
    inputs.set(value, input);
    return html("label", name ? { title: name } : {}, input, html("span", {}, content));
  });
  const element = html("fieldset", { class: `choices ${className}` }, html("legend", {}, legend), ...labels);
  const draw = () => inputs.forEach((input, value) => { input.checked = value === picked(); });
  return { element, draw };
}

/** A checkbox with its label. */
function checkbox(text, checked, check) {
  const input = html("input", { type: "checkbox", change: () => check(input.checked) });
  const draw = () => { input.checked = checked(); };
  return { element: html("label", { class: "check" }, input, text), draw };
}

/** A number to type, with its label. */
function numberField(text, value, change, attributes = {}) {
  const input = html("input", {
    type: "number",
    step: "any",
    ...attributes,
    change: () => { if (input.value !== "" && input.checkValidity()) change(Number(input.value)); draw(); },
  });
  const draw = () => { if (document.activeElement !== input || input.value === "") input.value = value(); };
  input.addEventListener("blur", () => draw());
  return { element: html("label", { class: "field" }, html("span", {}, text), input), draw, input };
}

/** A small picture of a drawing of points. */
function thumbnail({ points, labels }) {
  const reach = [0, 1].map((k) => points.map((point) => point[k]));
  const [low, high] = [Math.min, Math.max].map((pick) => reach.map((values) => pick(...values)));
  const half = 0.58 * Math.max(high[0] - low[0], high[1] - low[1]);
  const center = [0, 1].map((k) => (low[k] + high[k]) / 2);
  const marks = points.map((point, i) => {
    const [x, y] = point.map((value, k) => 30 + (27 * (value - center[k]) * (k ? -1 : 1)) / half);
    return svg("path", {
      class: `shape ${styleOf(labels[i])}`,
      d: shapeOf(labels[i], points.length > 12 ? 2.6 : 3.6),
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    });
  });
  return svg("svg", { viewBox: "0 0 60 60", "aria-hidden": "true" }, ...marks);
}

function presetBar(model) {
  const buttons = PRESETS.map(({ name, title }) => button("", () => model.preset(name), { "data-preset": name }));
  buttons.forEach((made, k) => made.append(thumbnail(drawPreset(PRESETS[k].name, 0)), html("span", {}, PRESETS[k].title)));
  const draw = () => buttons.forEach((made) => set(made, { "aria-pressed": made.dataset.preset === model.state.preset }));
  return { element: html("div", { class: "presets", role: "group", "aria-label": "Presets" }, ...buttons), draw };
}

/** What can be done to points: above the plane. */
function toolBar(model) {
  const tool = choices("Tool", [["move", "Move"], ["add", "Draw"]], () => model.tool, (value) => {
    model.tool = value;
    model.notify();
  });
  const undo = button("Undo", () => model.undo());
  const redo = button("Redo", () => model.redo());
  const clear = button("Clear", () => model.clear());
  const another = button("New draw", () => model.preset(model.state.preset, model.state.seed + 1));
  const seed = numberField("seed", () => model.state.seed, (value) => model.preset(model.state.preset, value),
    { min: 0, max: 2 ** 31, step: 1, class: "short" });
  const draw = () => {
    tool.draw();
    seed.draw();
    undo.disabled = !model.past.length;
    redo.disabled = !model.future.length;
    another.disabled = model.state.preset === "six"; // it is drawn by hand
    clear.disabled = !model.state.points.length;
  };
  const element = html("div", { class: "bar" }, tool.element, undo, redo, clear, html("span", { class: "gap" }), another, seed.element);
  return { element, draw };
}

/** The class of the chosen point, its place, and what goes with it. */
function pointBar(model) {
  const labels = [...Array.from({ length: CLASSES }, (_, label) => label), UNLABELED];
  const chip = (label) => svg("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" },
    svg("path", { class: `shape ${styleOf(label)}`, d: shapeOf(label, 7) }));
  const chosen = () => (model.state.chosen in model.state.points ? model.state.chosen : -1);
  const classes = choices("Class", labels.map((label) => [label, chip(label), nameOfClass(label)]),
    () => (model.tool === "move" && chosen() >= 0 ? model.state.labels[chosen()] : model.newClass),
    (label) => {
      model.newClass = label;
      if (model.tool === "move" && chosen() >= 0) model.label(chosen(), label);
      else model.notify();
    }, "chips");
  const place = [0, 1].map((k) => numberField("xy"[k],
    () => (chosen() < 0 ? "" : tidy(model.state.points[chosen()][k])),
    (value) => model.move(chosen(), model.state.points[chosen()].map((old, axis) => (axis === k ? value : old))),
    { min: -1e6, max: 1e6 }));
  const name = html("strong");
  const add = button("Add", () => model.add(model.state.points[chosen()]?.map((x) => tidy(x + 0.2)) ?? [0, 0]),
    { title: "Adds a point beside the chosen one" });
  const remove = button("Delete", () => model.remove(chosen()));
  const draw = () => {
    classes.draw();
    place.forEach((field) => { field.draw(); field.input.disabled = chosen() < 0; });
    name.textContent = chosen() < 0 ? "No point chosen" : `Point ${chosen() + 1}`;
    add.disabled = model.state.points.length >= MOST_POINTS;
    remove.disabled = chosen() < 0;
  };
  const element = html("div", { class: "bar" }, classes.element,
    html("div", { class: "bar inner" }, name, ...place.map((field) => field.element), add, remove));
  return { element, draw };
}

/** What is drawn into the plane. */
function layerBar(model) {
  const names = { lines: "lines", arrows: "arrows", trails: "trails" };
  const boxes = Object.entries(names).map(([layer, text]) => checkbox(text, () => model.layers[layer], (on) => {
    model.layers[layer] = on;
    model.notify();
  }));
  const key = html("span", { class: "key" }, html("i", { class: "pull" }), "pulled", html("i", { class: "push" }), "pushed");
  const longest = html("span", { class: "key" });
  const draw = () => {
    boxes.forEach((box) => box.draw());
    const slope = Math.max(0, ...model.result.gradient.map(([x, y]) => Math.hypot(x, y)));
    longest.textContent = `longest arrow ${show(slope, 2)}`;
  };
  return { element: html("div", { class: "bar layers" }, ...boxes.map((box) => box.element), longest, key), draw };
}

function distanceChoice(model) {
  return choices("Distance", [["cosine", "cosine"], ["sqeuclidean", "squared Euclidean"]],
    () => model.state.distance, (distance) => model.edit({ distance }));
}

/** A slider of log T below the chart, the number, and a button that finds the best. */
function temperatureControls(model) {
  const change = (temperature, merge) => model.edit({ temperature, annealed: false }, merge);
  const slider = html("input", {
    type: "range", min: -3, max: 3, step: 0.02, "aria-label": "temperature, logarithmic",
    input: () => change(Number((10 ** slider.value).toPrecision(3)), "temperature"),
    change: () => model.settle(),
  });
  const field = numberField("temperature T", () => Number(model.state.temperature.toPrecision(4)), change, { min: COLDEST, max: HOTTEST });
  const within = (T) => Math.max(COLDEST, Math.min(HOTTEST, Number(T.toPrecision(3))));
  const best = button("", () => change(within(model.landscape.best.temperature)));
  const draw = () => {
    const { temperature } = model.state;
    if (Math.abs(slider.value - Math.log10(temperature)) > 0.011) slider.value = Math.log10(temperature);
    set(slider, { "aria-valuetext": `T = ${showTemperature(temperature)}` });
    field.draw();
    const found = model.landscape.best;
    best.disabled = !found;
    best.textContent = found ? `Best T: ${showTemperature(found.temperature)}` : "No best T";
  };
  return {
    slider: html("div", { class: "slider" }, slider),
    element: html("div", { class: "bar" }, field.element, best),
    draw,
  };
}

/** Descent: play, step, and how. */
function descentControls(model, player) {
  const play = button("Play", () => player.toggle(), { class: "primary" });
  const step = button("Step", () => { player.pause(); model.descend(1); });
  const leap = button("50 steps", () => { player.pause(); model.descend(50); });
  const back = button("Reset", () => model.restart(), { title: "Back to where the descent started" });
  play.hidden = window.matchMedia("(prefers-reduced-motion: reduce)").matches; // steps by hand
  const speed = html("select", { "aria-label": "speed", hidden: play.hidden, change: () => { model.speed = speed.value; } },
    ...["slow", "normal", "fast"].map((name) => html("option", { value: name, selected: name === model.speed }, name)));
  const optimizer = choices("Optimizer", [["descent", "gradient descent"], ["adam", "Adam"]],
    () => model.state.optimizer, (name) => model.edit({ optimizer: name, rate: FIRST_RATE[name] }));
  const rate = html("input", {
    type: "range", min: -3, max: 2, step: 0.02, "aria-label": "learning rate, logarithmic",
    input: () => model.edit({ rate: Number((10 ** rate.value).toPrecision(2)) }, "rate"),
    change: () => model.settle(),
  });
  const shown = html("span", { class: "value" });
  const schedule = html("span", {}, "annealed: T = 1 / (1 + step)", html("sup", {}, "0.55"));
  const anneal = checkbox(schedule, () => model.state.annealed, (on) => model.anneal(on));
  const draw = () => {
    const few = !model.result.anchors.some(Boolean);
    play.textContent = model.playing ? "Pause" : "Play";
    [play, step, leap].forEach((made) => { made.disabled = few; });
    back.disabled = model.state.points === model.start.points;
    [optimizer, anneal].forEach((part) => part.draw());
    if (Math.abs(rate.value - Math.log10(model.state.rate)) > 0.011) rate.value = Math.log10(model.state.rate);
    set(rate, { "aria-valuetext": show(model.state.rate, 2) });
    shown.textContent = showTemperature(model.state.rate);
  };
  const element = html("div", { class: "descent" },
    html("div", { class: "bar" }, play, step, leap, back),
    html("div", { class: "bar" }, optimizer.element, speed),
    html("div", { class: "bar" }, html("label", { class: "field wide" }, html("span", {}, "learning rate"), rate, shown)),
    html("div", { class: "bar" }, anneal.element));
  return { element, draw };
}
return { button, choices, checkbox, numberField, presetBar, toolBar, pointBar, layerBar, distanceChoice, temperatureControls, descentControls };
})();
const module_stage = (() => {
// The plane: points that can be dragged, the lines of one of them, and where all would go.
const { html, nameOfClass, replace, set, shapeOf, show, showTemperature, styleOf, svg } = module_dom;
const { UNLABELED } = module_loss;
const { tidy } = module_presets;
const { CLASSES, MOST_POINTS } = module_state;

const RADIUS = 8;
const TOUCH = 18;
const LONGEST_ARROW = 52;
const NO_SLOPE = 1e-9;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

class Stage {
  constructor(model) {
    this.model = model;
    this.size = 560;
    this.view = null;
    this.grid = svg("g", { class: "grid" });
    this.trails = svg("g", { class: "trails" });
    this.lines = svg("g", { class: "lines" });
    this.arrows = svg("path", { class: "arrows" });
    this.marks = svg("g", { class: "marks" });
    this.picture = svg(
      "svg",
      {
        class: "plane",
        role: "group",
        "aria-label": "The plane with its points",
        pointerdown: (event) => this.press(event),
        pointermove: (event) => this.drag(event),
        pointerup: (event) => this.release(event),
        pointercancel: () => { this.held = null; },
        pointerleave: () => { if (!this.held) this.model.point(null); },
        dblclick: (event) => this.addAt(event),
      },
      this.grid, this.trails, this.lines, this.arrows, this.marks,
    );
    this.readout = html("p", { class: "readout" });
    this.badge = html("p", { class: "badge", "aria-hidden": "true" });
    this.element = html("div", { class: "stage" }, html("div", { class: "frame" }, this.picture, this.badge), this.readout);
    new ResizeObserver(() => this.measure()).observe(this.picture);
  }

  measure() {
    const size = Math.round(this.picture.clientWidth);
    if (size > 0 && size !== this.size) {
      this.size = size;
      this.model.notify();
    }
  }

  // The camera: which part of the plane is seen.

  /** Wide enough for all points and the origin; keeps still while a point is held. */
  aim() {
    const { points } = this.model.state;
    if (this.held && this.view) return;
    const reach = [0, 1].map((k) => {
      const values = [0, ...points.map((point) => point[k])];
      return [Math.min(...values), Math.max(...values)];
    });
    const half = Math.max(1.2, ...reach.map(([low, high]) => (0.6 * (high - low))));
    const fits = this.view && this.view.half <= 1.6 * half && reach.every(([low, high], k) =>
      low > this.view.center[k] - this.view.half * 0.93 &&
      high < this.view.center[k] + this.view.half * 0.93);
    if (!fits) this.view = { center: reach.map(([low, high]) => (low + high) / 2), half: 1.08 * half };
  }

  toScreen([x, y]) {
    const { center, half } = this.view;
    const scale = this.size / (2 * half);
    return [(x - center[0] + half) * scale, (center[1] + half - y) * scale];
  }

  toPlane(event) {
    const box = this.picture.getBoundingClientRect();
    const { center, half } = this.view;
    const scale = (2 * half) / box.width;
    return [
      tidy(center[0] - half + (event.clientX - box.left) * scale),
      tidy(center[1] + half - (event.clientY - box.top) * scale),
    ];
  }

  // Drawing.

  draw() {
    this.aim();
    set(this.picture, { viewBox: `0 0 ${this.size} ${this.size}` });
    this.picture.classList.toggle("adding", this.model.tool === "add");
    this.drawGrid();
    this.drawTrails();
    this.drawLines();
    this.drawArrows();
    this.drawPoints();
    this.readout.textContent = this.model.message || this.describe();
    const { result, state } = this.model;
    const step = state.step ? ` · step ${state.step}` : "";
    this.badge.textContent = `loss ${show(result.loss)} · T ${showTemperature(state.temperature)}${step}`;
  }

  drawGrid() {
    const { center, half } = this.view;
    const { distance } = this.model.state;
    const key = [center, half, distance, this.size].join();
    if (key === this.gridKey) return;
    this.gridKey = key;
    const step = tickStep(half);
    const parts = [];
    for (let k = Math.ceil((center[0] - half) / step); k * step < center[0] + half; k += 1) {
      const [x] = this.toScreen([k * step, 0]);
      parts.push(svg("line", { x1: x, x2: x, y1: 0, y2: this.size, class: k ? "" : "axis" }));
      if (x > 24 && x < this.size - 12) {
        parts.push(svg("text", { x: x + 3, y: this.size - 5 }, show(tidy(k * step), 2).replace(/\.0$/, "")));
      }
    }
    for (let k = Math.ceil((center[1] - half) / step); k * step < center[1] + half; k += 1) {
      const [, y] = this.toScreen([0, k * step]);
      parts.push(svg("line", { x1: 0, x2: this.size, y1: y, y2: y, class: k ? "" : "axis" }));
    }
    if (distance === "cosine") {
      const [cx, cy] = this.toScreen([0, 0]);
      parts.push(svg("circle", { cx, cy, r: this.size / (2 * half), class: "unit" }));
    }
    replace(this.grid, parts);
  }

  drawTrails() {
    const { trail, layers, state } = this.model;
    if (!layers.trails || trail.length < 2) return replace(this.trails, []);
    replace(this.trails, state.labels.map((label, i) => {
      const path = [...trail, state.points].map((points) => this.toScreen(points[i]).map((x) => x.toFixed(1)));
      return svg("path", { d: `M${path.join("L")}`, class: styleOf(label) });
    }));
  }

  drawLines() {
    const { state, result, looking: i, hover, layers } = this.model;
    const spokes = state.distance === "cosine" && i in state.points ? [this.spoke(i)] : [];
    if (!layers.lines || !(i in state.points)) return replace(this.lines, spokes);
    const [x1, y1] = this.toScreen(state.points[i]);
    const lines = state.points.map((point, j) => {
      const [p, force] = [result.probability[i][j], result.force[i][j]];
      const named = hover?.j === j;
      if (j === i || (p < 1e-3 && Math.abs(force) < 1e-2 && !named)) return null;
      const [x2, y2] = this.toScreen(point);
      const way = force < 0 ? "pull" : force > 0 ? "push" : "still";
      return svg("line", {
        x1, y1, x2, y2,
        class: `${way}${named ? " named" : ""}`,
        "stroke-width": (1.2 + 13 * p).toFixed(2),
        "stroke-opacity": (0.3 + 0.6 * Math.sqrt(Math.abs(force))).toFixed(3),
      });
    });
    replace(this.lines, [...spokes, ...lines.filter(Boolean)]);
  }

  /** The cosine distance sees the direction of a point, not its length. */
  spoke(i) {
    const [x1, y1] = this.toScreen([0, 0]);
    const [x2, y2] = this.toScreen(this.model.state.points[i]);
    return svg("line", { x1, y1, x2, y2, class: "spoke" });
  }

  drawArrows() {
    const { layers, state, result } = this.model;
    const lengths = result.gradient.map(([x, y]) => Math.hypot(x, y));
    const largest = Math.max(0, ...lengths);
    if (!layers.arrows || largest < NO_SLOPE) return set(this.arrows, { d: "" });
    const path = state.points.map((point, i) => {
      const length = (LONGEST_ARROW * lengths[i]) / largest;
      if (length < 2) return "";
      const [x, y] = this.toScreen(point);
      const [dx, dy] = [-result.gradient[i][0], result.gradient[i][1]].map((g) => g / lengths[i]);
      const from = RADIUS + 2;
      const at = (along, aside) =>
        `${(x + dx * along - dy * aside).toFixed(1)},${(y + dy * along + dx * aside).toFixed(1)}`;
      const tip = from + length;
      const head = Math.min(6, length);
      return `M${at(from, 0)}L${at(tip, 0)}M${at(tip - head, head / 2)}L${at(tip, 0)}L${at(tip - head, -head / 2)}`;
    });
    return set(this.arrows, { d: path.join("") });
  }

  drawPoints() {
    const { state } = this.model;
    while (this.marks.children.length > state.points.length) this.marks.lastChild.remove();
    while (this.marks.children.length < state.points.length) this.marks.append(this.makePoint());
    const home = state.chosen in state.points ? state.chosen : 0;
    state.points.forEach((_, i) => this.drawPoint(i, i === home));
  }

  makePoint() {
    const i = this.marks.children.length;
    return svg(
      "g",
      {
        role: "button",
        "data-point": i,
        keydown: (event) => this.key(event, i),
        focus: () => { if (!this.held && this.model.state.chosen !== i) this.model.choose(i); },
        pointerenter: () => { if (!this.held && this.model.tool === "move") this.model.point({ i }); },
        pointerleave: () => { if (!this.held) this.model.point(null); },
      },
      svg("circle", { class: "touch", r: TOUCH }),
      svg("circle", { class: "halo", r: RADIUS + 5 }),
      svg("path", { class: "shape" }),
      svg("text", { y: -RADIUS - 6 }),
    );
  }

  drawPoint(i, home) {
    const { state, result, hover } = this.model;
    const mark = this.marks.children[i];
    const label = state.labels[i];
    const [x, y] = this.toScreen(state.points[i]);
    const chosen = state.chosen === i;
    const named = hover?.i === i || hover?.j === i;
    set(mark, {
      transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`,
      class: `point ${styleOf(label)}${chosen ? " chosen" : ""}${named ? " named" : ""}`,
      tabindex: home ? 0 : -1,
      "aria-pressed": chosen,
      "aria-label": `point ${i + 1}, ${nameOfClass(label)}, at ${show(state.points[i][0])}, ` +
        `${show(state.points[i][1])}, ${result.anchors[i] ? `loss ${show(result.rowLosses[i])}` : "no anchor"}`,
    });
    set(mark.children[2], { d: shapeOf(label, RADIUS) });
    mark.children[3].textContent = state.points.length <= 12 || chosen || named ? i + 1 : "";
  }

  /** One sentence about the pair or the point that is looked at. */
  describe() {
    const { state, result, looking: i, hover, tool } = this.model;
    if (!state.points.length) return "No points. Press on the plane to draw some; drag to draw many.";
    if (tool === "add") return `Press to add a point, drag to draw many. ${state.points.length} of ${MOST_POINTS}.`;
    if (!(i in state.points)) return "Drag a point. Press one to choose it, press it again to change its class.";
    if (hover?.j in state.points && hover.j !== i) return pairText(this.model, i, hover.j);
    const name = `Point ${i + 1}`;
    if (state.labels[i] === UNLABELED) return `${name} is unlabeled: it picks nobody, and nobody picks it.`;
    if (!result.anchors[i]) return `${name} is alone in its class: it has no partner, so its loss does not count.`;
    const own = Math.exp(-result.rowLosses[i]);
    return `${name} picks its own class with probability ${show(own)}: its loss is ${show(result.rowLosses[i])}.`;
  }

  // Pointer and keyboard.

  press(event) {
    if (event.button !== 0) return;
    const mark = event.target.closest("[data-point]");
    this.model.settle();
    this.strokes = (this.strokes ?? 0) + 1;
    const merge = `drag ${this.strokes}`;
    if (this.model.tool === "add") {
      this.held = { drawing: true, last: this.toPlane(event), merge };
      this.model.add(this.held.last, merge);
    } else if (mark) {
      const i = Number(mark.dataset.point);
      const wasChosen = this.model.state.chosen === i;
      this.held = { i, x: event.clientX, y: event.clientY, moved: false, wasChosen, merge };
      this.model.hover = null;
      if (!wasChosen) this.model.choose(i);
      mark.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    this.picture.setPointerCapture(event.pointerId);
  }

  drag(event) {
    const { held } = this;
    if (!held) return;
    const place = this.toPlane(event);
    if (held.drawing) {
      const gap = Math.hypot(place[0] - held.last[0], place[1] - held.last[1]);
      if (gap * this.size < 56 * this.view.half) return;
      held.last = place;
      this.model.add(place, held.merge);
    } else if (held.moved || Math.hypot(event.clientX - held.x, event.clientY - held.y) > 4) {
      held.moved = true;
      this.model.move(held.i, place, held.merge);
    }
  }

  release() {
    const { held } = this;
    this.held = null;
    if (!held) return;
    this.model.settle();
    if (!held.drawing && !held.moved && held.wasChosen) {
      this.model.label(held.i, this.model.nextLabel(held.i));
    } else this.model.notify();
  }

  /** A double press on the empty plane adds a point. */
  addAt(event) {
    if (this.model.tool === "move" && !event.target.closest("[data-point]")) {
      this.model.add(this.toPlane(event));
    }
  }

  key(event, i) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { model } = this;
    const { points } = model.state;
    const last = points.length - 1;
    const go = { PageDown: Math.min(i + 1, last), PageUp: Math.max(i - 1, 0), Home: 0, End: last };
    const actions = {
      Enter: () => model.label(i, model.nextLabel(i)),
      " ": () => model.label(i, model.nextLabel(i)),
      u: () => model.label(i, UNLABELED),
      Delete: () => model.remove(i),
      Backspace: () => model.remove(i),
      a: () => model.add(points[i].map((x) => tidy(x + this.view.half / 10))),
      Escape: () => model.choose(-1),
    };
    if (event.key in ARROWS) {
      const step = (this.view.half / 50) * (event.shiftKey ? 5 : 1);
      model.move(i, points[i].map((x, k) => tidy(x + step * ARROWS[event.key][k])), `key ${i}`);
    } else if (event.key in go) this.focus(go[event.key]);
    else if (/^[0-9]$/.test(event.key) && Number(event.key) < CLASSES) model.label(i, Number(event.key));
    else if (event.key in actions) {
      actions[event.key]();
      if (event.key !== "Escape") this.focus(model.state.chosen);
    } else return;
    event.preventDefault();
  }

  focus(i) {
    this.model.choose(i);
    this.draw();
    this.marks.children[i]?.focus({ preventScroll: true });
  }
}

/** Who row i and row j are to each other, in numbers. */
function pairText({ state, result }, i, j) {
  const p = result.probability[i][j];
  const force = result.force[i][j];
  const d = `d = ${show(result.distances[i][j])}`;
  const name = `Point ${i + 1} and point ${j + 1}`;
  if (i === j) return `Point ${i + 1} may not pick itself.`;
  if (state.labels[i] === UNLABELED || state.labels[j] === UNLABELED) return `${name}: ${d}. One is unlabeled.`;
  const kind = state.labels[i] === state.labels[j] ? "partners" : "strangers";
  const effect = force < 0 ? `pulled, p − q = ${show(force)}` : force > 0 ? `pushed, p − q = +${show(force)}` : "at rest";
  return `${name}, ${kind}: ${d}, picked with p = ${show(p)}, ${effect}.`;
}

/** 1, 2 or 5 times a power of ten: about four grid lines to each side. */
function tickStep(half) {
  const power = 10 ** Math.floor(Math.log10(half / 3));
  return power * [1, 2, 5, 10].find((factor) => factor * power * 4 > half);
}
return { Stage, pairText };
})();
const module_matrices = (() => {
// The matrices as heat maps: distance, probability, mask, and p - q. A cell and a pair of
// points are linked: the pointer on one names the other.
const { html, replace, set, show, styleOf, svg } = module_dom;
const { kindOf } = module_loss;
const { pairText } = module_stage;

// The color map cividis at nine places, as in the chapters' figures.
const CIVIDIS = ["00224e", "1a386f", "434e6c", "61656f", "7d7c78", "9b9476", "bbae6d", "dcc95a", "fee838"]
  .map((code) => [0, 2, 4].map((k) => parseInt(code.slice(k, k + 2), 16)));
const PULL = [22, 126, 200];
const PUSH = [217, 95, 14];
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const KINDS = [
  { name: "distance", symbol: "d", values: "distances", scale: (top) => `0 to ${top}`, color: cividis },
  { name: "probability", symbol: "p", values: "probability", scale: (top) => `0 to ${top}`, color: cividis },
  { name: "mask", symbol: "", words: "who is whose partner", scale: () => "partner, stranger" },
  { name: "pull and push", symbol: "p\u00a0−\u00a0q", values: "force", scale: (top) => `±${top}`, color: forceColor },
];

class Matrices {
  constructor(model) {
    this.model = model;
    this.maps = KINDS.map((kind) => new HeatMap(model, kind, this));
    this.readout = html("p", { class: "readout", "aria-live": "polite" });
    this.element = html("div", {}, html("div", { class: "maps" }, ...this.maps.map((map) => map.element)), this.readout);
  }

  draw() {
    this.maps.forEach((map) => map.draw());
    const { hover, looking, state } = this.model;
    this.readout.textContent = hover?.j in state.points ? pairText(this.model, hover.i, hover.j)
      : looking in state.points ? `The frame marks the row of point ${looking + 1}: whom it sees. Point at a cell to see the pair.`
        : "Point at a cell, or go there with the arrow keys, to see the pair.";
  }
}

class HeatMap {
  constructor(model, kind, group) {
    this.model = model;
    this.kind = kind;
    this.group = group;
    this.cell = [0, 0];
    this.canvas = html("canvas", { width: 1, height: 1 });
    this.overlay = svg("svg", { preserveAspectRatio: "none", "aria-hidden": "true" });
    this.sides = svg("svg", { class: "side", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.heads = svg("svg", { class: "head", preserveAspectRatio: "none", "aria-hidden": "true" });
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
        focus: () => { if (this.box.matches(":focus-visible")) this.show(); },
        blur: () => model.point(null),
      },
      this.canvas, this.overlay, this.sides, this.heads,
    );
    this.caption = html("figcaption");
    this.element = html("figure", {}, this.box, this.caption);
  }

  draw() {
    const { order, result } = this.model;
    const { name, symbol } = this.kind;
    const values = result[this.kind.values];
    const top = Math.max(1e-12, ...(values ?? []).flatMap((row) => [...row].map(Math.abs)));
    this.paint(order, (i, j) => (values ? this.kind.color(values[i][j] / top) : maskColor(this.model, i, j)));
    this.frame(order);
    const scale = this.kind.scale(show(top));
    replace(this.caption, [
      html("strong", {}, name), ` ${symbol}`, html("span", { class: `scale ${name.replace(/ /g, "-")}` }, scale),
    ]);
    set(this.box, {
      "aria-label": `Matrix of ${name}, ${order.length} by ${order.length}: ` +
        `${this.kind.words ?? scale}. Arrow keys go from cell to cell.`,
    });
  }

  paint(order, colorOf) {
    const n = order.length;
    if (!n) return;
    if (this.canvas.width !== n) Object.assign(this.canvas, { width: n, height: n });
    const context = this.canvas.getContext("2d");
    const image = context.createImageData(n, n);
    order.forEach((i, row) => order.forEach((j, column) => {
      image.data.set(colorOf(i, j), 4 * (row * n + column));
    }));
    context.putImageData(image, 0, 0);
  }

  /** The row that is looked at, the cell, and the classes along the sides. */
  frame(order) {
    const { hover, looking, state } = this.model;
    const n = order.length;
    set(this.overlay, { viewBox: `0 0 ${n || 1} ${n || 1}` });
    set(this.sides, { viewBox: `0 0 1 ${n || 1}` });
    set(this.heads, { viewBox: `0 0 ${n || 1} 1` });
    const row = order.indexOf(looking);
    const column = order.indexOf(hover?.j);
    const parts = [];
    const frame = (x, width) => ["under", "over"].forEach((name) =>
      parts.push(svg("rect", { class: name, x, y: row, width, height: 1 })));
    if (row >= 0) frame(0, n);
    if (row >= 0 && column >= 0) frame(column, 1);
    replace(this.overlay, parts);
    const key = order.map((i) => state.labels[i]).join();
    if (key === this.sideKey) return;
    this.sideKey = key;
    const strip = (across) => order.map((i, k) => svg("rect", {
      class: styleOf(state.labels[i]), [across]: k, width: 1.02, height: 1.02,
    }));
    replace(this.sides, strip("y"));
    replace(this.heads, strip("x"));
  }

  look(event) {
    const { order } = this.model;
    const box = this.canvas.getBoundingClientRect();
    const at = (share) => Math.max(0, Math.min(order.length - 1, Math.floor(share * order.length)));
    this.cell = [at((event.clientY - box.top) / box.height), at((event.clientX - box.left) / box.width)];
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

function cividis(share) {
  const place = Math.max(0, Math.min(1, share)) * (CIVIDIS.length - 1);
  const k = Math.min(CIVIDIS.length - 2, Math.floor(place));
  const mix = CIVIDIS[k].map((low, c) => low + (CIVIDIS[k + 1][c] - low) * (place - k));
  return [...mix, 255];
}

function maskColor({ state }, i, j) {
  const kind = kindOf(state.labels, i, j);
  if (kind === "partner") return [...PULL, 255];
  return kind === "stranger" ? [128, 128, 128, 70] : [0, 0, 0, 0];
}

function forceColor(share) {
  return [...(share < 0 ? PULL : PUSH), Math.round(255 * Math.sqrt(Math.abs(share)))];
}
return { Matrices };
})();
const module_model = (() => {
// What the page knows: the state, how it came about, and what is computed from it.
const { annealedTemperature, descend } = module_descent;
const { UNLABELED, evaluate } = module_loss;
const { publishedLoss } = module_published;
const { CLASSES, MOST_POINTS, startOf } = module_state;
const { chanceLevels, landscape } = module_temperature;

const REMEMBERED = 200;
const LONGEST_TRAIL = 120;
const TOO_FAR = 1e6;
const MOMENT = 200; // milliseconds

class Model {
  constructor(state, notify) {
    this.notify = notify;
    this.past = [];
    this.future = [];
    this.merged = "";
    this.kept = {};
    this.landscapeUntil = 0; // when its curves may be computed anew
    this.hover = null; // {i} or {i, j}: what the pointer is on
    this.tool = "move";
    this.newClass = 0;
    this.layers = { lines: true, arrows: true, trails: true };
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
    this.landscapeUntil = 0;
    this.message = "";
    this.begin(from.pop());
  }

  load(state) {
    this.remember("");
    this.playing = false;
    this.landscapeUntil = 0;
    this.message = "";
    this.hover = null;
    this.begin(state);
  }

  preset(name, seed = 0) {
    this.load(startOf(name, seed));
  }

  choose(i) {
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
    this.edit({ points: this.state.points.map((old, j) => (j === i ? place : old)) }, merge);
  }

  label(i, label) {
    this.edit({ labels: this.state.labels.map((old, j) => (j === i ? label : old)) });
  }

  /** The next class round: those in use, one more, unlabeled. */
  nextLabel(i) {
    const used = Math.max(-1, ...this.state.labels);
    const old = this.state.labels[i];
    if (old === UNLABELED) return 0;
    return old >= Math.min(used + (used < 1 ? 1 : 0), CLASSES - 1) ? UNLABELED : old + 1;
  }

  add(place, merge = "") {
    const { points, labels } = this.state;
    if (points.length >= MOST_POINTS) {
      this.message = `${MOST_POINTS} points are the most that fit here.`;
      this.notify();
      return;
    }
    const chosen = points.length;
    this.edit({ points: [...points, place], labels: [...labels, this.newClass], chosen }, merge);
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
    const temperature = annealed ? annealedTemperature(this.state.step) : this.state.temperature;
    this.edit({ annealed, temperature });
  }

  /** Some steps of descent; false where it can go no further. */
  descend(steps) {
    this.remember("descent");
    if (!this.curve.length) this.record();
    for (let k = 0; k < steps; k += 1) {
      const { state, memory } = descend(this.state, this.memory);
      if (!state.points.flat().every((x) => Math.abs(x) < TOO_FAR)) {
        this.message = "The step was too large, and the points flew away. Undo, or take a smaller rate.";
        this.playing = false;
        break;
      }
      this.state = state;
      this.memory = memory;
      this.record();
    }
    this.notify();
  }

  record() {
    const { step, temperature, points } = this.state;
    this.curve.push({ step, temperature, loss: this.result.loss });
    if ((step - this.start.step) % this.stride === 0) this.trail.push(points);
    if (this.trail.length > LONGEST_TRAIL) { // every second of them will do
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
    const temperature = this.state.annealed ? annealedTemperature(step) : this.state.temperature;
    this.begin({ ...this.state, points, labels, step, temperature });
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
      const late = kept.of[0] !== points || kept.of[1] !== labels || kept.of[2] !== distance;
      if (late) this.later ??= setTimeout(() => { this.later = null; this.notify(); }, MOMENT);
      return kept.value;
    }
    return this.keep("landscape", [points, labels, distance], () => {
      this.landscapeUntil = performance.now() + MOMENT;
      return landscape(this.state);
    });
  }

  get chance() {
    const { batch } = this.landscape;
    return this.keep("chance", [batch, this.state.temperature], () =>
      chanceLevels(batch, [this.state.temperature])[0]);
  }

  /** The points in the order of the matrices: by class, the unlabeled last. */
  get order() {
    const { labels } = this.state;
    const rank = (i) => (labels[i] === UNLABELED ? CLASSES : labels[i]);
    return this.keep("order", [labels], () =>
      labels.map((_, i) => i).sort((a, b) => rank(a) - rank(b) || a - b));
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
return { Model };
})();
const module_python = (() => {
// "Copy as Python": code that computes the same number with the package.

const listOf = (values) => `[${values.join(", ")}]`;

/** A Python program that prints the loss, and its gradient in the points. */
function toPython({ points, labels, temperature, distance }, loss) {
  const rows = points.map((point) => `        ${listOf(point.map(decimal))},`).join("\n");
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
const module_panels = (() => {
// What is told in numbers and words: the loss, the table, the code, the link.
const { button } = module_controls;
const { html, nameOfClass, replace, show, showTemperature } = module_dom;
const { UNLABELED } = module_loss;
const { STUCK } = module_published;
const { toPython } = module_python;
const { encode } = module_state;

const QUIET = 700; // milliseconds without a change before the loss is read aloud

/** The exact loss beside chance, and the published form beside it. */
function lossCard(model) {
  const exact = html("span", { class: "value exact" });
  const published = html("span", { class: "value published" });
  const verdict = html("span", { class: "verdict" });
  const bar = html("span", { class: "fill" });
  const mark = html("span", { class: "chance" });
  const words = html("p", { class: "words" });
  const aloud = html("p", { class: "visually-hidden", "aria-live": "polite" });
  let timer;
  const draw = () => {
    const { result, chance, state } = model;
    const counts = result.anchors.filter(Boolean).length;
    exact.textContent = showLarge(result.loss);
    published.textContent = showLarge(model.published);
    published.classList.toggle("bad", verdictOf(model) !== "agrees");
    verdict.textContent = verdictOf(model);
    const full = 1.5 * Math.max(chance, 1e-9);
    bar.style.width = `${Math.min(100, (100 * result.loss) / full)}%`;
    mark.hidden = !counts;
    words.textContent = counts
      ? `Chance, with the labels shuffled: ${show(chance)}. The loss is the mean over ${counts} of ${state.points.length} points.`
      : "No point has a partner: there is nothing to say, and the loss is 0.";
    clearTimeout(timer);
    timer = setTimeout(() => {
      aloud.textContent = `Loss ${show(result.loss)} at temperature ${showTemperature(state.temperature)}, ` +
        `by chance ${show(chance)}. Published form: ${show(model.published)}, ${verdictOf(model)}.`;
    }, QUIET);
  };
  const element = html("div", { class: "loss" },
    html("div", { class: "numbers" },
      html("p", {}, html("span", { class: "name" }, "exact loss"), exact),
      html("p", {}, html("span", { class: "name" }, "published form"), published, verdict)),
    html("div", { class: "gauge", "aria-hidden": "true" }, bar, mark),
    words, aloud);
  return { element, draw };
}

/** Four digits, or three where many zeros stand before them. */
function showLarge(x) {
  return show(x, Math.abs(x) < 0.1 ? 3 : 4);
}

/** What is wrong with the published form here. */
function verdictOf({ published, result, state }) {
  if (Number.isNaN(published)) return "the log of a negative number";
  if (Math.abs(published - result.loss) <= 2e-3 * Math.max(0.01, result.loss)) return "agrees";
  if (Math.abs(published - STUCK) < 0.02) return "stuck at −log ε";
  if (state.labels.includes(UNLABELED)) return "takes the unlabeled for a class";
  if (result.anchors.includes(false)) return "counts the point without a partner";
  return published < result.loss ? "too small" : "too large";
}

/** The numbers as a table, for who reads rather than looks. */
function numbersTable(model) {
  const body = html("tbody");
  const heads = ["point", "class", "x", "y", "loss", "picks its own class", "would move by"];
  const table = html("table", { class: "numbers-table" },
    html("caption", {}, "Each point in numbers; the last column is minus the gradient"),
    html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))), body);
  const box = html("details", { class: "more", toggle: () => draw() }, html("summary", {}, "The numbers as a table"),
    html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers" }, table));
  const draw = () => {
    if (!box.open || model.playing) return;
    const { state, result } = model;
    replace(body, state.points.map((point, i) => {
      const anchor = result.anchors[i];
      const cells = [
        nameOfClass(state.labels[i]).replace("class ", ""),
        ...point.map((x) => show(x)),
        anchor ? show(result.rowLosses[i]) : "no anchor",
        anchor ? show(Math.exp(-result.rowLosses[i])) : "",
        result.gradient[i].map((g) => show(g === 0 ? 0 : -g, 2)).join(", "),
      ];
      return html("tr", {}, html("th", { scope: "row" }, i + 1), ...cells.map((cell) => html("td", {}, cell)));
    }));
  };
  return { element: box, draw };
}

/** Code with the package that computes the same number; and the state as a link. */
function sharePanel(model) {
  const code = html("pre", { class: "code", tabindex: 0, "aria-label": "Python code" });
  const said = html("span", { role: "status" });
  const say = (text) => {
    said.textContent = text;
    setTimeout(() => { said.textContent = ""; }, 4000);
  };
  const program = () => toPython(model.state, model.result.loss);
  const copyCode = button("Copy as Python", async () => say(await copy(program()) ? "Code copied." : "Select the code below."));
  const copyLink = button("Copy link", async () => {
    const address = window.location.href.split("#")[0] + encode(model.state);
    say(await copy(address) ? "Link copied: it opens these points and settings." : address);
  });
  const box = html("details", { class: "more", toggle: () => draw() }, html("summary", {}, "The same number in Python"), code);
  const draw = () => { if (box.open && !model.playing) code.textContent = program(); };
  return { element: html("div", { class: "share" }, html("div", { class: "bar" }, copyCode, copyLink, said), box), draw };
}

/** Whether the text is on the clipboard now. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = html("textarea", { "aria-hidden": "true", tabindex: -1, style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}
return { lossCard, verdictOf, numbersTable, sharePanel };
})();
const module_main = (() => {
// Puts a playground into every <div class="snnl-playground"> of a page.
//
//     data-state="#play&preset=six"   what it starts from
//     data-parts="stage temperature"  which parts it has; all by default
//     data-address                    whether the page's address follows it
const { RowChart, StepChart, TemperatureChart } = module_charts;
const {
  descentControls, distanceChoice, layerBar, pointBar, presetBar, temperatureControls, toolBar,
} = module_controls;
const { html } = module_dom;
const { evaluate } = module_loss;
const { Matrices } = module_matrices;
const { Model } = module_model;
const { lossCard, numbersTable, sharePanel } = module_panels;
const { publishedLoss } = module_published;
const { toPython } = module_python;
const { Stage } = module_stage;
const { decode, encode, startOf } = module_state;
const { bestTemperature, batchOf, chanceLevels } = module_temperature;

const STEPS_A_SECOND = { slow: 3, normal: 30, fast: 150 };
const LONGEST_RUN = 1500;
const ADDRESS_DELAY = 300;

/** Descends while it plays, so many steps a second. */
class Player {
  constructor(model) {
    this.model = model;
  }

  toggle() {
    if (this.model.playing) return this.pause();
    this.model.settle();
    this.model.playing = true;
    this.left = LONGEST_RUN;
    this.due = 1;
    this.time = null;
    requestAnimationFrame((time) => this.frame(time));
    return this.model.notify();
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
    const steps = Math.min(6, Math.floor(this.due));
    if (steps > 0) {
      this.due = Math.min(1, this.due - steps);
      this.left -= steps;
      this.model.descend(steps);
      if (this.left <= 0) this.pause();
    }
    requestAnimationFrame((next) => this.frame(next));
  }
}

/** A titled part of the playground. */
function panel(name, title, ...parts) {
  return html("section", { class: `panel ${name}`, "aria-label": title }, html("p", { class: "title" }, title), ...parts);
}

/** Builds the parts; returns those that are drawn anew when the model changes. */
function build(place, model) {
  const player = new Player(model);
  const stage = new Stage(model);
  const [presets, tools, point, layers, distance, temperature, descent] = [
    presetBar(model), toolBar(model), pointBar(model), layerBar(model), distanceChoice(model),
    temperatureControls(model), descentControls(model, player),
  ];
  const [loss, curve, steps, rows] = [
    lossCard(model), new TemperatureChart(model), new StepChart(model), new RowChart(model),
  ];
  const [matrices, numbers, share] = [new Matrices(model), numbersTable(model), sharePanel(model)];
  const legend = html("p", { class: "legend" }, ...["exact", "published", "chance"].flatMap((name) =>
    [html("i", { class: name }), `${name} `]), html("i", { class: "best" }), "best T");
  const parts = [
    ["presets", "full", presets.element, [presets]],
    ["stage", "left", panel("plane-panel", "The points", tools.element, stage.element, layers.element, point.element),
      [tools, stage, layers, point]],
    ["rows", "left", panel("row-panel", "The loss of each point", rows.element), [rows]],
    ["loss", "right", panel("loss-panel", "The loss", loss.element), [loss]],
    ["temperature", "right", panel("temperature-panel", "Distance and temperature", distance.element,
      curve.element, temperature.slider, legend, temperature.element), [distance, curve, temperature]],
    ["descent", "right", panel("descent-panel", "Descend the loss", descent.element, steps.element), [descent, steps]],
    ["matrices", "full", panel("matrix-panel", "Every pair", matrices.element), [matrices]],
    ["numbers", "full", numbers.element, [numbers]],
    ["share", "full", share.element, [share]],
  ];
  const wanted = place.dataset.parts?.split(" ") ?? parts.map(([name]) => name);
  const used = parts.filter(([name]) => wanted.includes(name));
  const column = (side) => used.filter(([, at]) => at === side).map(([, , element]) => element);
  const [first, ...rest] = column("full");
  place.replaceChildren(
    ...(wanted.includes("presets") ? [first] : []),
    html("div", { class: "columns" },
      html("div", { class: "left" }, ...column("left")), html("div", { class: "right" }, ...column("right"))),
    ...(wanted.includes("presets") ? rest : column("full")),
  );
  return used.flatMap(([, , , drawn]) => drawn);
}

/** One playground: a model, its parts, and one drawing a frame however much changes. */
function start(place) {
  let parts = [];
  let waiting = false;
  let timer;
  const follow = "address" in place.dataset;
  const notify = () => {
    if (waiting || !parts.length) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      parts.forEach((part) => part.draw());
      clearTimeout(timer);
      if (follow && !model.playing) timer = setTimeout(writeAddress, ADDRESS_DELAY);
    });
  };
  const given = (follow && decode(window.location.hash)) || decode(place.dataset.state ?? "");
  const model = new Model(given ?? startOf("six"), notify);
  let written = model.state;
  const writeAddress = () => {
    if (model.state === written) return;
    written = model.state;
    window.history.replaceState(window.history.state, "", encode(model.state));
  };
  parts = build(place, model);
  place.classList.add("ready");
  parts.forEach((part) => part.draw());
  if (follow) {
    window.addEventListener("hashchange", () => {
      const state = decode(window.location.hash);
      if (state && encode(state) !== encode(model.state)) model.load(state);
    });
  }
  return model;
}

function begin() {
  const places = [...document.querySelectorAll(".snnl-playground")];
  const models = places.map(start);
  window.snnlPlayground.models.push(...models);
  for (const link of document.querySelectorAll("button.snnl-load")) {
    link.hidden = false;
    link.addEventListener("click", () => {
      models[0].load(decode(link.dataset.state));
      places[0].querySelector(".columns").scrollIntoView({ block: "start" });
      places[0].querySelector(".plane [tabindex='0']")?.focus({ preventScroll: true });
    });
  }
}

window.snnlPlayground = {
  evaluate, publishedLoss, toPython, encode, decode, startOf, bestTemperature, batchOf, chanceLevels, models: [],
};
document.addEventListener("DOMContentLoaded", begin);
return {  };
})();
})();
