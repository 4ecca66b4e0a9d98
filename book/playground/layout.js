// The parts of a playground, and where they stand.
import {
  classChoice,
  layerBar,
  pointBar,
  presetBar,
  smallBar,
  toolBar,
} from "./bars.js";
import { RowChart, StepChart, TemperatureChart } from "./charts.js";
import { html } from "./dom.js";
import { lossPanel } from "./loss_panel.js";
import { Matrices } from "./matrices.js";
import { numbersTable } from "./numbers.js";
import { Player } from "./player.js";
import {
  descentSettings,
  distanceChoice,
  stepBar,
  temperatureControls,
  temperatureSlider,
} from "./settings.js";
import { sharePanel } from "./share.js";
import { Stage } from "./stage.js";

const LINES = ["exact", "published", "chance"];

/** The parts of the large playground: name, place, element, and what is drawn anew. */
function makeParts(model) {
  const player = new Player(model);
  const points = [toolBar, Stage, layerBar, pointBar].map((make) =>
    create(make, model),
  );
  const temperature = temperatureControls(model);
  const distance = distanceChoice(model);
  const curve = new TemperatureChart(model);
  const descent = [stepBar, descentSettings].map((make) => make(model, player));
  const single = (make) => [create(make, model)];
  return [
    part("presets", "above", "", single(presetBar)),
    part("stage", "left", "The points", points),
    part("rows", "left", "The loss of each point", single(RowChart)),
    part("loss", "right", "The loss", single(lossPanel)),
    part("temperature", "right", "Distance and temperature", [
      distance,
      curve,
      { element: temperature.slider },
      { element: legend() },
      temperature,
    ]),
    part("descent", "right", "Descend the loss", [...descent, new StepChart(model)]),
    part("matrices", "below", "Every pair", single(Matrices)),
    part("numbers", "below", "", single(numbersTable)),
    part("share", "below", "", single(sharePanel)),
  ];
}

/** Those of the small ones: one idea each. */
function makeSmallParts(model, maps) {
  const player = new Player(model);
  const distance = distanceChoice(model);
  const classes = classChoice(model, () => model.state.chosen);
  const [curve, slider] = [new TemperatureChart(model), temperatureSlider(model)];
  const descent = [stepBar, descentSettings].map((make) => make(model, player));
  return [
    part("stage", "left", "The points", [new Stage(model), smallBar(model)]),
    part("distance", "right", "Distance", [distance]),
    part("loss", "right", "The loss", [lossPanel(model)]),
    part("curve", "right", "Loss against temperature", [
      curve,
      { element: slider.slider, draw: slider.draw },
      { element: legend() },
    ]),
    part("descent", "right", "Descend the loss", [...descent, new StepChart(model)]),
    part("temperature", "right", "Temperature", [temperatureSlider(model)]),
    part("classes", "right", "Class of the chosen point", [classes]),
    part("matrices", "right", "Every pair", [new Matrices(model, maps)]),
  ];
}

/** Calls a function, or makes an object of a class. */
function create(make, model) {
  return make.prototype?.draw ? new make(model) : make(model);
}

/** A part; with a title, it is a panel. */
function part(name, place, title, items) {
  const elements = items.map((item) => item.element);
  const drawn = items.filter((item) => item.draw);
  if (!title) return { name, place, element: elements[0], drawn };
  const attributes = { class: `panel ${name}-panel`, "aria-label": title };
  const heading = html("p", { class: "title" }, title);
  const element = html("section", attributes, heading, ...elements);
  return { name, place, element, drawn };
}

function legend() {
  const lines = LINES.flatMap((name) => [html("i", { class: name }), name]);
  return html(
    "p",
    { class: "legend" },
    ...lines,
    html("i", { class: "best" }),
    "best T",
  );
}

/** Fills a place of the page with the parts that it names; returns what to draw. */
export function build(place, model) {
  const small = "chapter" in place.dataset;
  const maps = place.dataset.maps?.split(" ");
  const all = small ? makeSmallParts(model, maps) : makeParts(model);
  const wanted = place.dataset.parts?.split(" ") ?? all.map(({ name }) => name);
  const parts = all.filter(({ name }) => wanted.includes(name));
  const at = (where) =>
    parts.filter((made) => made.place === where).map((made) => made.element);
  const columns = ["left", "right"].map((side) =>
    html("div", { class: side }, ...at(side)),
  );
  const middle = html("div", { class: "columns" }, ...columns);
  place.replaceChildren(...at("above"), middle, ...at("below"));
  return parts.flatMap(({ drawn }) => drawn);
}
