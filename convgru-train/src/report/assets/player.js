"use strict";
(() => {
  const player = document.getElementById("player");
  const button = document.getElementById("play");
  const slider = document.getElementById("frame");
  const time = document.getElementById("time");
  const times = player.dataset.times.split("|");
  const clocks = [...player.querySelectorAll(".clock")].map((place) => [place, place.dataset.times.split("|")]);
  const last = times.length - 1;
  const inputs = Number(player.style.getPropertyValue("--inputs"));
  let frame = 0;
  let timer = null;

  function show(next) {
    frame = next;
    player.style.setProperty("--frame", frame);
    slider.value = frame;
    slider.setAttribute("aria-valuetext", times[frame]);
    time.textContent = times[frame];
    for (const [place, clock] of clocks) place.textContent = clock[frame];
  }
  function advance() {
    show(frame === last ? 0 : frame + 1);
    timer = setTimeout(advance, frame === last ? 1200 : 125);
  }
  function play() {
    timer = setTimeout(advance, 125);
    button.textContent = "Pause";
  }
  function pause() {
    clearTimeout(timer);
    timer = null;
    button.textContent = "Play";
  }

  player.classList.add("scripted");
  player.querySelector(".controls").hidden = false;
  button.addEventListener("click", () => (timer === null ? play() : pause()));
  slider.addEventListener("input", () => {
    pause();
    show(Number(slider.value));
  });
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    pause();
    show(Math.min(last, inputs + 4));
  } else {
    show(0);
    play();
  }
})();
