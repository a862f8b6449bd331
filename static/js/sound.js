// What is heard: one audio element for each variation, and once somebody switches between two, both decoded in step.
// The elements then run on in silence: the media keys of a computer or a headset belong to them.

// A place to go to that is still before the end.
const LAST_SECONDS = 0.05;

export class Sound {
  // `on` is told "change" (played, paused, another one), "time", "ended", "waiting", "trouble".
  constructor(on) {
    this.on = on;
    this.index = 0;
    this.level = 1;
    this.muted = false;
    this.matched = true;
    this.loop = null;
    this.tracks = [];
    this.voices = [new Audio(), new Audio()];
    this.voices.forEach((voice) => this.listen(voice));
  }

  listen(voice) {
    const mine = (told) => () => voice === this.voice && this.tracks.length && told();
    voice.addEventListener("play", mine(() => this.on("change")));
    voice.addEventListener("playing", mine(() => this.on("playing")));
    voice.addEventListener("pause", mine(() => this.on("change")));
    voice.addEventListener("waiting", mine(() => !this.pair?.playing && this.on("waiting")));
    voice.addEventListener("seeked", mine(() => this.on("time")));
    voice.addEventListener("timeupdate", mine(() => this.wrap()));
    // With both decoded, theirs is the end that is heard.
    voice.addEventListener("ended", mine(() => !this.pair?.playing && this.end()));
    voice.addEventListener("error", mine(() => voice.src && this.on("trouble")));
  }

  get voice() {
    return this.voices[this.index];
  }

  get track() {
    return this.tracks[this.index];
  }

  get seconds() {
    return this.track.ms / 1000;
  }

  get playing() {
    return this.tracks.length > 0 && !this.voice.paused;
  }

  get time() {
    return this.pair?.playing ? Math.min(this.pair.time, this.seconds) : this.voice.currentTime;
  }

  get loopsWhole() {
    return this.loop?.from === 0 && this.loop.to >= this.seconds;
  }

  load(tracks, index) {
    this.close();
    this.tracks = tracks;
    this.index = index;
    this.loop = null;
    this.voices.forEach((voice, place) => {
      voice.pause();
      voice.loop = false;
      voice.preload = "metadata";
      if (tracks[place]) voice.src = tracks[place].preview;
      else voice.removeAttribute("src");
    });
    this.apply();
  }

  async play() {
    this.prepare();
    // The other one is fetched meanwhile: a switch should not have to wait.
    for (const voice of this.voices) if (voice.src) voice.preload = "auto";
    const { voice } = this;
    await voice.play();
    // The same place as before, from the same buffers: a pause in between is no reason to fall out of step.
    if (this.decoded && voice === this.voice && !voice.paused) this.take(voice.currentTime);
  }

  async prepare() {
    if (this.pair || this.tracks.length < 2 || navigator.connection?.saveData) return;
    const { tracks } = this;
    // Only whoever compares two needs it.
    const loaded = await import("./pair.js").catch(() => null);
    if (!loaded || this.pair || this.tracks !== tracks) return;
    const pair = new loaded.Pair(this.tracks.map((track) => track.preview), (place) => place === this.index && this.end());
    this.pair = pair;
    // Without: the elements go on as they are, and a switch is some hundredths of a second less exact.
    pair.prepare().catch(() => { if (this.pair === pair) this.close(); });
  }

  take(time) {
    this.pair.start(time, this.gains(), this.loop);
    this.apply();
  }

  pause() {
    const { time } = this;
    this.voice.pause();
    if (!this.pair?.playing) return;
    this.pair.stop();
    this.voice.currentTime = time;
  }

  seek(time) {
    this.voice.currentTime = Math.min(Math.max(0, time), this.seconds);
    if (this.pair?.playing) this.take(this.voice.currentTime);
  }

  // The other variation from the same place on.
  select(index) {
    const { time, playing, loopsWhole, voice: before } = this;
    this.index = index;
    const last = this.seconds - LAST_SECONDS;
    this.voice.currentTime = Math.min(time, last);
    if (loopsWhole) this.loop = { from: 0, to: this.seconds };
    if (playing && this.pair?.ready) {
      this.decoded = true;
      // Beyond the end of a shorter one, or with another length to go round, they have to start anew.
      if (!this.pair.playing || time > last || loopsWhole) this.take(Math.min(time, last));
    }
    this.apply();
    const begun = playing ? this.voice.play() : null;
    before.pause();
    return begun;
  }

  // What each is multiplied with: one is heard, and the louder of two is turned down.
  gains() {
    return this.tracks.map((_track, place) => (place === this.index && !this.muted ? this.gain(place) : 0));
  }

  gain(place) {
    return this.level * (this.matched ? 10 ** ((this.tracks[place]?.db || 0) / 20) : 1);
  }

  apply() {
    this.voices.forEach((voice, place) => {
      voice.volume = this.gain(place);
      voice.muted = this.muted || Boolean(this.pair?.playing);
    });
    this.pair?.setLevels(this.gains());
  }

  setLoop(loop) {
    this.loop = loop;
    this.voices.forEach((voice) => { voice.loop = this.loopsWhole; });
    if (loop && (this.time < loop.from || this.time >= loop.to)) this.seek(loop.from);
    else if (this.pair?.playing) this.take(this.time);
  }

  // Back to the beginning of the part that is looped.
  wrap() {
    if (!this.loop || this.voice.loop || this.pair?.playing || this.voice.currentTime < this.loop.to) return;
    this.voice.currentTime = this.loop.from;
  }

  end() {
    if (this.loop) {
      this.seek(this.loop.from);
      this.play();
      return;
    }
    this.pair?.stop();
    this.voice.pause();
    this.voice.currentTime = 0;
    this.apply();
    this.on("ended");
  }

  close() {
    this.pair?.close();
    this.pair = null;
    this.decoded = false;
  }
}
