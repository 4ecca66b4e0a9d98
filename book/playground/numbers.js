// The points in numbers, for those who read rather than look.
import { html, nameOfClass, replace, show } from "./dom.js";

const HEADS = [
  "point",
  "class",
  "x",
  "y",
  "loss",
  "picks its own class",
  "would move by",
];
const CAPTION = "Each point in numbers; the last column is minus the gradient";

/** A table that is filled when it is open and the points rest. */
export function numbersTable(model) {
  const body = html("tbody");
  const heads = HEADS.map((head) => html("th", { scope: "col" }, head));
  const table = html(
    "table",
    { class: "numbers-table" },
    html("caption", {}, CAPTION),
    html("thead", {}, html("tr", {}, ...heads)),
    body,
  );
  const region = { class: "scroll", tabindex: 0, role: "region" };
  const box = html(
    "details",
    { class: "more", toggle: () => draw() },
    html("summary", {}, "The numbers as a table"),
    html("div", { ...region, "aria-label": "The numbers" }, table),
  );
  const draw = () => {
    if (!box.open || model.playing) return;
    replace(
      body,
      model.state.points.map((_, i) => rowOf(model, i)),
    );
  };
  return { element: box, draw };
}

function rowOf({ state, result }, i) {
  const loss = result.rowLosses[i];
  const anchor = result.anchors[i];
  const cells = [
    nameOfClass(state.labels[i]).replace("class ", ""),
    ...state.points[i].map((x) => show(x)),
    anchor ? show(loss) : "no anchor",
    anchor ? show(Math.exp(-loss)) : "",
    result.gradient[i].map((slope) => show(0 - slope, 2)).join(", "),
  ];
  const head = html("th", { scope: "row" }, i + 1);
  return html("tr", {}, head, ...cells.map((cell) => html("td", {}, cell)));
}
