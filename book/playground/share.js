// What a reader can take along: code that computes the same number, and a link.
import { html } from "./dom.js";
import { bar, button } from "./fields.js";
import { toPython } from "./python.js";
import { encode } from "./state.js";

const SAID_FOR = 4000; // milliseconds

export function sharePanel(model) {
  const code = html("pre", { class: "code" });
  // The theme takes the focus from every `pre` that did not scroll when it looked.
  const region = { class: "scroll", tabindex: 0, role: "region" };
  const said = html("span", { role: "status" });
  const say = (text) => {
    said.textContent = text;
    setTimeout(() => (said.textContent = ""), SAID_FOR);
  };
  const program = () => toPython(model.state, model.result.loss);
  const copyCode = button("Copy as Python", async () => {
    const done = await copy(program());
    say(done ? "Code copied." : "Select the code below.");
  });
  const copyLink = button("Copy link", async () => {
    const address = window.location.href.split("#")[0] + encode(model.state);
    const done = await copy(address);
    say(done ? "Link copied: it opens these points and settings." : address);
  });
  const box = html(
    "details",
    { class: "more", toggle: () => draw() },
    html("summary", {}, "The same number in Python"),
    html("div", { ...region, "aria-label": "Python code" }, code),
  );
  const draw = () => {
    if (box.open && !model.playing) code.textContent = program();
  };
  const element = html("div", { class: "share" }, bar(copyCode, copyLink, said), box);
  return { element, draw };
}

/** Whether the text is on the clipboard now. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyFromField(text);
  }
}

/** The old way, for pages to which the browser does not give its clipboard. */
function copyFromField(text) {
  const field = html("textarea", { style: "position: fixed; opacity: 0" });
  field.value = text;
  document.body.append(field);
  const focused = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return done;
}
