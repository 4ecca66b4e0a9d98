// What is said about a point or a pair, in one sentence.
import { show } from "./dom.js";
import { UNLABELED } from "./loss.js";
import { MOST_POINTS } from "./state.js";

/** About what the pointer is on, or the point that is chosen, or what to do. */
export function describe(model) {
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
export function pairText({ state, result, chapter }, i, j) {
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
