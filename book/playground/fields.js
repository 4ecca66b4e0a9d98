// Buttons, choices, checkboxes and number fields: the browser's own.
// Each but the button comes with a `draw` that shows what the model holds.
import { freshId, html } from "./dom.js";

export function button(text, action, attributes = {}) {
  return html("button", { type: "button", click: action, ...attributes }, text);
}

export function bar(...children) {
  return html("div", { class: "bar" }, ...children);
}

/** Radio buttons in a row: each of [value, content, name for screen readers]. */
export function choices(legend, options, { picked, pick, className = "" }) {
  const group = { type: "radio", name: freshId("group") };
  const inputs = options.map(([value, , name]) => {
    const input = html("input", { ...group, value, change: () => pick(value) });
    if (name) input.setAttribute("aria-label", name);
    return input;
  });
  const labels = options.map(([, content, name], k) => {
    const title = name ? { title: name } : {};
    return html("label", title, inputs[k], html("span", {}, content));
  });
  const heading = html("legend", {}, legend);
  const element = html(
    "fieldset",
    { class: `choices ${className}` },
    heading,
    ...labels,
  );
  const draw = () => {
    const now = picked();
    inputs.forEach((input, k) => (input.checked = options[k][0] === now));
  };
  return { element, draw };
}

export function checkbox(text, checked, check) {
  const input = html("input", { type: "checkbox", change: () => check(input.checked) });
  const element = html("label", { class: "check" }, input, text);
  return { element, draw: () => (input.checked = checked()) };
}

/** A number to type; what is typed stays while the field has the focus. */
export function numberField(text, value, change, attributes = {}) {
  const input = html("input", { type: "number", step: "any", ...attributes });
  const draw = () => {
    if (document.activeElement !== input || input.value === "") input.value = value();
  };
  input.addEventListener("change", () => {
    if (input.value !== "" && input.checkValidity()) change(Number(input.value));
    draw();
  });
  input.addEventListener("blur", () => draw());
  const element = html("label", { class: "field" }, html("span", {}, text), input);
  return { element, draw, input };
}

/** A slider of a logarithm: one undo for each time that it is moved. */
export function logSlider(name, [low, high], { value, change, settle }) {
  const input = html("input", {
    type: "range",
    min: low,
    max: high,
    step: 0.02,
    "aria-label": `${name}, logarithmic`,
    input: () => change(10 ** input.value),
    change: settle,
  });
  const draw = () => {
    const log = Math.log10(value());
    if (Math.abs(input.value - log) > 0.011) input.value = log;
  };
  return { element: input, draw };
}
