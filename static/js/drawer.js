// The recipe beside the page on a wide screen, so that nothing that was being written is left. On a phone it is a page.
import { flush } from "./drafts.js";

const drawer = document.getElementById("drawer");
const WIDE = matchMedia("(min-width: 1100px)");
let opener = null;

async function open(link) {
  opener = link;
  await htmx.ajax("GET", link.getAttribute("href"), { target: "#drawer-body", swap: "innerHTML" });
  if (!drawer.querySelector("h2")) return;
  drawer.hidden = false;
  document.getElementById("drawer-title").focus();
}

export function close() {
  if (!drawer || drawer.hidden) return false;
  drawer.hidden = true;
  // The card may have been drawn anew meanwhile: then its own link is the way back.
  const back = opener?.isConnected ? opener : document.querySelector(`[data-drawer][href="${opener?.getAttribute("href")}"]`);
  (back ?? document.getElementById("main")).focus({ preventScroll: true });
  return true;
}

// What was typed in the last second has to be with the server before a part of a recipe is put beside it.
async function take(link) {
  await flush();
  link.dataset.flushed = "";
  link.click();
}

if (drawer) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-drawer], [data-take]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const isTaken = link.matches("[data-take]");
    if (isTaken ? "flushed" in link.dataset || !document.querySelector("#composer[data-unsaved]") : !WIDE.matches) return;
    event.preventDefault();
    event.stopPropagation();
    if (isTaken) take(link);
    else if (!drawer.hidden && opener === link) close();
    else open(link);
  }, true);
  drawer.querySelector("[data-drawer-close]").addEventListener("click", close);
  document.addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open].keys") && close());
  document.addEventListener("htmx:pushedIntoHistory", () => { drawer.hidden = true; });
}
