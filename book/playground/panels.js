// What is told in numbers and words: the loss, the table, the code, the link.
import { button } from "./controls.js";
import { html, nameOfClass, replace, show, showTemperature } from "./dom.js";
import { UNLABELED } from "./loss.js";
import { STUCK } from "./published.js";
import { toPython } from "./python.js";
import { encode } from "./state.js";

const QUIET = 700; // milliseconds without a change before the loss is read aloud

/** The exact loss beside chance, and the published form beside it. */
export function lossCard(model) {
  const exact = html("span", { class: "value exact" });
  const published = html("span", { class: "value published" });
  const verdict = html("span", { class: "verdict" });
  const bar = html("span", { class: "fill" });
  const mark = html("span", { class: "chance" });
  const words = html("p", { class: "words" });
  const aloud = html("p", { class: "visually-hidden", "aria-live": "polite" });
  let timer;
  const draw = () => {
    const { result, chance, state } = model;
    const counts = result.anchors.filter(Boolean).length;
    exact.textContent = showLarge(result.loss);
    published.textContent = showLarge(model.published);
    published.classList.toggle("bad", verdictOf(model) !== "agrees");
    verdict.textContent = verdictOf(model);
    const full = 1.5 * Math.max(chance, 1e-9);
    bar.style.width = `${Math.min(100, (100 * result.loss) / full)}%`;
    mark.hidden = !counts;
    words.textContent = counts
      ? `Chance, with the labels shuffled: ${show(chance)}. The loss is the mean over ${counts} of ${state.points.length} points.`
      : "No point has a partner: there is nothing to say, and the loss is 0.";
    clearTimeout(timer);
    timer = setTimeout(() => {
      aloud.textContent = `Loss ${show(result.loss)} at temperature ${showTemperature(state.temperature)}, ` +
        `by chance ${show(chance)}. Published form: ${show(model.published)}, ${verdictOf(model)}.`;
    }, QUIET);
  };
  const element = html("div", { class: "loss" },
    html("div", { class: "numbers" },
      html("p", {}, html("span", { class: "name" }, "exact loss"), exact),
      html("p", {}, html("span", { class: "name" }, "published form"), published, verdict)),
    html("div", { class: "gauge", "aria-hidden": "true" }, bar, mark),
    words, aloud);
  return { element, draw };
}

/** Four digits, or three where many zeros stand before them. */
function showLarge(x) {
  return show(x, Math.abs(x) < 0.1 ? 3 : 4);
}

/** What is wrong with the published form here. */
export function verdictOf({ published, result, state }) {
  if (Number.isNaN(published)) return "the log of a negative number";
  if (Math.abs(published - result.loss) <= 2e-3 * Math.max(0.01, result.loss)) return "agrees";
  if (Math.abs(published - STUCK) < 0.02) return "stuck at −log ε";
  if (state.labels.includes(UNLABELED)) return "takes the unlabeled for a class";
  if (result.anchors.includes(false)) return "counts the point without a partner";
  return published < result.loss ? "too small" : "too large";
}

/** The numbers as a table, for who reads rather than looks. */
export function numbersTable(model) {
  const body = html("tbody");
  const heads = ["point", "class", "x", "y", "loss", "picks its own class", "would move by"];
  const table = html("table", { class: "numbers-table" },
    html("caption", {}, "Each point in numbers; the last column is minus the gradient"),
    html("thead", {}, html("tr", {}, ...heads.map((head) => html("th", { scope: "col" }, head)))), body);
  const box = html("details", { class: "more", toggle: () => draw() }, html("summary", {}, "The numbers as a table"),
    html("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The numbers" }, table));
  const draw = () => {
    if (!box.open || model.playing) return;
    const { state, result } = model;
    replace(body, state.points.map((point, i) => {
      const anchor = result.anchors[i];
      const cells = [
        nameOfClass(state.labels[i]).replace("class ", ""),
        ...point.map((x) => show(x)),
        anchor ? show(result.rowLosses[i]) : "no anchor",
        anchor ? show(Math.exp(-result.rowLosses[i])) : "",
        result.gradient[i].map((g) => show(g === 0 ? 0 : -g, 2)).join(", "),
      ];
      return html("tr", {}, html("th", { scope: "row" }, i + 1), ...cells.map((cell) => html("td", {}, cell)));
    }));
  };
  return { element: box, draw };
}

/** Code with the package that computes the same number; and the state as a link. */
export function sharePanel(model) {
  const code = html("pre", { class: "code", tabindex: 0, "aria-label": "Python code" });
  const said = html("span", { role: "status" });
  const say = (text) => {
    said.textContent = text;
    setTimeout(() => { said.textContent = ""; }, 4000);
  };
  const program = () => toPython(model.state, model.result.loss);
  const copyCode = button("Copy as Python", async () => say(await copy(program()) ? "Code copied." : "Select the code below."));
  const copyLink = button("Copy link", async () => {
    const address = window.location.href.split("#")[0] + encode(model.state);
    say(await copy(address) ? "Link copied: it opens these points and settings." : address);
  });
  const box = html("details", { class: "more", toggle: () => draw() }, html("summary", {}, "The same number in Python"), code);
  const draw = () => { if (box.open && !model.playing) code.textContent = program(); };
  return { element: html("div", { class: "share" }, html("div", { class: "bar" }, copyCode, copyLink, said), box), draw };
}

/** Whether the text is on the clipboard now. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = html("textarea", { "aria-hidden": "true", tabindex: -1, style: "position:fixed;opacity:0" });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}
