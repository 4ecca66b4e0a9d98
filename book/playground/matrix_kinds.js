// What the four matrices show, and in which colors.
import { kindOf } from "./loss.js";

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
export const KINDS = [
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
export function maskColor(labels, i, j) {
  const kind = kindOf(labels, i, j);
  if (kind === "partner") return [...PULL, 255];
  return kind === "stranger" ? [128, 128, 128, 70] : [0, 0, 0, 0];
}

function forceColor(share) {
  return [...(share < 0 ? PULL : PUSH), Math.round(255 * Math.sqrt(Math.abs(share)))];
}
