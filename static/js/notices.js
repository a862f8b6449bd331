// What a browser does when a song ends, where its person asked for it: a notification of the system, a short sound.
import { kept } from "./store.js";

const NOTES = [659.3, 880];
const NOTE_SECONDS = 0.18;
const LOUDNESS = 0.12;

const wants = (name) => kept.get(`notice-${name}`) === true;
const may = () => "Notification" in window && Notification.permission === "granted";

function chime() {
  const context = new AudioContext();
  NOTES.forEach((frequency, place) => {
    const at = context.currentTime + place * NOTE_SECONDS;
    const gain = new GainNode(context, { gain: 0 });
    const note = new OscillatorNode(context, { type: "sine", frequency });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(LOUDNESS, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 3 * NOTE_SECONDS);
    note.connect(gain).connect(context.destination);
    note.start(at);
    note.stop(at + 3 * NOTE_SECONDS);
    note.onended = () => place === NOTES.length - 1 && context.close();
  });
}

function show({ id, title, said, song }) {
  try {
    const icon = document.querySelector("link[rel=icon]").href;
    const notification = new Notification(title, { body: said, tag: id, icon });
    notification.addEventListener("click", () => {
      window.focus();
      notification.close();
      if (!document.getElementById(`generation-${id}`)) location.assign(song);
    });
  } catch {
    // Some phones let only an installed app notify.
  }
}

// Told by the one tab of the browser that holds the stream, so that several tabs are not several bells.
export function notify(ended) {
  if (wants("sound")) chime();
  if (wants("system") && may() && (document.hidden || !document.hasFocus())) show(ended);
}

async function choose(box) {
  const refused = box.closest("section").querySelector("[data-notice-refused]");
  if (box.dataset.notice === "system" && box.checked) {
    box.checked = "Notification" in window && (await Notification.requestPermission()) === "granted";
    refused.hidden = box.checked;
  }
  if (box.dataset.notice === "sound" && box.checked) chime();
  kept.set(`notice-${box.dataset.notice}`, box.checked);
}

htmx.onLoad((content) => {
  for (const box of content.querySelectorAll?.("[data-notice]") ?? []) {
    box.checked = wants(box.dataset.notice) && (box.dataset.notice !== "system" || may());
    box.addEventListener("change", () => choose(box));
  }
});
