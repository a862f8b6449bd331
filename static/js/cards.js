// Cards: clocks that run, dots on what nobody has heard yet, and copy buttons.
import { announce, kept } from "./store.js";

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const begun = new Map();

// When a clock began by this machine's own, since the two need not agree. What a later card says moves it forward only.
function beganAt({ dataset: { clock: name, elapsed } }) {
  const found = Math.min(begun.get(name) ?? Infinity, performance.now() - elapsed * 1000);
  begun.set(name, found);
  return found;
}

function run(element) {
  element.textContent = clock((performance.now() - beganAt(element)) / 1000);
}

setInterval(() => document.querySelectorAll("[data-elapsed]").forEach(run), 1000);

// --- Not heard yet: the dot is the server's, the count in the title is of what ended while this browser was looking ---

const unheard = new Set(kept.get("unheard") ?? []);
const told = new Set();

function remember() {
  kept.set("unheard", [...unheard].slice(-100));
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = unheard.size ? `(${unheard.size}) ${title}` : title;
}

export async function heard(generation) {
  if (unheard.delete(generation)) remember();
  const card = document.getElementById(`generation-${generation}`);
  if (told.has(generation) || (card && !("unheard" in card.dataset))) return;
  told.add(generation);
  card?.removeAttribute("data-unheard");
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  try {
    await fetch(`/generations/${generation}/heard`, {
      method: "POST", headers: { "X-CSRFToken": token }, signal: AbortSignal.timeout(10_000),
    });
  } catch {
    // Out of reach: it is told the next time.
    told.delete(generation);
  }
}

// Told of a card that has just come to another phase, on this page or while another one is looked at.
export function moved(card) {
  const { card: id, phase, said } = card.dataset;
  if (!said) return null;
  const title = card.querySelector(".card-title").textContent.trim();
  announce(`${title}: ${said}`);
  if (phase === "ready") {
    unheard.add(id);
    remember();
  }
  return phase === "cancelled" ? null : { id, title, said, song: card.querySelector(".card-title a")?.href ?? location.href };
}

htmx.onLoad((content) => {
  content.querySelectorAll?.("[data-elapsed]").forEach(run);
  const cards = content.matches?.(".card") ? [content] : (content.querySelectorAll?.(".card") ?? []);
  for (const card of cards) {
    // A song that was announced by the stream and by the answer to its own form is one card: the newer stays.
    for (const other of document.querySelectorAll(`[id="${card.id}"]`)) if (other !== card) other.remove();
    // Heard meanwhile, on another device perhaps.
    if (!("unheard" in card.dataset)) unheard.delete(card.dataset.card);
    else if (told.has(card.dataset.card)) card.removeAttribute("data-unheard");
  }
  remember();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-of]");
  if (!button) return;
  const label = button.textContent;
  const shown = document.getElementById(button.dataset.copyOf);
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? shown.textContent);
    button.textContent = button.dataset.copied;
    announce(button.dataset.copied);
    setTimeout(() => { button.textContent = label; }, 2000);
  } catch {
    // Not allowed here: the text itself can be selected.
    getSelection().selectAllChildren(shown ?? button.parentElement.querySelector("code") ?? button.parentElement);
  }
});
