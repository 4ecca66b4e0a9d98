// Everything to press, choose and slide: the browser's own buttons and inputs.
import { FIRST_RATE } from "./descent.js";
import { freshId, html, nameOfClass, set, shapeOf, show, showTemperature, styleOf, svg } from "./dom.js";
import { UNLABELED } from "./loss.js";
import { PRESETS, drawPreset, tidy } from "./presets.js";
import { CLASSES, MOST_POINTS } from "./state.js";
import { COLDEST, HOTTEST } from "./temperature.js";

/** A button; its draw() says when it can be pressed. */
export function button(text, action, attributes = {}) {
  return html("button", { type: "button", click: action, ...attributes }, text);
}

/** Radio buttons in a row: one of [value, content, name for screen readers]. */
export function choices(legend, options, picked, pick, className = "") {
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
export function checkbox(text, checked, check) {
  const input = html("input", { type: "checkbox", change: () => check(input.checked) });
  const draw = () => { input.checked = checked(); };
  return { element: html("label", { class: "check" }, input, text), draw };
}

/** A number to type, with its label. */
export function numberField(text, value, change, attributes = {}) {
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

export function presetBar(model) {
  const buttons = PRESETS.map(({ name, title }) => button("", () => model.preset(name), { "data-preset": name }));
  buttons.forEach((made, k) => made.append(thumbnail(drawPreset(PRESETS[k].name, 0)), html("span", {}, PRESETS[k].title)));
  const draw = () => buttons.forEach((made) => set(made, { "aria-pressed": made.dataset.preset === model.state.preset }));
  return { element: html("div", { class: "presets", role: "group", "aria-label": "Presets" }, ...buttons), draw };
}

/** What can be done to points: above the plane. */
export function toolBar(model) {
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
export function pointBar(model) {
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
export function layerBar(model) {
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

export function distanceChoice(model) {
  return choices("Distance", [["cosine", "cosine"], ["sqeuclidean", "squared Euclidean"]],
    () => model.state.distance, (distance) => model.edit({ distance }));
}

/** A slider of log T below the chart, the number, and a button that finds the best. */
export function temperatureControls(model) {
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
export function descentControls(model, player) {
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
