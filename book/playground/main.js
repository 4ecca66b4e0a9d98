// Puts a playground into every <div class="snnl-playground"> of a page.
//
//     data-state="#play&preset=six"   what it starts from
//     data-parts="stage loss"         which of its parts are shown; all by default
//     data-chapter="2"                a small one: it knows chapters 1 and 2 only
//     data-maps="distance mask"       which matrices a small one shows
//     data-address                    whether the page's address follows it
import { build } from "./layout.js";
import { evaluate } from "./loss.js";
import { Model } from "./model.js";
import { publishedLoss } from "./published.js";
import { toPython } from "./python.js";
import { decode, encode, startOf } from "./state.js";
import { batchOf, bestTemperature, chanceLevels } from "./temperature.js";

const ADDRESS_DELAY = 300; // milliseconds at rest before the address follows
const models = [];

/** One playground: a model and its parts, drawn once a frame however much changes. */
function start(place) {
  let parts = [];
  let waiting = false;
  const address = "address" in place.dataset ? new Address() : null;
  const draw = () => {
    waiting = false;
    parts.forEach((part) => part.draw());
    address?.follow();
  };
  const notify = () => {
    if (waiting || !parts.length) return;
    waiting = true;
    requestAnimationFrame(draw);
  };
  const given = address?.read() ?? decode(place.dataset.state ?? "");
  const chapter = Number(place.dataset.chapter ?? Infinity);
  const model = new Model(given ?? startOf("six"), notify, chapter);
  parts = build(place, model);
  place.classList.add("ready");
  address?.join(model);
  draw();
  return model;
}

/** The page's address and a model, in step: each follows the other. */
class Address {
  read() {
    return decode(window.location.hash);
  }

  join(model) {
    this.model = model;
    this.written = model.state;
    window.addEventListener("hashchange", () => {
      const state = this.read();
      if (state && encode(state) !== encode(model.state)) model.load(state);
    });
  }

  /** Once the points rest, so that a browser need not note each frame. */
  follow() {
    clearTimeout(this.timer);
    if (!this.model.playing) this.timer = setTimeout(() => this.write(), ADDRESS_DELAY);
  }

  write() {
    if (this.model.state === this.written) return;
    this.written = this.model.state;
    window.history.replaceState(window.history.state, "", encode(this.model.state));
  }
}

/** A button in the text that sets the first playground up. */
function enable(button, place, model) {
  button.hidden = false;
  button.addEventListener("click", () => {
    model.load(decode(button.dataset.state));
    place.querySelector(".columns").scrollIntoView({ block: "start" });
    place.querySelector(".plane [tabindex='0']")?.focus({ preventScroll: true });
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const places = [...document.querySelectorAll(".snnl-playground")];
  models.push(...places.map(start));
  for (const button of document.querySelectorAll("button.snnl-load")) {
    if (places.length) enable(button, places[0], models[0]);
  }
});

window.snnlPlayground = {
  batchOf,
  bestTemperature,
  chanceLevels,
  decode,
  encode,
  evaluate,
  models,
  publishedLoss,
  startOf,
  toPython,
};
