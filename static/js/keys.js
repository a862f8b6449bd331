// The keyboard: single keys for listening, ignored while somebody types, and off where somebody wants them off.
import * as player from "./player.js";
import { kept } from "./store.js";

const dialog = document.getElementById("keys");
const toggle = dialog?.querySelector("[data-keys-switch]");

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable], dialog");
const pressable = (target) => target.closest?.("button, a, summary, [role=slider]");

function recipe() {
  const here = document.querySelector(".card:has(.lanes.is-here), .item:has(.lanes.is-here)") ?? document.querySelector(".card, .item");
  here?.querySelector("[data-drawer]")?.click();
}

// A track is marked where the focus is, else the one that plays.
function mark(selector) {
  const focused = document.activeElement?.closest("[data-item]");
  const item = focused ?? document.querySelector(`[data-item="${player.state().track?.id}"]`);
  const button = item?.querySelector(selector);
  button?.click();
  return Boolean(button);
}

const rate = (stars) => mark(`[data-stars="${stars}"]`);
const isPair = () => player.state().group?.tracks.length > 1;

function search() {
  const field = document.querySelector("[type=search]");
  field?.focus();
  return Boolean(field);
}

const ALWAYS = { "?": () => dialog.showModal(), i: recipe };
// Each says whether there was something to do it with.
const MARKS = { f: () => mark("[data-favourite]"), "/": search, 3: () => rate(3), 4: () => rate(4), 5: () => rate(5) };
const STARS_OR_LETTERS = ["1", "2"];
const LISTENING = {
  " ": player.toggle,
  ArrowLeft: (event) => player.skip(event.shiftKey ? -1 : -5),
  ArrowRight: (event) => player.skip(event.shiftKey ? 1 : 5),
  ArrowUp: () => player.louder(0.05),
  ArrowDown: () => player.louder(-0.05),
  m: player.mute,
  l: (event) => (event.shiftKey ? player.togglePart() : player.loop()),
  n: player.next,
  p: player.previous,
  x: player.other,
  1: () => player.select(0),
  2: () => player.select(1),
};

function first() {
  const button = document.querySelector("[data-play]");
  if (button) button.click();
  return Boolean(button);
}

function key(event) {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
    const composer = document.getElementById("composer");
    if (!composer) return;
    event.preventDefault();
    composer.requestSubmit();
    return;
  }
  const off = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !toggle.checked;
  if (off || typing(event.target) || (event.key === " " && pressable(event.target))) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (ALWAYS[name]) {
    ALWAYS[name](event);
  } else if (MARKS[name]?.() || (STARS_OR_LETTERS.includes(name) && !isPair() && rate(name))) {
    // Done.
  } else if (LISTENING[name] && player.state().group) {
    LISTENING[name](event);
  } else if (name !== " " || !first()) {
    return;
  }
  event.preventDefault();
}

if (dialog) {
  toggle.checked = kept.get("keys") !== "off";
  toggle.addEventListener("change", () => kept.set("keys", toggle.checked ? "on" : "off"));
  document.addEventListener("keydown", key);
  document.addEventListener("click", (event) => event.target.closest?.("[data-keys-open]") && dialog.showModal());
}
