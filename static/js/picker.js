// The tag picker: chips, and a combobox that completes. Without a script the field takes tags by commas.
import { announce } from "./store.js";

const LIMIT = 8;
const clean = (text) => text.trim().replace(/\s+/g, " ");
const same = (one, other) => one.toLowerCase() === other.toLowerCase();

export async function fetchTags(url, query) {
  try {
    const answer = await fetch(`${url}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
    if (answer.ok) return await answer.json();
  } catch {
    // Without suggestions the field is a plain field.
  }
  return { tags: [], more: false };
}

export class Picker {
  constructor(box) {
    this.box = box;
    this.url = box.dataset.picker;
    this.input = box.querySelector("input");
    this.list = box.querySelector("[role=listbox]");
    this.chips = box.querySelector(".chips");
    this.asked = 0;
    this.tags = [];
    this.placeholder = this.input.placeholder;
    // Nobody has to type a comma any more.
    for (const note of box.closest(".field").querySelectorAll(".plain-only")) note.hidden = true;
    this.combobox();
    // What leaves the page are all tags by commas, as without a script.
    this.sent = document.createElement("input");
    this.sent.type = "hidden";
    this.sent.name = this.input.name;
    this.input.removeAttribute("name");
    this.input.after(this.sent);
    this.take(...this.input.value.split(","));
    this.input.value = "";
    this.draw();
  }

  combobox() {
    this.input.setAttribute("role", "combobox");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.list.id);
    this.close();
    this.input.addEventListener("input", (event) => this.typed(event));
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("paste", (event) => this.paste(event));
    this.input.addEventListener("blur", () => {
      this.close();
      this.add(this.input.value);
    });
    // Before the field loses the focus, which would close the list.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.add(option.dataset.name);
    });
    this.chips.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-tag]");
      if (!chip) return;
      const at = this.tags.indexOf(chip.dataset.tag);
      this.remove(chip.dataset.tag);
      // To the chip that has moved up: on a phone the field itself would bring the keyboard.
      ([...this.chips.querySelectorAll("button")][Math.min(at, this.tags.length - 1)] ?? this.input).focus();
    });
    this.box.addEventListener("click", (event) => event.target.matches(".picker-box, .chips") && this.input.focus());
  }

  has(name) {
    return this.tags.some((tag) => same(tag, name));
  }

  take(...names) {
    const fresh = names.map(clean).filter((name, at, all) => name && !this.has(name) && all.findIndex((other) => same(other, name)) === at);
    this.tags.push(...fresh);
    return fresh;
  }

  add(...names) {
    this.input.value = "";
    this.close();
    const fresh = this.take(...names.flatMap((name) => name.split(",")));
    if (fresh.length) this.changed(this.box.dataset.added.replace("#", fresh.join(", ")));
    else this.write();
  }

  remove(name) {
    if (!this.has(name)) return;
    this.tags = this.tags.filter((tag) => !same(tag, name));
    this.changed(this.box.dataset.removed.replace("#", name));
  }

  replace(gone, names) {
    this.tags = this.tags.filter((tag) => !gone.some((name) => same(name, tag)));
    const fresh = this.take(...names);
    this.changed(this.box.dataset.added.replace("#", fresh.join(", ")));
    return fresh;
  }

  changed(said) {
    announce(said);
    this.draw();
    this.sent.dispatchEvent(new Event("input", { bubbles: true }));
    this.box.dispatchEvent(new CustomEvent("tags"));
  }

  write() {
    this.sent.value = [...this.tags, clean(this.input.value)].filter(Boolean).join(", ");
  }

  draw() {
    this.write();
    this.chips.hidden = !this.tags.length;
    this.input.placeholder = this.tags.length ? "" : this.placeholder;
    this.chips.replaceChildren(...this.tags.map((name) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "chip-tag";
      button.dataset.tag = name;
      button.append(name);
      item.append(button);
      return item;
    }));
    this.mark();
  }

  // The server knows the list; it says beside the field which tags are not on it.
  mark() {
    const unknown = [...document.querySelectorAll("#tags-note [data-unknown]")].map((part) => part.textContent);
    for (const chip of this.chips.querySelectorAll("[data-tag]")) {
      const isUnknown = unknown.some((name) => same(name, chip.dataset.tag));
      chip.classList.toggle("is-unknown", isUnknown);
      const text = isUnknown ? this.box.dataset.removeUnknown : this.box.dataset.remove;
      chip.setAttribute("aria-label", text.replace("#", chip.dataset.tag));
    }
  }

  // --- The list of completions ---

  typed(event) {
    const parts = this.input.value.split(",");
    const rest = parts.pop();
    if (parts.length && !event.isComposing) {
      this.add(...parts);
      this.input.value = rest.trimStart();
    }
    this.write();
    clearTimeout(this.timer);
    if (clean(this.input.value)) this.timer = setTimeout(() => this.ask(), 120);
    else this.close();
  }

  paste(event) {
    const text = event.clipboardData.getData("text");
    if (!/[,\n]/.test(text)) return;
    event.preventDefault();
    this.add(...(this.input.value + text).split(/[,\n]/));
  }

  async ask() {
    const text = clean(this.input.value);
    const asked = ++this.asked;
    const query = text ? { q: text } : this.tags.length ? { related: this.tags.join(",") } : { q: "" };
    const found = await fetchTags(this.url, { ...query, limit: LIMIT });
    // A later key has asked again: this answer is old.
    if (asked === this.asked && document.activeElement === this.input) this.open(found.tags, text);
  }

  open(found, text) {
    const tags = found.filter((tag) => !this.has(tag.name));
    const options = tags.map((tag) => this.option(tag.name, tag.name, tag.group));
    if (text && !this.has(text) && !found.some((tag) => same(tag.name, text))) {
      options.push(this.option(text, this.box.dataset.own.replace("#", text), ""));
    }
    if (!options.length) return this.close();
    options.forEach((option, place) => { option.id = `${this.list.id}-${place}`; });
    this.list.replaceChildren(...options);
    this.list.hidden = false;
    this.text = text;
    this.input.setAttribute("aria-expanded", "true");
    // Enter takes what is marked, and a screen reader says which that is.
    this.choose(text ? 0 : -1);
  }

  option(name, text, group) {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.dataset.name = name;
    const small = document.createElement("small");
    // The groups have their names for people on the tabs.
    small.textContent = this.box.closest(".field").querySelector(`[data-group="${group}"]`)?.textContent ?? group;
    item.append(text, small);
    return item;
  }

  close() {
    this.asked += 1;
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.list.replaceChildren();
    this.chosen = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  choose(place) {
    this.chosen = place;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === place)));
    const option = this.list.children[place];
    if (option) {
      this.input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const open = !this.list.hidden;
    const length = this.list.children.length;
    if (event.key === "ArrowDown") {
      if (open) this.choose((this.chosen + 1) % length);
      else this.ask();
    } else if (event.key === "ArrowUp" && open) {
      this.choose(this.chosen <= 0 ? length - 1 : this.chosen - 1);
    } else if (event.key === "Enter") {
      // Never on to the form: a tag is no wish to pay for a song.
      const isForThis = open && this.chosen >= 0 && this.text === clean(this.input.value);
      this.add(isForThis ? this.list.children[this.chosen].dataset.name : this.input.value);
    } else if (event.key === "Escape" && open) {
      this.close();
    } else if (event.key === "Backspace" && this.input.value === "" && this.tags.length && !event.repeat) {
      this.remove(this.tags.at(-1));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
