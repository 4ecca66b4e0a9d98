// What a reader can share: the state, in the part of an address behind "#", and back.
import { FIRST_RATE } from "./descent.js";
import { UNLABELED } from "./loss.js";
import { PRESETS, drawPreset } from "./presets.js";
import { COLDEST, HOTTEST } from "./temperature.js";

export const MOST_POINTS = 60;
export const CLASSES = 10;
const MARK = "#play";

/** The state in which a preset starts. */
export function startOf(name, seed = 0) {
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
export function encode(state) {
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
export function decode(hash) {
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
