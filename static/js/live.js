// Live: one event stream for all tabs of a browser. An event says which song moved; its card is fetched as it is now.
import { moved } from "./cards.js";
import { notify } from "./notices.js";

const EVENTS = ["job_queued", "job_started", "job_progress", "job_succeeded", "job_failed"];
const ENDS = ["job_succeeded", "job_failed"];
const POLL_MS = 10_000;
// A tab that holds the stream may be put to sleep by the browser: after this silence the others look for themselves.
const SILENCE_MS = 45_000;
const GRACE_MS = 4000;
const LONGEST_WAIT_MS = 30_000;

const person = document.body.dataset.person;
const status = document.getElementById("live-status");
const others = "BroadcastChannel" in window ? new BroadcastChannel(`neoapex-live-${person}`) : null;

let source = null;
let failures = 0;
let down = false;
let downTimer = 0;
let heardAt = Date.now();

// --- Cards ---

const turns = new Map();
// Songs that ended a moment ago: said once, whether their card is on this page or not.
const ended = new Set();

// One fetch for a card at a time, and one more where something came meanwhile: an old answer never overtakes a new one.
async function refresh(id) {
  if (turns.has(id)) {
    turns.set(id, true);
    return;
  }
  turns.set(id, false);
  try {
    do {
      turns.set(id, false);
      await fetchCard(id);
    } while (turns.get(id));
  } catch {
    // Out of reach: the next event, poll or reconnect asks again.
  } finally {
    turns.delete(id);
  }
}

async function fetchCard(id) {
  const shown = document.getElementById(`generation-${id}`);
  const url = shown?.dataset.cardUrl ?? `/generations/${id}/card`;
  const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(10_000) });
  if (answer.headers.get("HX-Redirect")) return location.reload();
  if (answer.status === 404) return shown?.remove();
  if (!answer.ok || answer.status === 204) return undefined;
  const html = await answer.text();
  // Meanwhile another page of the same song was gone to: the answer is for the one before.
  if ((document.getElementById(`generation-${id}`)?.dataset.cardUrl ?? url) !== url) {
    turns.set(id, true);
    return undefined;
  }
  swap(id, html);
  if (answer.headers.get("HX-Trigger")) htmx.trigger(document.body, "money");
  return undefined;
}

const parse = (html) => new DOMParser().parseFromString(html, "text/html");

function swap(id, html) {
  const card = document.getElementById(`generation-${id}`);
  // It has just asked for something itself: the answer looks for its place from the button that was pressed.
  if (card?.matches(".htmx-request, :has(.htmx-request)")) {
    document.addEventListener("htmx:afterRequest", () => refresh(id), { once: true });
    return;
  }
  const feed = document.querySelector("#feed[data-newest]");
  const look = lookOf(html);
  // What looks the same stays, with what somebody has just ticked in it; only what comes along is put in its place.
  if (card && card.serverLook === look) {
    htmx.swap(document.getElementById("announcer"), html, { swapStyle: "none" });
    return;
  }
  const phase = card?.dataset.phase;
  // A take has no card of its own: it is seen where it is judged.
  const elsewhere = card ? null : parse(html).querySelector("[data-elsewhere]");
  if (elsewhere) {
    tellOf(elsewhere);
    return;
  }
  const open = [...(card?.querySelectorAll("details[open][id]") ?? [])].map((details) => details.id);
  const focused = card?.contains(document.activeElement) ? document.activeElement.id : "";
  if (card) htmx.swap(card, html, { swapStyle: "outerHTML" });
  else htmx.swap(feed ?? document.getElementById("announcer"), html, { swapStyle: feed ? "afterbegin" : "none" });
  const swapped = document.getElementById(`generation-${id}`);
  if (swapped) swapped.serverLook = look;
  for (const details of open) document.getElementById(details)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const fresh = document.getElementById(`generation-${id}`) ?? parse(html).querySelector(".card");
  if (fresh) tellOf(fresh, phase);
}

// Hidden fields are keys that are new each time.
function lookOf(html) {
  const card = new DOMParser().parseFromString(html, "text/html").querySelector(".card");
  card?.querySelectorAll("input[type=hidden]").forEach((field) => field.remove());
  return card?.outerHTML ?? "";
}

function tellOf(card, phaseBefore) {
  const over = ended.delete(card.dataset.card);
  if (phaseBefore ? card.dataset.phase === phaseBefore : !over) return;
  const end = moved(card);
  if (end && source) notify(end);
  // Whoever waits behind it has moved up.
  if (phaseBefore === "waiting") document.querySelectorAll("[data-phase=waiting]").forEach((other) => refresh(other.dataset.card));
}

// What a card says of the present may be over though nothing happens: it says itself for how long it is true.
htmx.onLoad((content) => {
  const cards = content.matches?.("[data-stale]") ? [content] : content.querySelectorAll?.("[data-stale]") ?? [];
  for (const card of cards) setTimeout(() => card.isConnected && refresh(card.dataset.card), card.dataset.stale * 1000);
});

const refreshUnfinished = () => document.querySelectorAll("[data-unfinished]").forEach((card) => refresh(card.dataset.card));

// After a gap: songs that were started elsewhere meanwhile are not on the page yet.
async function catchUp() {
  refreshUnfinished();
  if (!document.querySelector("#feed[data-newest]")) return;
  try {
    const answer = await fetch("/", { signal: AbortSignal.timeout(10_000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const missing = [...page.querySelectorAll("#feed .card")].filter((card) => !document.getElementById(card.id));
    const newest = document.querySelector("#feed .card");
    const after = newest ? page.getElementById(newest.id) : null;
    for (const card of missing.reverse()) {
      if (!after || card.compareDocumentPosition(after) & Node.DOCUMENT_POSITION_FOLLOWING) refresh(card.dataset.card);
    }
  } catch {
    // The poll goes on.
  }
}

// --- What the stream says, here or in the tab that holds it ---

function hear(message) {
  heardAt = Date.now();
  if (message.kind === "event") {
    if (ENDS.includes(message.name)) ended.add(message.generation);
    refresh(message.generation);
  }
  if (message.kind === "up") up();
  else if (message.kind === "down") wait();
  else if (message.kind === "who" && source) others.postMessage({ kind: source.readyState === EventSource.OPEN ? "up" : "down" });
}

function tell(message) {
  others?.postMessage(message);
  hear(message);
}

function up() {
  clearTimeout(downTimer);
  downTimer = 0;
  if (down) catchUp();
  else refreshUnfinished();
  down = false;
  say();
}

// A stream that ends and comes back within seconds is how it renews itself: nobody needs to know.
function wait() {
  if (down || downTimer) return;
  downTimer = setTimeout(() => {
    down = true;
    say();
  }, GRACE_MS);
}

function say() {
  const text = navigator.onLine === false ? status.dataset.offline : down ? status.dataset.down : "";
  if (status.textContent !== text) status.textContent = text;
}

setInterval(() => {
  if (down || Date.now() - heardAt > SILENCE_MS) refreshUnfinished();
}, POLL_MS);

// --- The stream ---

function open() {
  source = new EventSource("/api/events");
  source.addEventListener("open", () => {
    failures = 0;
    tell({ kind: "up" });
  });
  source.addEventListener("error", () => {
    tell({ kind: "down" });
    if (source.readyState === EventSource.CLOSED) again();
  });
  source.addEventListener("bye", () => {
    source.close();
    tell({ kind: "down" });
    again();
  });
  for (const name of EVENTS) {
    source.addEventListener(name, (event) => tell({ kind: "event", name, generation: JSON.parse(event.data).generation }));
  }
}

// Everybody was cut off at the same moment: come back at different ones.
function again() {
  const wait = Math.min(500 * 2 ** failures, LONGEST_WAIT_MS);
  failures += 1;
  setTimeout(open, wait + Math.random() * 2000);
}

if (person && status) {
  others?.addEventListener("message", (event) => hear(event.data));
  for (const name of ["online", "offline"]) addEventListener(name, say);
  document.addEventListener("visibilitychange", () => document.hidden || refreshUnfinished());
  if (others && navigator.locks) {
    others.postMessage({ kind: "who" });
    navigator.locks.request(`neoapex-live-${person}`, () => {
      open();
      return new Promise(() => {});
    });
  } else {
    open();
  }
}
