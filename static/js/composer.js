// The composer: dials in two parts, and a button that knows what is missing.
import { announce } from "./store.js";
import { keep, restore } from "./drafts.js";
import { show } from "./pages.js";

const form = () => document.getElementById("composer");
const button = () => document.getElementById("generate");

function prepare(composer) {
  if (composer.dataset.filled !== undefined) {
    keep(0);
    // A reload must bring back what has been changed since, not the recipe or example that it began with.
    if (location.search) history.replaceState(history.state, "", location.pathname + location.hash);
  } else if (restore(composer)) {
    keep(0);
    htmx.trigger(composer, "quote");
  }
  for (const dial of composer.querySelectorAll("[data-dial]")) follow(dial, dial.querySelector("[type=number]"));
  count(composer);
  gate();
}

// --- Dials: a slider and a number that say the same ---

function follow(dial, source) {
  const slider = dial.querySelector("[type=range]");
  const number = dial.querySelector("[type=number]");
  if (source === slider) number.value = slider.value;
  else if (number.value !== "") slider.value = number.value;
  const share = (slider.value - slider.min) / (slider.max - slider.min);
  slider.style.setProperty("--filled", `${share * 100}%`);
  const words = dial.dataset.words.split("|");
  const word = words[Math.min(words.length - 1, Math.floor(share * words.length))];
  slider.setAttribute("aria-valuetext", `${slider.value}, ${word}`);
  dial.querySelector("[data-word]").textContent = word;
}

function count(composer) {
  const label = composer.querySelector("[data-lines]");
  const lines = composer.elements.lyrics.value.split("\n").filter((line) => line.trim() && !/^\s*\[.*\]\s*$/.test(line)).length;
  const text = lines === 0 ? label.dataset.empty : lines === 1 ? label.dataset.one : label.dataset.many.replace("#", lines);
  if (label.textContent !== text) label.textContent = text;
  for (const note of composer.querySelectorAll("[data-characters]")) {
    // As the server counts: an emoji is one.
    const length = [...composer.elements[note.dataset.characters].value].length;
    const show = (number) => number.toLocaleString(document.documentElement.lang);
    note.textContent = length ? note.dataset.of.replace("#", show(length)).replace("%", show(Number(note.dataset.most))) : "";
    note.classList.toggle("is-over", length > note.dataset.most);
  }
}

// --- The button ---

function gate() {
  const off = document.querySelector("#price [data-off]") !== null;
  if (off) button()?.setAttribute("aria-disabled", "true");
  else button()?.removeAttribute("aria-disabled");
  for (const field of form()?.querySelectorAll("[aria-describedby*=error-]") ?? []) {
    const wrong = document.getElementById(`error-${field.id}`)?.textContent.trim();
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
}

const reasons = () => [...document.querySelectorAll("#price .reasons li")].map((item) => item.textContent).join(" ");

const complain = (text) => {
  const refusal = document.getElementById("refusal");
  if (refusal) refusal.textContent = text;
};

function changed(event) {
  const dial = event.target.closest("[data-dial]");
  if (dial) follow(dial, event.target);
  count(form());
  keep();
  // What was missing may be there now; until the answer comes, the server decides.
  button().removeAttribute("aria-disabled");
}

function pressed(event) {
  const target = event.target.closest("button");
  if (!target) return;
  const { lyrics, seed, vibe_strength: vibe } = form().elements;
  if (target.dataset.section) {
    const before = lyrics.value.slice(0, lyrics.selectionStart);
    const gap = before === "" ? "" : before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
    lyrics.setRangeText(`${gap}${target.dataset.section}\n`, lyrics.selectionStart, lyrics.selectionEnd, "end");
    change(lyrics);
  } else if (target.dataset.seedNew !== undefined) {
    // 63 bits as text: a JavaScript number would lose the last digits.
    seed.value = String(crypto.getRandomValues(new BigUint64Array(1))[0] >> 1n);
    change(seed);
  } else if (target.dataset.seedLast !== undefined) {
    seed.value = document.querySelector("#seed-last input").value || seed.value;
    change(seed);
  } else if (target.dataset.vibe) {
    vibe.value = target.dataset.vibe;
    change(vibe);
  }
}

function change(field) {
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
}

document.addEventListener("input", (event) => {
  if (form()?.contains(event.target)) changed(event);
});
document.addEventListener("click", (event) => {
  if (form()?.contains(event.target)) pressed(event);
});

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt !== form()) return;
  complain("");
  if (button().getAttribute("aria-disabled") !== "true") return;
  event.preventDefault();
  announce(reasons());
  form().querySelector("[aria-invalid=true]")?.focus();
});
document.addEventListener("htmx:afterRequest", (event) => {
  // Who asked, by its id: a refused form has been replaced by now.
  if (event.detail.requestConfig.elt.id !== "composer") return;
  const status = event.detail.xhr?.status ?? 0;
  if (status === 201) {
    if (matchMedia("(max-width: 760px)").matches) show("songs");
    document.querySelector("#feed .card")?.scrollIntoView({ block: "nearest" });
  } else if (status === 0) {
    complain(form().dataset.unreachable);
  } else if (status >= 400 && event.detail.xhr.getResponseHeader("HX-Reswap")) {
    announce(reasons());
  } else {
    complain(form().dataset.broken);
  }
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // fal is out of reach: our own answer to that has a place for itself, a proxy's page has none.
  if (event.detail.xhr.status !== 503 || !event.detail.xhr.getResponseHeader("HX-Reswap")) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.closest?.("#price")) gate();
});
document.addEventListener("htmx:afterSwap", (event) => {
  // A saved recipe was deleted: its button had the focus.
  if (event.detail.target?.id === "presets" && document.activeElement === document.body) document.querySelector("#presets summary").focus();
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.target.closest?.("#price, .field-error")) setTimeout(gate);
});

htmx.onLoad((content) => {
  const composer = content.id === "composer" ? content : content.querySelector?.("#composer");
  if (composer) prepare(composer);
});
