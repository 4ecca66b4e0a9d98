// The presets, and what can be done to points: the rows of controls round the plane.
import { html, nameOfClass, set, shapeOf, show, styleOf, svg } from "./dom.js";
import { bar, button, checkbox, choices, numberField } from "./fields.js";
import { UNLABELED } from "./loss.js";
import { PRESETS, drawPreset, tidy } from "./presets.js";
import { CLASSES, MOST_POINTS, encode } from "./state.js";

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

export function presetBar(model) {
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
export function toolBar(model) {
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
export function smallBar(model) {
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
export function pointBar(model) {
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
export function classChoice(model, chosen) {
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
export function layerBar(model) {
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
