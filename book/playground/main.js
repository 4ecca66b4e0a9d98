// Puts a playground into every <div class="snnl-playground"> of a page.
//
//     data-state="#play&preset=six"   what it starts from
//     data-parts="stage temperature"  which parts it has; all by default
//     data-address                    whether the page's address follows it
import { RowChart, StepChart, TemperatureChart } from "./charts.js";
import {
  descentControls, distanceChoice, layerBar, pointBar, presetBar, temperatureControls, toolBar,
} from "./controls.js";
import { html } from "./dom.js";
import { evaluate } from "./loss.js";
import { Matrices } from "./matrices.js";
import { Model } from "./model.js";
import { lossCard, numbersTable, sharePanel } from "./panels.js";
import { publishedLoss } from "./published.js";
import { toPython } from "./python.js";
import { Stage } from "./stage.js";
import { decode, encode, startOf } from "./state.js";
import { bestTemperature, batchOf, chanceLevels } from "./temperature.js";

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
