// One section of a track: drawn on its waveform, by two handles, or by two times, which all say the same.
import { Waveform, clock } from "./waveform.js";

const AROUND_SECONDS = 2;
const LONGEST_CLIP_SECONDS = 60;
const TIME = /^(?:(\d{1,3}):)?(\d{1,5}(?:[.,]\d*)?)$/;

const read = (text) => {
  const found = TIME.exec(text.trim());
  return found ? 60 * Number(found[1] ?? 0) + Number(found[2].replace(",", ".")) : NaN;
};
const shown = (seconds) => String(Math.round(seconds * 1000) / 1000);

class Region {
  constructor(root) {
    this.root = root;
    this.form = root.closest("form");
    this.seconds = root.dataset.ms / 1000;
    this.shortest = Number(root.dataset.shortest);
    this.part = root.querySelector("[data-region-part]");
    this.area = root.querySelector("[data-region-draw]");
    this.note = root.querySelector("[data-region-note]");
    this.ends = [...root.querySelectorAll("[data-part-end]")];
    this.fields = { from: this.form.elements.start, to: this.form.elements.end };
    this.snap = root.querySelector("[data-region-snap]");
    this.wire();
    this.draw();
    this.typed();
  }

  draw() {
    const host = this.root.querySelector("[data-region-wave]");
    const waveform = new Waveform(host, { onSeek: () => {}, onToggle: () => {} });
    // A picture only: the two ends are what can be moved.
    host.tabIndex = -1;
    for (const name of ["role", "aria-valuemin", "aria-valuenow", "aria-valuetext", "aria-valuemax"]) host.removeAttribute(name);
    waveform.load(this.root.dataset.peaks, this.seconds).then(() => {
      for (const name of ["aria-valuemax", "aria-valuenow", "aria-valuetext"]) host.removeAttribute(name);
      host.setAttribute("aria-hidden", "true");
    });
  }

  wire() {
    for (const field of Object.values(this.fields)) field.addEventListener("input", () => this.typed());
    for (const end of this.ends) {
      end.addEventListener("keydown", (event) => this.key(event));
      end.addEventListener("pointerdown", (event) => this.grab(event, this.other(end.dataset.partEnd)));
    }
    this.area.addEventListener("pointerdown", (event) => this.grab(event, null));
    this.snap?.addEventListener("change", () => this.set(this.from, this.to));
    this.listening = this.root.querySelector("[data-region-listen]");
    this.label = this.listening.querySelector("span");
    this.says = this.label.textContent;
    this.listening.addEventListener("click", () => this.listen());
    this.form.elements.lyrics.addEventListener("input", () => this.markLines());
  }

  // The end that stays when this one moves.
  other = (name) => (name === "to" ? this.from : this.to);

  // What was typed stands as it was typed; the server judges it.
  typed() {
    this.from = read(this.fields.from.value);
    this.to = read(this.fields.to.value);
    this.paint();
  }

  beat(time) {
    const beat = 60 / Number(this.root.dataset.bpm);
    return this.snap?.checked ? Math.round(time / beat) * beat : time;
  }

  set(one, other, keepsEnd = false) {
    let [from, to] = [Math.min(one, other), Math.max(one, other)].map((time) => Math.min(Math.max(0, this.beat(time)), this.seconds));
    if (to - from < this.shortest) {
      if (keepsEnd) from = Math.max(0, to - this.shortest);
      to = Math.min(this.seconds, from + this.shortest);
      from = Math.min(from, to - this.shortest);
    }
    Object.assign(this, { from, to });
    this.fields.from.value = shown(from);
    this.fields.to.value = shown(to);
    this.paint();
  }

  paint() {
    this.stop();
    const known = this.from >= 0 && this.to > this.from && this.from < this.seconds;
    this.part.hidden = !known;
    this.markLines();
    if (!known) {
      this.note.textContent = "";
      return;
    }
    const to = Math.min(this.to, this.seconds);
    this.part.style.left = `${(this.from / this.seconds) * 100}%`;
    this.part.style.width = `${((to - this.from) / this.seconds) * 100}%`;
    const length = Math.round((to - this.from) * 10) / 10;
    const { says, saysShort } = this.root.dataset;
    this.note.textContent = to - this.from < this.shortest - 0.0005 ? saysShort.replace("#", length)
      : says.replace("#", length).replace("#", clock(Math.round(this.seconds)));
    for (const end of this.ends) {
      const at = end.dataset.partEnd === "to" ? to : this.from;
      end.setAttribute("aria-valuemax", String(Math.round(this.seconds)));
      end.setAttribute("aria-valuenow", String(Math.round(at * 10) / 10));
      end.setAttribute("aria-valuetext", `${clock(at)}.${Math.floor((at * 10) % 10)}`);
    }
  }

  key(event) {
    const name = event.currentTarget.dataset.partEnd;
    const beat = this.snap?.checked ? 60 / Number(this.root.dataset.bpm) : 1;
    const step = event.shiftKey ? 0.1 : beat;
    const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    if (name === "to") this.set(this.from, Math.max(this.to + by, this.from + this.shortest));
    else this.set(Math.min(this.from + by, this.to - this.shortest), this.to, true);
  }

  // From where it was pressed, or from the end that stays, to where the finger is.
  grab(event, stays) {
    if (event.button !== 0) return;
    event.stopPropagation();
    const { left, width } = this.area.getBoundingClientRect();
    const at = (move) => Math.min(Math.max(0, (move.clientX - left) / width), 1) * this.seconds;
    const anchor = stays ?? at(event);
    const drag = (move) => this.set(anchor, at(move), at(move) < anchor);
    const target = event.currentTarget;
    target.setPointerCapture(event.pointerId);
    target.addEventListener("pointermove", drag);
    target.addEventListener("lostpointercapture", () => target.removeEventListener("pointermove", drag), { once: true });
    if (stays !== null) event.preventDefault();
  }

  listen() {
    if (this.audio) {
      this.stop();
      return;
    }
    const end = Math.min(this.to, this.seconds, this.from + LONGEST_CLIP_SECONDS);
    const query = new URLSearchParams({ start: shown(this.from), end: shown(end) });
    this.audio = new Audio(`/api/tracks/${this.root.dataset.region}/clip?${query}`);
    this.audio.addEventListener("ended", () => this.stop());
    this.audio.addEventListener("error", () => this.preview());
    this.play();
  }

  // Where the master is not at hand: the same part of the MP3.
  preview() {
    if (!this.audio) return;
    const [from, to] = [Math.max(0, this.from - AROUND_SECONDS), Math.min(this.to + AROUND_SECONDS, this.seconds)];
    this.audio = new Audio(`/api/tracks/${this.root.dataset.region}/preview#t=${from},${to}`);
    this.audio.addEventListener("pause", () => this.stop());
    this.play();
  }

  play() {
    this.listening.setAttribute("aria-pressed", "true");
    this.label.textContent = this.listening.dataset.saysStop;
    this.audio.play().catch(() => {});
  }

  stop() {
    if (!this.audio) return;
    const { audio } = this;
    this.audio = null;
    audio.pause();
    this.listening.setAttribute("aria-pressed", "false");
    this.label.textContent = this.says;
  }

  // Nobody knows when which line is sung: by the clock, a line is as long as the other.
  markLines() {
    const note = this.form.querySelector("[data-lines-here]");
    const lines = this.form.elements.lyrics.value.split("\n").map((line) => line.trim()).filter((line) => line && !/^\[.*\]$/.test(line));
    const [first, last] = [this.from, Math.min(this.to, this.seconds)].map((time) => Math.floor((time / this.seconds) * lines.length));
    const here = lines.slice(first, Math.max(first + 1, Math.min(last + 1, lines.length)));
    note.textContent = here.length ? `${note.dataset.says} ${here.join(" / ")}` : "";
  }
}

function start(content) {
  for (const root of content.querySelectorAll?.("[data-region]") ?? []) new Region(root);
}

htmx.onLoad(start);
start(document.body);
