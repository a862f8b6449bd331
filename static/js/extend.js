// What an extension adds and cuts away, to scale beside the waveform.
import { Waveform } from "./waveform.js";

const USUAL_SECONDS = 30;
const number = (text) => Math.max(0, Number(text.replace(",", ".")) || 0);

function follow(root) {
  const { side, extend_duration: adds, crop_duration: crops } = root.closest("form").elements;
  const seconds = root.dataset.ms / 1000;
  const cut = Math.min(number(crops.value), seconds);
  const added = number(adds.value) || USUAL_SECONDS;
  const wave = root.querySelector("[data-extend-wave]");
  const addedPart = root.querySelector("[data-extend-added]");
  const cutPart = root.querySelector("[data-extend-cut]");
  const all = seconds - cut + added;
  const left = side.value === "left";
  const scale = 100 / Math.max(all, seconds);
  const origin = left ? Math.max(0, added - cut) : 0;
  Object.assign(wave.style, { left: `${origin * scale}%`, width: `${seconds * scale}%` });
  Object.assign(addedPart.style, { left: `${left ? 0 : (seconds - cut) * scale}%`, width: `${added * scale}%` });
  Object.assign(cutPart.style, { left: `${(left ? origin : seconds - cut) * scale}%`, width: `${cut * scale}%` });
  addedPart.classList.toggle("is-open", !number(adds.value));
}

function start(content) {
  for (const root of content.querySelectorAll?.("[data-extension]") ?? []) {
    const host = root.querySelector("[data-extend-wave]");
    const waveform = new Waveform(host, { onSeek: () => {}, onToggle: () => {} });
    host.tabIndex = -1;
    host.removeAttribute("role");
    follow(root);
    waveform.load(root.dataset.peaks, root.dataset.ms / 1000);
    root.closest("form").addEventListener("input", () => follow(root));
  }
}

htmx.onLoad(start);
start(document.body);
