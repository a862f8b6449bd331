// The one player. It knows a group of variations and which of them is heard; the page shows what it says.
import { heard } from "./cards.js";
import { kept, tab } from "./store.js";
import { Waveform, clock } from "./waveform.js";

const bar = document.getElementById("player");
const part = (name) => bar?.querySelector(`[data-player-${name}]`);
const listeners = new Set();

// One element for each variation, so that a switch finds the other loaded and at the same place.
const voices = [new Audio(), new Audio()];
let group = null;
let index = 0;
let frame = 0;

const audio = () => voices[index];
const track = () => group?.tracks[index];
const wave = bar && new Waveform(part("wave"), { onSeek: (time) => seek(time), onToggle: () => toggle() });

export const state = () => ({ group, index, track: track(), playing: Boolean(group) && !audio().paused, time: audio().currentTime });
export const onChange = (listener) => listeners.add(listener);

function changed() {
  const now = state();
  bar.hidden = !group;
  if (!group) return;
  bar.dataset.letter = track().letter;
  bar.classList.toggle("is-playing", now.playing);
  const play = part("toggle");
  play.setAttribute("aria-label", now.playing ? bar.dataset.saysPause : bar.dataset.saysPlay);
  part("title").textContent = group.title;
  part("title").href = group.song;
  part("letters").hidden = group.tracks.length < 2;
  for (const letter of bar.querySelectorAll("[data-player-letter]")) {
    letter.setAttribute("aria-pressed", String(Number(letter.dataset.playerLetter) === index));
  }
  part("length").textContent = clock(Math.round(track().ms / 1000));
  part("loop").setAttribute("aria-pressed", String(audio().loop));
  part("mute").setAttribute("aria-pressed", String(audio().muted));
  if ("mediaSession" in navigator) navigator.mediaSession.playbackState = now.playing ? "playing" : "paused";
  tick();
  listeners.forEach((listener) => listener(state()));
}

function tick() {
  const time = audio().currentTime;
  const text = clock(time);
  if (part("now").textContent !== text) part("now").textContent = text;
  if (!wave.dragging) wave.show(time);
  listeners.forEach((listener) => listener.time?.(time));
}

function run() {
  cancelAnimationFrame(frame);
  if (audio().paused) return;
  tick();
  frame = requestAnimationFrame(run);
}

function draw() {
  bar.dataset.letter = track().letter;
  wave.host.style.setProperty("--voice", `var(--${track().letter.toLowerCase()})`);
  wave.load(track().peaks, track().ms / 1000);
}

// `next` is {id, title, song, tracks: [{id, letter, preview, peaks, ms}]}.
export function load(next, at = 0) {
  if (group?.id !== next.id || group.tracks.length !== next.tracks.length) {
    voices.forEach((voice, place) => {
      voice.pause();
      voice.preload = "metadata";
      if (next.tracks[place]) voice.src = next.tracks[place].preview;
      else voice.removeAttribute("src");
    });
    group = next;
    index = at;
    trouble(false);
    draw();
    describe();
  } else {
    select(at);
  }
  changed();
}

export async function play() {
  heard(group.id);
  trouble(false);
  // The other variation is fetched meanwhile: a switch should not have to wait.
  voices.forEach((voice) => { if (voice.src) voice.preload = "auto"; });
  try {
    await audio().play();
  } catch (error) {
    // A switch or another song came before it began: nothing is wrong.
    if (error.name !== "AbortError") trouble(error.name !== "NotAllowedError");
  }
}

export const pause = () => audio().pause();
export const toggle = () => group && (audio().paused ? play() : pause());

export function seek(time) {
  if (!group) return;
  audio().currentTime = Math.min(Math.max(0, time), track().ms / 1000);
  tick();
  remember();
}

export const skip = (seconds) => seek(audio().currentTime + seconds);

// The other variation from the same place on.
export function select(next) {
  if (!group?.tracks[next] || next === index) return;
  const before = audio();
  const playing = !before.paused;
  index = next;
  audio().currentTime = Math.min(before.currentTime, Math.max(0, track().ms / 1000 - 0.05));
  if (playing) play();
  before.pause();
  draw();
  describe();
  changed();
  remember();
}

export const other = () => select(index === 0 ? 1 : 0);

export function volume(to) {
  const level = Math.min(Math.max(0, to), 1);
  voices.forEach((voice) => { voice.volume = level; voice.muted = false; });
  part("volume").value = level;
  part("volume").style.setProperty("--filled", `${level * 100}%`);
  kept.set("volume", level);
  if (group) changed();
}

export const louder = (by) => volume(Math.round((audio().volume + by) * 20) / 20);

export function mute() {
  const muted = !audio().muted;
  voices.forEach((voice) => { voice.muted = muted; });
  changed();
}

export function loop() {
  const looped = !audio().loop;
  voices.forEach((voice) => { voice.loop = looped; });
  changed();
}

function trouble(is) {
  part("trouble").textContent = is ? bar.dataset.trouble : "";
  part("trouble").hidden = !is;
}

function describe() {
  if (!("mediaSession" in navigator)) return;
  navigator.mediaSession.metadata = new MediaMetadata({ title: group.title, artist: "Neo-Apex", album: track().letter });
}

// --- A reload finds the same song at the same place, silent ---

const remember = () => group && tab.set("player", { group, index, time: audio().currentTime });

function restore() {
  const last = tab.get("player");
  if (!last?.group?.tracks?.[last.index]) return;
  load(last.group, last.index);
  audio().currentTime = last.time;
  changed();
}

function wire() {
  for (const voice of voices) {
    for (const name of ["play", "pause", "ended"]) {
      voice.addEventListener(name, () => {
        if (voice !== audio()) return;
        if (name === "ended") voice.currentTime = 0;
        changed();
        run();
        remember();
      });
    }
    voice.addEventListener("seeked", () => voice === audio() && group && tick());
    voice.addEventListener("error", () => voice === audio() && group && voice.src && trouble(true));
  }
  const actions = {
    toggle, back: () => skip(-5), forward: () => skip(5), loop, mute,
  };
  for (const [name, action] of Object.entries(actions)) part(name).addEventListener("click", () => action());
  part("volume").addEventListener("input", (event) => volume(Number(event.target.value)));
  bar.addEventListener("click", (event) => {
    const letter = event.target.closest("[data-player-letter]");
    if (letter) select(Number(letter.dataset.playerLetter));
  });
  const keys = { play, pause, seekbackward: () => skip(-5), seekforward: () => skip(5), nexttrack: other, previoustrack: other,
    seekto: (detail) => seek(detail.seekTime) };
  for (const [name, action] of Object.entries("mediaSession" in navigator ? keys : {})) {
    try {
      navigator.mediaSession.setActionHandler(name, (detail) => group && action(detail));
    } catch {
      // This browser doesn't know that key.
    }
  }
  addEventListener("pagehide", remember);
  volume(kept.get("volume") ?? 1);
}

if (bar) {
  wire();
  restore();
}
