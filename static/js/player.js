// The one player. It knows a group of variations and which of them is heard; the page shows what it says.
import { heard } from "./cards.js";
import * as queue from "./queue.js";
import { Sound } from "./sound.js";
import { kept, tab } from "./store.js";
import { Waveform, clock } from "./waveform.js";

const STEP_BACK_SECONDS = 3;
const PART_SECONDS = 8;

const bar = document.getElementById("player");
const listeners = new Set();
const sound = new Sound(told);
const wave = bar && new Waveform(find("wave"), { onSeek: (time) => seek(time), onToggle: () => toggle() });

let group = null;
let part = null;
let frame = 0;

function find(name) {
  return bar?.querySelector(`[data-player-${name}]`);
}

export const state = () => ({ group, part, index: sound.index, track: sound.track, playing: sound.playing, time: sound.time,
  matched: sound.matched });
export const onChange = (listener) => listeners.add(listener);

function told(what) {
  if (what === "trouble") trouble(true);
  if (what === "time") return tick();
  bar.classList.toggle("is-waiting", what === "waiting");
  if (what === "ended" && queue.goesOn() && next()) return undefined;
  changed();
  run();
  return remember();
}

function changed() {
  bar.hidden = !group;
  if (!group) return;
  paint();
  session();
  tick();
  listeners.forEach((listener) => listener(state()));
}

function paint() {
  const { track, playing } = sound;
  bar.dataset.letter = track.letter;
  bar.classList.toggle("is-playing", playing);
  find("toggle").setAttribute("aria-label", playing ? bar.dataset.saysPause : bar.dataset.saysPlay);
  find("title").textContent = group.title;
  find("title").href = group.song;
  find("letters").hidden = group.tracks.length < 2;
  for (const letter of bar.querySelectorAll("[data-player-letter]")) {
    press(letter, Number(letter.dataset.playerLetter) === sound.index);
  }
  find("length").textContent = clock(Math.round(track.ms / 1000));
  find("match").hidden = !group.tracks.some(({ db }) => db);
  press(find("match"), sound.matched);
  press(find("loop"), Boolean(sound.loop));
  press(find("part"), Boolean(part));
  press(find("mute"), sound.muted);
  find("previous").disabled = !queue.hasBefore() && sound.time < STEP_BACK_SECONDS && !playing;
  find("next").disabled = !queue.upcoming().length;
}

const press = (button, is) => button.setAttribute("aria-pressed", String(is));

function tick() {
  const { time } = sound;
  const text = clock(time);
  if (find("now").textContent !== text) find("now").textContent = text;
  if (!wave.dragging) wave.show(time);
  listeners.forEach((listener) => listener.time?.(time));
}

function run() {
  cancelAnimationFrame(frame);
  if (!sound.playing) return;
  sound.wrap();
  tick();
  frame = requestAnimationFrame(run);
}

function draw() {
  const letter = sound.track.letter.toLowerCase();
  bar.dataset.letter = sound.track.letter;
  wave.host.style.setProperty("--voice", `var(--${letter})`);
  wave.load(sound.track.peaks, sound.seconds);
}

// `song` is {id, generation, title, song, standIn, tracks: [{id, letter, preview, peaks, ms, db}]}.
export function load(song, at = song.standIn) {
  const same = group?.id === song.id && group.tracks.map(({ id }) => id).join() === song.tracks.map(({ id }) => id).join();
  group = song;
  if (same) {
    select(at);
  } else {
    part = null;
    sound.load(song.tracks, at);
    trouble(false);
    draw();
  }
  changed();
}

export async function play() {
  // Of somebody else's song nobody asks whether it was heard.
  if (group.generation) heard(group.generation);
  trouble(false);
  await begun(sound.play());
}

async function begun(coming) {
  try {
    await coming;
  } catch (error) {
    // A switch or another song came before it began: nothing is wrong.
    if (error.name !== "AbortError") trouble(error.name !== "NotAllowedError");
  }
}

export const pause = () => sound.pause();
export const toggle = () => group && (sound.playing ? pause() : play());

export function seek(time) {
  if (!group) return;
  sound.seek(time);
  tick();
  session();
  remember();
}

export const skip = (seconds) => seek(sound.time + seconds);

// The other variation from the same place on.
export function select(to) {
  if (!group?.tracks[to] || to === sound.index) return;
  begun(sound.select(to));
  draw();
  changed();
  remember();
}

export const other = () => select(sound.index === 0 ? 1 : 0);

export function matched(is) {
  sound.matched = is;
  sound.apply();
  kept.set("matched", is);
  listeners.forEach((listener) => listener(state()));
  if (group) changed();
}

export const match = () => matched(!sound.matched);

// --- What plays next ---

function go(song) {
  if (!song) return false;
  load(song);
  sound.seek(0);
  play();
  return true;
}

export const next = () => go(queue.step(1));

// As on any player: back to the beginning first, and from there to the song before.
export function previous() {
  if (sound.time >= STEP_BACK_SECONDS || !go(queue.step(-1))) seek(0);
}

export function jump(song) {
  queue.begin(song, []);
  go(song);
}

// --- Volume ---

export function volume(to) {
  sound.level = Math.min(Math.max(0, to), 1);
  sound.muted = false;
  sound.apply();
  find("volume").value = sound.level;
  find("volume").style.setProperty("--filled", `${sound.level * 100}%`);
  kept.set("volume", sound.level);
  if (group) changed();
}

export const louder = (by) => volume(Math.round((sound.level + by) * 20) / 20);

export function mute() {
  sound.muted = !sound.muted;
  sound.apply();
  changed();
}

// --- Loops: the whole, or a part of it ---

export function loop() {
  sound.setLoop(sound.loop ? null : (part ?? { from: 0, to: sound.seconds }));
  changed();
}

export function loopPart(chosen) {
  part = chosen;
  sound.setLoop(part);
  changed();
}

// Some seconds from here on, to be drawn to size; the same again lets go of it.
export function togglePart() {
  const from = Math.max(0, Math.min(sound.time, sound.seconds - PART_SECONDS));
  loopPart(part ? null : { from, to: Math.min(from + PART_SECONDS, sound.seconds) });
}

function trouble(is) {
  find("trouble").textContent = is ? bar.dataset.trouble : "";
  find("trouble").hidden = !is;
}

// --- Media keys and the lock screen ---

function session() {
  if (!("mediaSession" in navigator)) return;
  const { mediaSession } = navigator;
  const album = group.tracks.length > 1 ? sound.track.letter : "";
  if (mediaSession.metadata?.title !== group.title || mediaSession.metadata.album !== album) {
    const mark = document.querySelector("link[rel=icon]").href;
    mediaSession.metadata = new MediaMetadata({
      title: group.title, artist: "Neo-Apex", album, artwork: [{ src: mark, sizes: "any", type: "image/svg+xml" }],
    });
  }
  mediaSession.playbackState = sound.playing ? "playing" : "paused";
  mediaSession.setPositionState?.({ duration: sound.seconds, position: Math.min(sound.time, sound.seconds), playbackRate: 1 });
}

function takeMediaKeys() {
  const keys = { play, pause, stop: pause, seekbackward: () => skip(-5), seekforward: () => skip(5), nexttrack: next,
    previoustrack: previous, seekto: (detail) => seek(detail.seekTime) };
  for (const [name, action] of Object.entries("mediaSession" in navigator ? keys : {})) {
    try {
      navigator.mediaSession.setActionHandler(name, (detail) => group && action(detail));
    } catch {
      // This browser doesn't know that key.
    }
  }
}

// --- A reload finds the same song at the same place, silent ---

const remember = () => group && tab.set("player", { group, index: sound.index, time: sound.time });

function restore() {
  const last = tab.get("player");
  if (!last?.group?.tracks?.[last.index]) return;
  load(last.group, last.index);
  sound.seek(last.time);
  changed();
}

function wire() {
  const actions = { toggle, previous, next, back: () => skip(-5), forward: () => skip(5), loop, part: togglePart, mute, match };
  for (const [name, action] of Object.entries(actions)) find(name).addEventListener("click", () => action());
  find("volume").addEventListener("input", (event) => volume(Number(event.target.value)));
  bar.addEventListener("click", (event) => {
    const letter = event.target.closest("[data-player-letter]");
    if (letter) select(Number(letter.dataset.playerLetter));
  });
  find("more").addEventListener("click", () => {
    const open = bar.classList.toggle("is-open");
    find("more").setAttribute("aria-expanded", String(open));
  });
  takeMediaKeys();
  addEventListener("pagehide", remember);
  sound.matched = kept.get("matched") !== false;
  volume(kept.get("volume") ?? 1);
}

if (bar) {
  wire();
  restore();
}
