// The library: ticking several tracks at once, with Shift a range, and what is said about them for a moment.
import { announce } from "./store.js";

const MOST = 100;
const TOAST_MS = 5000;

const form = () => document.getElementById("chosen");
const boxes = () => [...document.querySelectorAll("[data-choose]")];

let last = null;

function count() {
  if (!form()) return;
  const ticked = boxes().filter(({ checked }) => checked).length;
  const label = form().querySelector("[data-count]");
  const text = ticked === 0 ? "" : ticked === 1 ? label.dataset.one : label.dataset.many.replace("#", ticked);
  if (label.textContent !== text) label.textContent = text;
  form().classList.toggle("is-idle", ticked === 0);
  for (const button of form().querySelectorAll("button")) {
    button.disabled = ticked === 0 || (button.dataset.two !== undefined && ticked !== 2);
  }
  const all = form().querySelector("[data-choose-all]");
  all.checked = ticked > 0 && ticked === boxes().length;
  all.indeterminate = ticked > 0 && !all.checked;
}

function tick(wanted, is) {
  let room = MOST - boxes().filter(({ checked }) => checked).length;
  for (const box of wanted) {
    if (is && !box.checked && room-- <= 0) return announce(form().dataset.most);
    box.checked = is;
  }
  return undefined;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-choose], [data-choose-all]");
  if (!box) return;
  if (box.matches("[data-choose-all]")) {
    tick(boxes(), box.checked);
  } else {
    const around = boxes();
    const ends = [around.indexOf(last), around.indexOf(box)].sort((one, other) => one - other);
    // The box itself has changed by now; what lies between follows it.
    if (event.shiftKey && ends[0] >= 0) tick(around.slice(ends[0], ends[1] + 1), box.checked);
    else if (boxes().filter(({ checked }) => checked).length > MOST) tick([box], false);
    last = box;
  }
  count();
});

// --- What was done, with the way back ---

let timer = 0;

function fade() {
  const toast = document.getElementById("toast");
  // Nobody is hurried who is on the way to the button.
  if (toast.matches(":hover, :focus-within")) timer = setTimeout(fade, 1000);
  else toast.replaceChildren();
}

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target?.id !== "toast" && event.target.id !== "toast") return;
  clearTimeout(timer);
  timer = setTimeout(fade, TOAST_MS);
  if (document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.matches?.("#chosen, #toast form")) setTimeout(count);
});

// --- Small things: an address without empty parts, and a title to be changed in its place ---

document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.elt.matches("#filters, #filters *")) return;
  const { parameters } = event.detail;
  for (const name of Object.keys(parameters)) if (parameters[name] === "") delete parameters[name];
});

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.(".rename[open]")) event.target.querySelector("[name=title]").select();
}, true);

document.addEventListener("keydown", (event) => {
  const rename = event.key === "Escape" && event.target.closest?.(".rename[open]");
  if (!rename) return;
  event.stopPropagation();
  rename.open = false;
  rename.querySelector("summary").focus();
}, true);

htmx.onLoad(count);
count();
