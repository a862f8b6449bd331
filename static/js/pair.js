// Several sounds decoded and started together, so that a switch between them only moves faders.
const FADE_SECONDS = 0.01;
let context = null;

async function decoded(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`preview: ${answer.status}`);
  return context.decodeAudioData(await answer.arrayBuffer());
}

export class Pair {
  constructor(urls, onEnded) {
    this.urls = urls;
    this.onEnded = onEnded;
    this.sources = [];
    this.leaving = new AbortController();
  }

  // Some 35 MB a minute of stereo: made once somebody plays one of two, and let go of with the song.
  async prepare() {
    context ??= new AudioContext();
    const signal = AbortSignal.any([this.leaving.signal, AbortSignal.timeout(60_000)]);
    const buffers = await Promise.all(this.urls.map((url) => decoded(url, signal)));
    if (!signal.aborted) this.buffers = buffers;
  }

  // A context that was made before somebody clicked sleeps until it is woken.
  async wake() {
    if (context.state === "suspended") await context.resume();
  }

  get ready() {
    if (context?.state === "suspended") context.resume();
    return Boolean(this.buffers) && context.state === "running";
  }

  get playing() {
    return this.sources.length > 0;
  }

  get time() {
    const at = this.from + Math.max(0, context.currentTime - this.begun);
    if (!this.loop || at < this.loop.to) return at;
    return this.loop.from + ((at - this.loop.from) % (this.loop.to - this.loop.from));
  }

  // `levels` holds a gain for each; `loop` is {from, to} in seconds or null.
  start(time, levels, loop) {
    this.stop();
    this.from = loop && time >= loop.to ? loop.from : time;
    this.loop = loop;
    this.begun = context.currentTime;
    this.sources = this.buffers.map((buffer, place) => this.source(buffer, levels[place], place));
  }

  source(buffer, level, place) {
    const gain = new GainNode(context, { gain: level });
    const source = new AudioBufferSourceNode(context, { buffer });
    if (this.loop) Object.assign(source, { loop: true, loopStart: this.loop.from, loopEnd: Math.min(this.loop.to, buffer.duration) });
    source.connect(gain).connect(context.destination);
    source.start(this.begun, Math.min(this.from, buffer.duration));
    source.onended = () => this.sources[place]?.source === source && this.onEnded(place);
    return { source, gain };
  }

  setLevels(levels) {
    this.sources.forEach(({ gain }, place) => {
      gain.gain.cancelScheduledValues(context.currentTime);
      gain.gain.setValueAtTime(gain.gain.value, context.currentTime);
      gain.gain.linearRampToValueAtTime(levels[place], context.currentTime + FADE_SECONDS);
    });
  }

  stop() {
    const stopped = this.sources;
    this.sources = [];
    for (const { source, gain } of stopped) {
      source.stop();
      gain.disconnect();
    }
  }

  close() {
    this.leaving.abort();
    this.stop();
    this.buffers = null;
  }
}
