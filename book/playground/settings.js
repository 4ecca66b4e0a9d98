// Distance, temperature, and how to descend: the controls beside the plane.
import { FIRST_RATE } from "./descent.js";
import { html, set, show, showTemperature } from "./dom.js";
import { bar, button, checkbox, choices, logSlider, numberField } from "./fields.js";
import { COLDEST, HOTTEST } from "./temperature.js";

export function distanceChoice(model) {
  const options = [
    ["cosine", "cosine"],
    ["sqeuclidean", "squared Euclidean"],
  ];
  return choices("Distance", options, {
    picked: () => model.state.distance,
    pick: (distance) => model.edit({ distance }),
  });
}

function changeTemperature(model, temperature, merge) {
  const rounded = Number(temperature.toPrecision(3));
  model.edit({ temperature: rounded, annealed: false }, merge);
}

/** A slider of log T, and the number. */
export function temperatureSlider(model) {
  const change = (temperature, merge) => changeTemperature(model, temperature, merge);
  const slider = logSlider("temperature", [-3, 3], {
    value: () => model.state.temperature,
    change: (temperature) => change(temperature, "temperature"),
    settle: () => model.settle(),
  });
  const field = numberField(
    "temperature T",
    () => Number(model.state.temperature.toPrecision(4)),
    (temperature) => change(temperature),
    { min: COLDEST, max: HOTTEST },
  );
  const draw = () => {
    slider.draw();
    field.draw();
    const now = showTemperature(model.state.temperature);
    set(slider.element, { "aria-valuetext": `T = ${now}` });
  };
  const wrapped = html("div", { class: "slider" }, slider.element);
  const element = html("div", { class: "bar" }, wrapped, field.element);
  return { slider: wrapped, field: field.element, element, draw };
}

/** The slider for below the chart, the number, and the best one. */
export function temperatureControls(model) {
  const { slider, field, draw: drawSlider } = temperatureSlider(model);
  const within = (temperature) => Math.max(COLDEST, Math.min(HOTTEST, temperature));
  const best = button("", () =>
    changeTemperature(model, within(model.landscape.best.temperature)),
  );
  const draw = () => {
    drawSlider();
    const found = model.landscape.best;
    best.disabled = !found;
    best.textContent = found
      ? `Best T: ${showTemperature(found.temperature)}`
      : "No best T";
  };
  return { slider, element: bar(field, best), draw };
}

/** Play, step, and back. */
export function stepBar(model, player) {
  const by = (steps) => () => {
    player.pause();
    model.descend(steps);
  };
  const play = button("Play", () => player.toggle(), { class: "primary" });
  const step = button("Step", by(1));
  const leap = button("50 steps", by(50));
  const title = "Back to where the descent started";
  const back = button("Reset", () => model.restart(), { title });
  play.hidden = player.still;
  const draw = () => {
    const lonely = !model.result.anchors.some(Boolean);
    play.textContent = model.playing ? "Pause" : "Play";
    [play, step, leap].forEach((made) => (made.disabled = lonely));
    back.disabled = model.state.points === model.start.points;
  };
  return { element: bar(play, step, leap, back), draw };
}

/** How fast it plays, by which optimizer, at which rate and temperature. */
export function descentSettings(model, player) {
  const speeds = ["slow", "normal", "fast"].map((name) =>
    html("option", { value: name, selected: name === model.speed }, name),
  );
  const pace = () => (model.speed = speed.value);
  const speed = html("select", { "aria-label": "speed", change: pace }, ...speeds);
  speed.hidden = player.still;
  const options = [
    ["descent", "gradient descent"],
    ["adam", "Adam"],
  ];
  const optimizer = choices("Optimizer", options, {
    picked: () => model.state.optimizer,
    pick: (name) => model.edit({ optimizer: name, rate: FIRST_RATE[name] }),
  });
  const rate = logSlider("learning rate", [-3, 2], {
    value: () => model.state.rate,
    change: (value) => model.edit({ rate: Number(value.toPrecision(2)) }, "rate"),
    settle: () => model.settle(),
  });
  const shown = html("span", { class: "value" });
  const power = html("sup", {}, "0.55");
  const schedule = html("span", {}, "annealed: T = 1 / (1 + step)", power);
  const anneal = checkbox(
    schedule,
    () => model.state.annealed,
    (on) => model.anneal(on),
  );
  const draw = () => {
    [optimizer, rate, anneal].forEach((part) => part.draw());
    set(rate.element, { "aria-valuetext": show(model.state.rate, 2) });
    shown.textContent = showTemperature(model.state.rate);
  };
  const name = html("span", {}, "learning rate");
  const field = html("label", { class: "field wide" }, name, rate.element, shown);
  const rows = [bar(optimizer.element, speed), bar(field), bar(anneal.element)];
  return { element: html("div", {}, ...rows), draw };
}
