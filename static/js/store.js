// What this browser remembers for the person who is logged in. Where it may not remember, it forgets.
const person = document.body.dataset.person ?? "nobody";

const read = (area, name) => {
  try {
    return JSON.parse(area().getItem(`neoapex-${person}-${name}`));
  } catch {
    return null;
  }
};

const write = (area, name, value) => {
  try {
    area().setItem(`neoapex-${person}-${name}`, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page goes on without.
  }
};

export const kept = { get: (name) => read(() => localStorage, name), set: (name, value) => write(() => localStorage, name, value) };
export const tab = { get: (name) => read(() => sessionStorage, name), set: (name, value) => write(() => sessionStorage, name, value) };

export const announce = (text) => {
  const announcer = document.getElementById("announcer");
  if (announcer && text) announcer.textContent = text;
};
