// What plays next: the songs of the page in their order, and before them what somebody put there. Kept with the tab.
import { kept, tab } from "./store.js";

const LONGEST = 50;
let { songs = [], at = -1 } = tab.get("queue") ?? {};

const save = () => tab.set("queue", { songs, at });
const place = (id) => songs.findIndex((song) => song.id === id);

// A song begins: where it is in line already, the line goes on from there, else it is the one of this page.
export function begin(song, page) {
  if (place(song.id) < 0) {
    const wanted = songs.slice(at + 1).filter(({ added }) => added);
    const around = page.filter(({ id }) => !wanted.some((other) => other.id === id));
    const here = around.findIndex(({ id }) => id === song.id);
    songs = [...around.slice(0, here + 1), ...wanted, ...around.slice(here + 1)].slice(Math.max(0, here - 10), here + LONGEST);
  }
  at = place(song.id);
  save();
}

// After what plays and what was put there before it.
export function add(song) {
  remove(song.id);
  let after = at + 1;
  while (songs[after]?.added) after += 1;
  songs.splice(after, 0, { ...song, added: true });
  songs = songs.slice(0, at + LONGEST);
  save();
}

export function remove(id) {
  const found = place(id);
  if (found <= at) return;
  songs.splice(found, 1);
  save();
}

// A song is not what it was: another keeper, or a variation less.
export function renew(song) {
  const found = place(song.id);
  if (found < 0) return;
  if (song.tracks.length) songs[found] = { ...song, added: songs[found].added };
  else if (found > at) songs.splice(found, 1);
  save();
}

export function step(by) {
  const song = songs[at + by];
  if (song) at += by;
  save();
  return song;
}

export const upcoming = () => songs.slice(at + 1);
export const hasBefore = () => at > 0;
export const goesOn = () => kept.get("goes-on") !== false;
export const goOn = (does) => kept.set("goes-on", does);
