// The list of what plays next, above the player.
import * as player from "./player.js";
import * as queue from "./queue.js";
import { announce } from "./store.js";

const panel = document.getElementById("queue");
const button = document.querySelector("[data-player-queue]");

function act(text, said, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", said);
  made.addEventListener("click", action);
  return made;
}

function item(song) {
  const row = document.createElement("li");
  const play = act(song.title, panel.dataset.saysPlay.replace("#", song.title), () => player.jump(song));
  const out = act("×", panel.dataset.saysRemove.replace("#", song.title), () => {
    queue.remove(song.id);
    draw();
    button.focus();
  });
  play.className = "queue-song";
  out.className = "quiet";
  row.append(play, out);
  return row;
}

let drawn = "";
function draw() {
  const songs = queue.upcoming();
  panel.querySelector("[data-queue-empty]").hidden = songs.length > 0;
  const wanted = songs.map(({ id, title }) => `${id} ${title}`).join("\n");
  if (wanted === drawn) return;
  drawn = wanted;
  panel.querySelector("[data-queue-list]").replaceChildren(...songs.map(item));
  document.querySelector("[data-player-next]").disabled = !songs.length;
}

function open(is) {
  panel.hidden = !is;
  button.setAttribute("aria-expanded", String(is));
  if (is) draw();
}

export function enqueue(song) {
  queue.add(song);
  draw();
  announce(panel.dataset.saysNext.replace("#", song.title));
}

if (panel) {
  const goesOn = panel.querySelector("[data-queue-goes-on]");
  goesOn.checked = queue.goesOn();
  goesOn.addEventListener("change", () => queue.goOn(goesOn.checked));
  button.addEventListener("click", () => open(panel.hidden));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    open(false);
    button.focus();
  });
  player.onChange(draw);
  draw();
}
