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

const remove = (area, name) => {
  try {
    area().removeItem(`neoapex-${person}-${name}`);
  } catch {
    // Forbidden: then there is nothing there.
  }
};

const kind = (area) => ({
  get: (name) => read(area, name),
  set: (name, value) => write(area, name, value),
  remove: (name) => remove(area, name),
});

export const kept = kind(() => localStorage);
export const tab = kind(() => sessionStorage);

// On a shared machine nobody finds what somebody else was writing. Where it is kept for good there is no draft at all.
function forgetDraftsOfOthers() {
  for (const [area, own] of [[localStorage, ""], [sessionStorage, `neoapex-${person}-draft`]]) {
    for (const name of Object.keys(area)) if (/^neoapex-.*-draft$/.test(name) && name !== own) area.removeItem(name);
  }
}

try {
  forgetDraftsOfOthers();
} catch {
  // No storage, no drafts.
}

export const announce = (text) => {
  const announcer = document.getElementById("announcer");
  if (announcer && text) announcer.textContent = text;
};
