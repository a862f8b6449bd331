// Lanes: the variations of a song in its card, on one time axis, each with a play button and a waveform.
import * as player from "./player.js";
import * as queue from "./queue.js";
import { enqueue } from "./upcoming.js";
import { Waveform, clock, sweep } from "./waveform.js";

const TICKS = [5, 10, 15, 30, 60, 120, 300];
const TICK_PX = 56;
const NUMBER_PX = 34;
const waves = new WeakMap();

const tracksOf = (lanes) => [...lanes.querySelectorAll("[data-track]")];

export function groupOf(lanes) {
  const tracks = tracksOf(lanes).map(({ dataset }) => ({
    id: dataset.track, letter: dataset.letter, preview: dataset.preview, peaks: dataset.peaks, ms: Number(dataset.ms),
    db: Number(dataset.db),
  }));
  const standIn = Math.max(0, tracks.findIndex(({ id }) => id === lanes.dataset.standIn));
  const { compare, generation, song, title } = lanes.dataset;
  return { id: lanes.dataset.lanes, generation, title: title.trim(), song, standIn, tracks, compare };
}

const songsOfPage = () => [...document.querySelectorAll("[data-lanes]")].map(groupOf).filter(({ tracks }) => tracks.length);

export function load(lane) {
  const lanes = lane.closest("[data-lanes]");
  const group = groupOf(lanes);
  if (player.state().group?.id !== group.id) queue.begin(group, songsOfPage());
  player.load(group, tracksOf(lanes).indexOf(lane));
}

function toggle(lane) {
  if (player.state().track?.id === lane.dataset.track) return player.toggle();
  load(lane);
  return player.play();
}

function seek(lane, time, start) {
  load(lane);
  player.seek(time);
  if (start) player.play();
}

function draw(lane, longest) {
  const waveform = new Waveform(lane.querySelector("[data-wave]"), {
    onSeek: (time, start) => seek(lane, time, start),
    onToggle: () => toggle(lane),
  });
  waves.set(lane, waveform);
  waveform.load(lane.dataset.peaks, lane.dataset.ms / 1000, lane.dataset.ms / longest);
  if (lane.dataset.addedFrom) markAdded(lane, longest);
  paint(lane.closest("[data-lanes]"));
}

// What an extension added, in a second colour.
function markAdded(lane, longest) {
  const { addedFrom, addedTo } = lane.dataset;
  const mark = document.createElement("span");
  mark.className = "added-mark";
  Object.assign(mark.style, { left: `${(addedFrom / longest) * 100}%`, width: `${((addedTo - addedFrom) / longest) * 100}%` });
  lane.querySelector("[data-wave]").append(mark);
}

// Only what comes into sight is drawn: a feed has many songs.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    const longest = Math.max(...tracksOf(target).map((lane) => lane.dataset.ms));
    tracksOf(target).forEach((lane) => draw(lane, longest));
    const axis = target.querySelector("[data-axis]");
    if (!axis) continue;
    axis.dataset.seconds = longest / 1000;
    axis.classList.add("is-drawn");
    ruler.observe(axis);
  }
}, { rootMargin: "200px" });

// As many marks as the width has room for; a number that would be cut off at the end stands before its line.
function rule(axis) {
  const width = axis.clientWidth;
  const { seconds } = axis.dataset;
  const step = TICKS.find((candidate) => seconds / candidate <= Math.min(7, width / TICK_PX)) ?? 600;
  const marks = [];
  for (let at = 0; at < seconds; at += step) {
    const mark = document.createElement("span");
    mark.textContent = clock(at);
    mark.style.left = `${(at / seconds) * 100}%`;
    mark.classList.toggle("is-end", at > 0 && (1 - at / seconds) * width < NUMBER_PX);
    marks.push(mark);
  }
  axis.replaceChildren(...marks);
}

const ruler = new ResizeObserver((entries) => entries.forEach(({ target }) => rule(target)));

function paint(lanes) {
  const now = player.state();
  lanes.parentElement.querySelector("[data-match]")?.setAttribute("aria-pressed", String(now.matched));
  const here = now.group?.id === lanes.dataset.lanes;
  lanes.classList.toggle("is-here", here);
  for (const lane of tracksOf(lanes)) {
    const mine = here && now.track.id === lane.dataset.track;
    lane.classList.toggle("is-here", mine);
    lane.classList.toggle("is-playing", mine && now.playing);
    const button = lane.querySelector("[data-play]");
    button.setAttribute("aria-label", mine && now.playing ? button.dataset.saysPause : button.dataset.saysPlay);
    const waveform = waves.get(lane);
    if (waveform && !waveform.dragging) waveform.show(here ? now.time : 0);
  }
}

function listen() {
  document.querySelectorAll("[data-lanes]").forEach(paint);
}

listen.time = (time) => {
  const lanes = document.querySelector(`[data-lanes="${player.state().group?.id}"]`);
  if (!lanes) return;
  for (const lane of tracksOf(lanes)) {
    const waveform = waves.get(lane);
    if (waveform && !waveform.dragging) waveform.show(time);
  }
};

player.onChange(listen);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-play], [data-match], [data-enqueue]");
  if (!button) return;
  if (button.matches("[data-play]")) toggle(button.closest("[data-track]"));
  else if (button.matches("[data-match]")) player.match();
  else enqueue(groupOf(document.querySelector(`[data-lanes="${button.dataset.enqueue}"]`)));
});

htmx.onLoad((content) => {
  sweep();
  const found = [...(content.querySelectorAll?.("[data-lanes]") ?? [])];
  for (const lanes of found) {
    if (tracksOf(lanes).length) watcher.observe(lanes);
    queue.renew(groupOf(lanes));
    paint(lanes);
  }
});
