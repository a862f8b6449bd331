// A waveform that is drawn from peaks kept on the server: no audio is ever fetched to draw one.
import WaveSurfer from "../npm/wavesurfer/wavesurfer.esm.js";

const PARALLEL = 4;
const peaks = new Map();
const waiting = [];
const drawn = new Set();
let running = 0;

const nonce = document.querySelector("meta[name=csp-nonce]")?.content ?? "";

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

async function fetchPeaks(url) {
  if (running >= PARALLEL) await new Promise((go) => waiting.push(go));
  running += 1;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(15_000) });
    if (!answer.ok) throw new Error(`peaks: ${answer.status}`);
    return halves(await answer.json());
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

// audiowaveform's form: least and greatest of each pixel, channel by channel. The loudest of all channels counts.
function halves({ data, bits, length, channels = 1 }) {
  const full = 2 ** (bits - 1);
  const upper = new Float32Array(length);
  const lower = new Float32Array(length);
  for (let pixel = 0; pixel < length; pixel += 1) {
    for (let channel = 0; channel < channels; channel += 1) {
      const at = 2 * (pixel * channels + channel);
      lower[pixel] = Math.min(lower[pixel], data[at] / full);
      upper[pixel] = Math.max(upper[pixel], data[at + 1] / full);
    }
  }
  return [upper, lower];
}

function peaksOf(url) {
  if (!peaks.has(url)) {
    const coming = fetchPeaks(url);
    coming.catch(() => peaks.delete(url));
    peaks.set(url, coming);
    if (peaks.size > 60) peaks.delete(peaks.keys().next().value);
  }
  return peaks.get(url);
}

// The host becomes a slider for keyboard and screen reader; `onSeek` gets seconds, `onToggle` is Space or Enter.
export class Waveform {
  constructor(host, { onSeek, onToggle }) {
    this.host = host;
    this.onSeek = onSeek;
    this.onToggle = onToggle;
    this.seconds = 0;
    this.time = 0;
    this.paint = document.createElement("div");
    this.paint.className = "wave-paint";
    host.replaceChildren(this.paint);
    host.tabIndex = 0;
    host.setAttribute("role", "slider");
    if (host.dataset.label) host.setAttribute("aria-label", host.dataset.label);
    host.setAttribute("aria-valuemin", "0");
    host.addEventListener("keydown", (event) => this.key(event));
    host.addEventListener("pointerdown", (event) => this.grab(event));
    drawn.add(this);
  }

  // `share` is the part of the width that this track takes beside a longer one.
  async load(url, seconds, share = 1) {
    this.url = url;
    this.seconds = seconds;
    this.paint.style.width = `${share * 100}%`;
    this.host.setAttribute("aria-valuemax", String(Math.round(seconds)));
    this.say();
    this.host.classList.add("is-coming");
    try {
      const found = await peaksOf(url);
      if (this.url !== url || !this.host.isConnected) return;
      this.host.classList.remove("is-missing");
      this.surfer?.destroy();
      this.surfer = WaveSurfer.create({
        container: this.paint, peaks: found, duration: seconds, height: "auto", interact: false, cursorWidth: 1,
        barWidth: 2, barGap: 1, barRadius: 1, barMinHeight: 1, barHeight: 1.2, hideScrollbar: true, cspNonce: nonce, ...this.colours(),
      });
      this.surfer.on("ready", () => this.show(this.time));
    } catch {
      // It can be played all the same, and the slider works without a picture.
      this.host.classList.add("is-missing");
    } finally {
      this.host.classList.remove("is-coming");
    }
  }

  colours() {
    const style = getComputedStyle(this.host);
    return { waveColor: style.color, progressColor: style.accentColor, cursorColor: style.accentColor };
  }

  recolour() {
    this.surfer?.setOptions(this.colours());
  }

  show(time) {
    const before = Math.floor(this.time);
    this.time = Math.min(Math.max(0, time), this.seconds);
    if (this.surfer?.getDuration()) this.surfer.setTime(this.time);
    if (Math.floor(this.time) !== before) this.say();
  }

  say() {
    this.host.setAttribute("aria-valuenow", String(Math.floor(this.time)));
    const [now, length] = [clock(this.time), clock(Math.round(this.seconds))];
    this.host.setAttribute("aria-valuetext", this.host.dataset.says.replace("#", now).replace("#", length));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : 5;
    const to = {
      ArrowRight: this.time + step, ArrowLeft: this.time - step, ArrowUp: this.time + step, ArrowDown: this.time - step,
      PageUp: this.time + 15, PageDown: this.time - 15, Home: 0, End: this.seconds,
    }[event.key];
    if (event.key === " " || event.key === "Enter") this.onToggle();
    else if (to !== undefined) this.onSeek(Math.min(Math.max(0, to), this.seconds), false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  grab(event) {
    if (event.button !== 0) return;
    const at = (move) => {
      const box = this.paint.getBoundingClientRect();
      return Math.min(Math.max(0, (move.clientX - box.left) / box.width), 1) * this.seconds;
    };
    const drag = (move) => this.show(at(move));
    const drop = (up) => {
      this.host.removeEventListener("pointermove", drag);
      this.dragging = false;
      if (up.type === "pointerup") this.onSeek(at(up), true);
    };
    this.dragging = true;
    this.host.setPointerCapture(event.pointerId);
    this.host.addEventListener("pointermove", drag);
    this.host.addEventListener("pointerup", drop, { once: true });
    this.host.addEventListener("pointercancel", drop, { once: true });
  }

  destroy() {
    this.surfer?.destroy();
    drawn.delete(this);
  }
}

document.addEventListener("neoapex:theme", () => drawn.forEach((waveform) => waveform.recolour()));
export const sweep = () => drawn.forEach((waveform) => waveform.host.isConnected || waveform.destroy());
