// A flipbook of snnl_tutorial.view.flipbook: instead of its first and last frame side by
// side, one frame with a slider, buttons to step, and one to play. The slider and the
// buttons are the browser's own, so that the keyboard works.
"use strict";

function animate(figure) {
  const titles = figure.dataset.titles.split("\n");
  const [frame, last] = figure.querySelectorAll(".flipbook-frame");
  last.remove();
  figure.querySelector(".flipbook-ends").remove();
  frame.style.width = "min(100%, 26rem)";

  const controls = document.createElement("div");
  controls.className = "flipbook-controls";
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: titles.length - 1, value: 0 });
  slider.setAttribute("aria-label", "frame");
  const title = document.createElement("output");

  let timer = null;
  const show = (number) => {
    slider.value = number;
    frame.style.backgroundPosition = `${(100 * number) / (titles.length - 1)}% 0`;
    title.textContent = titles[number];
    slider.setAttribute("aria-valuetext", titles[number]);
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const step = (by) => show((Number(slider.value) + by + titles.length) % titles.length);
  const button = (text, label, action) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: text });
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  };
  const play = button("Play", "", () => {
    if (timer !== null) return pause();
    play.textContent = "Pause";
    timer = setInterval(() => {
      step(1);
      if (Number(slider.value) === titles.length - 1) pause();
    }, 600);
  });
  // Who asks for less motion steps by hand.
  play.hidden = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  controls.append(
    button("‹", "previous frame", () => { pause(); step(-1); }),
    play,
    button("›", "next frame", () => { pause(); step(1); }),
    slider,
    title,
  );
  figure.insertBefore(controls, figure.querySelector("figcaption"));
  show(0);
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("figure.flipbook").forEach(animate);
});
