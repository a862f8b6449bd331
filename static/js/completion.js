// Completion for a field of tags by commas: it completes the word at the caret and never stands in the way.
const LIMIT = 8;

class Completion {
  constructor(box) {
    this.url = box.dataset.completion;
    this.input = box.querySelector("input");
    this.list = box.querySelector("[role=listbox]");
    this.asked = 0;
    this.input.setAttribute("role", "combobox");
    this.input.setAttribute("aria-autocomplete", "list");
    this.input.setAttribute("aria-controls", this.list.id);
    this.close();
    this.input.addEventListener("input", () => this.later());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    // Before the field loses the focus, which would close the list.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(option);
    });
  }

  word() {
    const caret = this.input.selectionStart ?? this.input.value.length;
    const start = this.input.value.lastIndexOf(",", caret - 1) + 1;
    const comma = this.input.value.indexOf(",", caret);
    const end = comma < 0 ? this.input.value.length : comma;
    return { start, end, text: this.input.value.slice(start, caret).trim() };
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), 120);
  }

  async ask() {
    const { text } = this.word();
    const asked = ++this.asked;
    if (!text) return this.close();
    const query = new URLSearchParams({ q: text, limit: LIMIT });
    let found = [];
    try {
      const answer = await fetch(`${this.url}?${query}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
      if (answer.ok) found = (await answer.json()).tags;
    } catch {
      // Without suggestions the field is a plain field.
    }
    // A later key has asked again: this answer is old.
    if (asked === this.asked && document.activeElement === this.input) this.open(found, text);
  }

  open(found, typed) {
    const taken = new Set(this.input.value.split(",").map((tag) => tag.trim().toLowerCase()));
    taken.delete(typed.toLowerCase());
    const options = found.filter((tag) => !taken.has(tag.name.toLowerCase()) && tag.name.toLowerCase() !== typed.toLowerCase());
    if (!options.length) return this.close();
    this.list.replaceChildren(...options.map((tag, place) => this.option(tag, place)));
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.choose(-1);
  }

  option(tag, place) {
    const item = document.createElement("li");
    item.id = `${this.list.id}-${place}`;
    item.setAttribute("role", "option");
    item.dataset.name = tag.name;
    const group = document.createElement("small");
    group.textContent = tag.group;
    item.append(tag.name, group);
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
    const open = !this.list.hidden;
    const length = this.list.children.length;
    if (event.key === "ArrowDown" && !open) {
      this.ask();
    } else if (!open || event.ctrlKey || event.metaKey) {
      return;
    } else if (event.key === "ArrowDown") {
      this.choose((this.chosen + 1) % length);
    } else if (event.key === "ArrowUp") {
      this.choose(this.chosen <= 0 ? length - 1 : this.chosen - 1);
    } else if (event.key === "Enter") {
      this.take(this.list.children[Math.max(0, this.chosen)]);
    } else if (event.key === "Tab" && this.chosen >= 0) {
      this.take(this.list.children[this.chosen]);
    } else if (event.key === "Escape") {
      this.close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  take(option) {
    const { start, end } = this.word();
    const before = this.input.value.slice(0, start).trimEnd();
    const after = this.input.value.slice(end).replace(/^,\s*/, "");
    const head = `${before}${before ? " " : ""}${option.dataset.name}, `;
    this.input.value = head + after;
    this.input.setSelectionRange(head.length, head.length);
    this.close();
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
    this.close();
  }
}

htmx.onLoad((content) => {
  for (const box of content.querySelectorAll?.("[data-completion]") ?? []) new Completion(box);
});
