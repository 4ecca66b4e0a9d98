// Small helpers: elements, numbers as text, and the shapes of the classes.
import { UNLABELED } from "./loss.js";

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element; functions among the attributes listen to events of their name. */
export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
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
export function replace(element, children) {
  element.replaceChildren(...children);
}

/** Sets attributes only where they change. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

/** A number in a few digits, for people. */
export function show(x, digits = 3) {
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
export function showTemperature(x) {
  return String(Number(x.toPrecision(2)));
}

export function nameOfClass(label) {
  return label === UNLABELED ? "unlabeled" : `class ${label}`;
}

/** "c0" to "c9", or "none": what the style sheet colors by. */
export function styleOf(label) {
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
export function shapeOf(label, radius) {
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
export function freshId(name) {
  made += 1;
  return `snnl-${name}-${made}`;
}
