// The part that is looped, on the player's waveform: two ends to be drawn by finger, mouse or arrow keys.
import * as player from "./player.js";
import { clock } from "./waveform.js";

const SHORTEST_SECONDS = 1;
const range = document.querySelector("[data-player-part-range]");
const ends = range ? [...range.querySelectorAll("[data-part-end]")] : [];
let shown = null;

const seconds = () => player.state().track.ms / 1000;

function limited({ from, to }, moved) {
  if (moved === "to") return { from, to: Math.max(Math.min(to, seconds()), from + SHORTEST_SECONDS) };
  return { from: Math.min(Math.max(0, from), to - SHORTEST_SECONDS), to };
}

function paint(part) {
  shown = part;
  range.hidden = !part;
  if (!part) return;
  range.style.left = `${(part.from / seconds()) * 100}%`;
  range.style.width = `${((part.to - part.from) / seconds()) * 100}%`;
  for (const end of ends) {
    const at = part[end.dataset.partEnd];
    end.setAttribute("aria-valuemax", String(Math.round(seconds())));
    end.setAttribute("aria-valuenow", String(Math.round(at)));
    end.setAttribute("aria-valuetext", clock(at));
  }
}

function key(event) {
  const name = event.currentTarget.dataset.partEnd;
  const step = event.shiftKey ? 0.1 : 1;
  const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  player.loopPart(limited({ ...shown, [name]: shown[name] + by }, name));
}

function grab(event) {
  const end = event.currentTarget;
  const name = end.dataset.partEnd;
  const { left, width } = range.parentElement.getBoundingClientRect();
  const drag = (move) => paint(limited({ ...shown, [name]: ((move.clientX - left) / width) * seconds() }, name));
  end.setPointerCapture(event.pointerId);
  end.addEventListener("pointermove", drag);
  const drop = () => {
    end.removeEventListener("pointermove", drag);
    player.loopPart(shown);
  };
  end.addEventListener("lostpointercapture", drop, { once: true });
}

for (const end of ends) {
  end.addEventListener("keydown", key);
  end.addEventListener("pointerdown", grab);
}
if (range) {
  player.onChange(({ part }) => paint(part));
  if (player.state().group) paint(player.state().part);
}
