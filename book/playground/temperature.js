// The loss against the temperature: its curve, its best temperature, its chance level.
// (chapters 5 and 6; the search is that of snnl_tutorial.entanglement)
import { UNLABELED, distanceMatrix } from "./loss.js";
import { publishedLosses } from "./published.js";
import { randomNumbers, shuffled } from "./random.js";

const SHUFFLES = 20;
export const COLDEST = 1e-3;
export const HOTTEST = 1e3;

/** Temperatures of the drawn curve, evenly spaced in log T. */
export const GRID = Array.from({ length: 61 }, (_, k) => 10 ** (k / 10 - 3));

/** The labeled points only: their distances, labels, and shuffles of these labels. */
export function batchOf({ points, labels, distance }) {
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
export function lossesAt({ distances }, labelings, temperatures) {
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
export function bestTemperature(batch) {
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
export function chanceLevels(batch, temperatures) {
  const losses = lossesAt(batch, batch.shuffles, temperatures);
  return temperatures.map(
    (_, k) => losses.reduce((sum, row) => sum + row[k], 0) / SHUFFLES,
  );
}

/** All that the temperature chart shows, for a state. */
export function landscape(state) {
  const batch = batchOf(state);
  return {
    batch,
    best: bestTemperature(batch),
    exact: lossesAt(batch, [batch.labels], GRID)[0],
    chance: chanceLevels(batch, GRID),
    published: publishedLosses(state, GRID),
  };
}
