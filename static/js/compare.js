// A take beside its original: the section marked on both, looped alone or in the whole, from the same place on.
import { groupOf, load } from "./lanes.js";
import * as player from "./player.js";

const lanesOf = () => document.querySelector("[data-compare]");
const sectionOf = ({ dataset }) => ({ from: dataset.from / 1000, to: dataset.to / 1000 });

function mark(lanes) {
  const { from, to } = sectionOf(lanes);
  const longest = Math.max(...[...lanes.querySelectorAll("[data-track]")].map(({ dataset }) => dataset.ms)) / 1000;
  for (const span of lanes.querySelectorAll("[data-section-mark]")) {
    span.style.left = `${(from / longest) * 100}%`;
    span.style.width = `${((to - from) / longest) * 100}%`;
  }
}

// Another take of the same retouch was chosen: it goes on where the one before was.
function goOn(lanes) {
  const { group, time, playing, part, index } = player.state();
  if (!group || group.compare !== lanes.dataset.compare || group.id === lanes.dataset.lanes) return;
  player.load(groupOf(lanes), index);
  if (part) player.loopPart(part);
  player.seek(time);
  if (playing) player.play();
}

function hear(what) {
  const lanes = lanesOf();
  if (!lanes) return;
  if (what === "other") {
    player.other();
    return;
  }
  if (player.state().group?.id !== lanes.dataset.lanes) load([...lanes.querySelectorAll("[data-track]")].at(-1));
  player.loopPart(what === "section" ? sectionOf(lanes) : null);
  if (!player.state().playing) player.play();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-hear]");
  if (button) hear(button.dataset.hear);
});

function start(content) {
  const lanes = content.matches?.("[data-compare]") ? content : content.querySelector?.("[data-compare]");
  if (!lanes) return;
  mark(lanes);
  goOn(lanes);
}

htmx.onLoad(start);
start(document.body);
