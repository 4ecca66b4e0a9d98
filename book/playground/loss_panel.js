// The loss in large letters: exact beside published, and both beside chance.
import { html, show, showTemperature } from "./dom.js";
import { UNLABELED } from "./loss.js";
import { STUCK } from "./published.js";

const QUIET = 700; // milliseconds without a change before the loss is read aloud
const CHANCE_AT = 2 / 3; // of the gauge

export function lossPanel(model) {
  const exact = html("span", { class: "value exact" });
  const published = html("span", { class: "value published" });
  const verdict = html("span", { class: "verdict" });
  const fill = html("span", { class: "fill" });
  const mark = html("span", { class: "chance" });
  const words = html("p", { class: "words" });
  const aloud = speaker(model);
  const draw = () => {
    const { result, chance } = model;
    const judged = verdictOf(model);
    exact.textContent = showLarge(result.loss);
    published.textContent = showLarge(model.published);
    published.classList.toggle("bad", judged !== "agrees");
    verdict.textContent = judged;
    const share = (CHANCE_AT * result.loss) / Math.max(chance, 1e-9);
    fill.style.width = `${100 * Math.min(1, share)}%`;
    mark.hidden = !result.anchors.some(Boolean);
    words.textContent = chanceText(model);
    aloud.draw();
  };
  const name = (text) => html("span", { class: "name" }, text);
  const numbers = html(
    "div",
    { class: "numbers" },
    html("p", {}, name("exact loss"), exact),
    html("p", {}, name("published form"), published, verdict),
  );
  const gauge = html("div", { class: "gauge", "aria-hidden": "true" }, fill, mark);
  const element = html("div", { class: "loss" }, numbers, gauge, words, aloud.element);
  return { element, draw };
}

/** Reads the loss aloud once it has come to rest. */
function speaker(model) {
  const element = html("p", { class: "visually-hidden", "aria-live": "polite" });
  let timer;
  const speak = () => {
    const { result, chance, published, state } = model;
    const loss = `Loss ${show(result.loss)} at temperature ${showTemperature(state.temperature)}`;
    const judged = `Published form: ${show(published)}, ${verdictOf(model)}`;
    element.textContent = `${loss}, by chance ${show(chance)}. ${judged}.`;
  };
  const draw = () => {
    clearTimeout(timer);
    timer = setTimeout(speak, QUIET);
  };
  return { element, draw };
}

function chanceText({ result, chance, state }) {
  const count = result.anchors.filter(Boolean).length;
  if (!count)
    return "No point has a partner: there is nothing to say, and the loss is 0.";
  const mean = `The loss is the mean over ${count} of ${state.points.length} points.`;
  return `Chance, with the labels shuffled: ${show(chance)}. ${mean}`;
}

/** Four digits, or three where many zeros stand before them. */
function showLarge(x) {
  return show(x, Math.abs(x) < 0.1 ? 3 : 4);
}

/** What is wrong with the published form here. */
function verdictOf({ published, result, state }) {
  if (Number.isNaN(published)) return "the log of a negative number";
  const off = Math.abs(published - result.loss);
  if (off <= 2e-3 * Math.max(0.01, result.loss)) return "agrees";
  if (Math.abs(published - STUCK) < 0.02) return "stuck at −log ε";
  if (state.labels.includes(UNLABELED)) return "takes the unlabeled for a class";
  if (result.anchors.includes(false)) return "counts the point without a partner";
  return published < result.loss ? "too small" : "too large";
}
