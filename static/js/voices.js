// Arms of an experiment, or slots of a blind round: decoded and started together, so that a switch only moves faders.
import { Pair } from "./pair.js";
import * as player from "./player.js";
import { kept } from "./store.js";
import { clock } from "./waveform.js";

const SHORTEST_SECONDS = 1;
let view = null;

class Voices {
  constructor(root) {
    this.root = root;
    this.voices = [...root.querySelectorAll("[data-voice]")];
    this.seconds = Number(root.dataset.seconds);
    this.heard = 0;
    this.at = 0;
    this.matched = true;
    this.looping = false;
    this.position = this.find("position");
    this.listen();
    this.paint();
  }

  find(name) {
    return this.root.querySelector(`[data-voices-${name}]`);
  }

  listen() {
    this.voices.forEach((voice, place) => voice.querySelector("[data-voice-pick]").addEventListener("click", () => this.pick(place)));
    this.find("play").addEventListener("click", () => this.toggle());
    this.find("next").addEventListener("click", () => this.next());
    this.find("loop").addEventListener("click", () => this.loop());
    this.find("match")?.addEventListener("click", () => this.match());
    for (const end of [this.find("begin"), this.find("finish")]) end.addEventListener("change", () => this.restart());
    this.position.addEventListener("input", () => this.seek(this.position.value / 1000));
  }

  get playing() {
    return Boolean(this.pair?.playing);
  }

  get part() {
    if (!this.looping) return null;
    const from = Math.min(Math.max(0, Number(this.find("begin").value) || 0), this.seconds - SHORTEST_SECONDS);
    const to = Math.min(Number(this.find("finish").value) || this.seconds, this.seconds);
    return { from, to: Math.max(to, from + SHORTEST_SECONDS) };
  }

  levels() {
    return this.voices.map((voice, place) => {
      if (place !== this.heard) return 0;
      return this.matched ? 10 ** (Number(voice.dataset.db) / 20) : 1;
    });
  }

  // All of it is fetched before the first sound: no switch has to wait.
  async prepare() {
    if (this.pair?.buffers) return true;
    const status = this.find("status");
    status.textContent = status.dataset.coming;
    const pair = new Pair(this.voices.map(({ dataset }) => dataset.src), (place) => place === this.heard && this.end());
    this.pair = pair;
    try {
      await pair.prepare();
      status.textContent = "";
    } catch {
      status.textContent = status.dataset.missing;
      this.pair = null;
    }
    return this.pair === pair && Boolean(pair.buffers);
  }

  async play() {
    if (this.coming) return;
    this.coming = true;
    player.pause();
    const there = await this.prepare();
    if (there) await this.pair.wake();
    this.coming = false;
    if (there && this.root.isConnected) this.start();
  }

  start() {
    this.pair.start(this.at, this.levels(), this.part);
    this.paint();
    this.tick();
  }

  restart() {
    if (this.playing) this.seek(this.pair.time);
  }

  pause() {
    if (!this.playing) return;
    this.at = Math.min(this.pair.time, this.seconds);
    this.pair.stop();
    this.paint();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  end() {
    this.pair.stop();
    this.at = 0;
    this.paint();
  }

  seek(time) {
    this.at = Math.min(Math.max(0, time), this.seconds);
    if (this.playing) this.start();
    else this.paint();
  }

  pick(place) {
    if (!this.voices[place]) return;
    this.heard = place;
    this.pair?.setLevels(this.levels());
    this.paint();
    if (!this.playing) this.play();
  }

  next() {
    this.pick((this.heard + 1) % this.voices.length);
  }

  loop() {
    this.looping = !this.looping;
    this.restart();
    this.paint();
  }

  match() {
    this.matched = !this.matched;
    this.pair?.setLevels(this.levels());
    this.paint();
  }

  tick() {
    if (!this.playing) return;
    this.at = this.pair.time;
    if (!this.looping && this.at >= this.seconds) return this.end();
    this.show();
    requestAnimationFrame(() => this.tick());
  }

  show() {
    this.position.value = String(Math.round(this.at * 1000));
    this.position.style.setProperty("--filled", `${(this.at / this.seconds) * 100}%`);
    this.position.setAttribute("aria-valuetext", clock(this.at));
    this.find("time").textContent = clock(this.at);
  }

  paint() {
    this.voices.forEach((voice, place) => {
      voice.classList.toggle("is-heard", place === this.heard);
      voice.querySelector("[data-voice-pick]").setAttribute("aria-pressed", String(place === this.heard));
    });
    const play = this.find("play");
    play.parentElement.classList.toggle("is-playing", this.playing);
    play.setAttribute("aria-label", this.playing ? play.dataset.saysPause : play.dataset.saysPlay);
    this.find("loop").setAttribute("aria-pressed", String(this.looping));
    this.find("match")?.setAttribute("aria-pressed", String(this.matched));
    this.show();
  }

  close() {
    this.pair?.close();
    this.pair = null;
  }
}

const typing = (target) => target.closest?.("input:not([type=range], [type=radio], [type=checkbox]), textarea, select, dialog");
const KEYS = {
  " ": () => view.toggle(),
  x: () => view.next(),
  l: () => view.loop(),
  ArrowLeft: (event) => view.seek(view.at - (event.shiftKey ? 1 : 5)),
  ArrowRight: (event) => view.seek(view.at + (event.shiftKey ? 1 : 5)),
  1: () => view.pick(0),
  2: () => view.pick(1),
  3: () => view.pick(2),
  4: () => view.pick(3),
};

// Before the keys of the player: here they mean the arms.
document.addEventListener("keydown", (event) => {
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!view || !act || event.ctrlKey || event.metaKey || event.altKey || kept.get("keys") === "off" || typing(event.target)) return;
  const own = event.target.closest?.("button, a, summary, input");
  if (own && (event.key === " " || event.key.startsWith("Arrow"))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  act(event);
}, true);

player.onChange(({ playing }) => { if (playing) view?.pause(); });

function start() {
  const root = document.querySelector("[data-voices]");
  if (view && view.root === root) return;
  view?.close();
  view = root ? new Voices(root) : null;
}

htmx.onLoad(start);
start();
