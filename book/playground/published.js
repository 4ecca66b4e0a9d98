// The loss as the published code computes it, in single precision. (chapter 4)
// Every result is rounded to float32, as a tensor library would round it.

const round = Math.fround;
const EPSILON = round(1e-5);

/** What is left of the published form where a row finds no partner: -log(epsilon). */
export const STUCK = -Math.log(1e-5);

/**
 * -mean_i log(eps + sum_j [y_j = y_i] (e^(-d_ij/T) - [i = j]) / (eps + row sum)).
 *
 * NaN where the diagonal's rounding residue makes the sum negative. It knows no unlabeled
 * rows: they count as one more class. Published code has the cosine distance only.
 */
export function publishedLoss({ points, labels, temperature, distance = "cosine" }) {
  return publishedLosses({ points, labels, distance }, [temperature])[0];
}

/** The same for several temperatures. */
export function publishedLosses({ points, labels, distance }, temperatures) {
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
