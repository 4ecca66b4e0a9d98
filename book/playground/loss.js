// The soft nearest neighbor loss of points, in double precision: the value of each row,
// the pick probabilities, and the gradient in closed form. (chapters 1 to 4)

export const UNLABELED = -100;

/** The distances d_ij between all points: "cosine" or "sqeuclidean". */
export function distanceMatrix(points, distance) {
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
export function evaluate({ points, labels, temperature, distance = "cosine" }) {
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
export function kindOf(labels, i, j) {
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
