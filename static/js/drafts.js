// The draft: kept by the server while somebody types, so that it is there after a reload, elsewhere, and after logging
// in again. This browser holds only what the server doesn't have yet, in this tab, and for the person it belongs to.
import { kept, tab } from "./store.js";

const LATER = 1000;
const NOT_OURS = new Set(["csrfmiddlewaretoken", "idempotency_key", "seed_last"]);

const writer = kept.get("writer") ?? String(crypto.getRandomValues(new Uint32Array(2)));
kept.set("writer", writer);

let pending = null;
let timer = 0;
let isSending = false;

const form = () => document.getElementById("composer");
const address = () => form()?.dataset.draft ?? pending?.address;
const fields = (data) => Object.fromEntries([...data].filter(([name]) => !NOT_OURS.has(name)));

// The values are taken at once: by the time they are sent, the page may be another one.
export function keep(soon = LATER) {
  const data = new FormData(form());
  tab.set("draft", fields(data));
  // What is sent on leaving and what the next page sends may overtake each other.
  data.set("draft_writer", writer);
  data.set("draft_written_ms", String(Date.now()));
  pending = { address: address(), data };
  form().dataset.unsaved = "";
  clearTimeout(timer);
  timer = setTimeout(send, soon);
}

// At once, where something is waiting to be sent.
export function flush() {
  clearTimeout(timer);
  return send();
}

async function send() {
  if (!pending || isSending) return;
  const sending = pending;
  isSending = true;
  let isKept = false;
  try {
    const answer = await fetch(sending.address, { method: "POST", body: sending.data, redirect: "error", signal: AbortSignal.timeout(10_000) });
    // Too much to be kept: asking again would not make it less.
    isKept = answer.status === 204 || answer.status === 413;
  } catch {
    // Offline, or the session has ended. The tab holds it until the next key or the network is back.
  }
  isSending = false;
  if (!isKept) return;
  if (sending === pending) {
    forget();
  } else {
    send();
  }
}

// What this tab has and the server may not have got; put into the form before anything is made of its fields.
export function restore(composer) {
  const draft = tab.get("draft");
  if (!draft) return false;
  for (const [name, value] of Object.entries(draft)) {
    const field = composer.elements.namedItem(name);
    if (field && "value" in field && !NOT_OURS.has(name)) field.value = value;
  }
  return true;
}

function forget() {
  clearTimeout(timer);
  pending = null;
  tab.remove("draft");
  delete form()?.dataset.unsaved;
}

addEventListener("online", () => send());
addEventListener("pagehide", () => {
  if (pending) navigator.sendBeacon(pending.address, pending.data);
});
// Only once it was confirmed.
document.addEventListener("htmx:beforeRequest", (event) => event.detail.elt.matches("[data-clear-draft]") && forget());
