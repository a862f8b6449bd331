// Cards: clocks that run, dots on what nobody has heard yet, and copy buttons.
import { announce, kept } from "./store.js";

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
const begun = new WeakMap();

setInterval(() => {
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    // Counted on from what the server said, since the two clocks need not agree.
    if (!begun.has(element)) begun.set(element, performance.now() - element.dataset.elapsed * 1000);
    element.textContent = clock((performance.now() - begun.get(element)) / 1000);
  }
}, 1000);

// --- Not heard yet ---

const unheard = new Set(kept.get("unheard") ?? []);

function remember() {
  kept.set("unheard", [...unheard].slice(-100));
  const title = document.title.replace(/^\(\d+\) /, "");
  document.title = unheard.size ? `(${unheard.size}) ${title}` : title;
}

export function heard(generation) {
  if (!unheard.delete(generation)) return;
  document.getElementById(`generation-${generation}`)?.removeAttribute("data-unheard");
  remember();
}

// Called with a card that has just replaced one in another phase.
export function moved(card) {
  const title = card.querySelector(".card-title").textContent.trim();
  if (!card.dataset.said) return;
  announce(`${title}: ${card.dataset.said}`);
  if (card.dataset.phase === "ready") {
    unheard.add(card.dataset.card);
    card.dataset.unheard = "";
    remember();
  }
}

htmx.onLoad((content) => {
  const cards = content.matches?.(".card") ? [content] : (content.querySelectorAll?.(".card") ?? []);
  for (const card of cards) {
    // A song that was announced by the stream and by the answer to its own form is one card: the newer stays.
    for (const other of document.querySelectorAll(`[id="${card.id}"]`)) if (other !== card) other.remove();
    if (unheard.has(card.dataset.card)) card.dataset.unheard = "";
  }
  remember();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.copied;
    announce(button.dataset.copied);
    setTimeout(() => { button.textContent = label; }, 2000);
  } catch {
    // Not allowed here: the text itself can be selected.
    getSelection().selectAllChildren(button.parentElement.querySelector("code") ?? button.parentElement);
  }
});
