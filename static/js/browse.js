// Around the tag picker: what goes with the chosen tags, the groups to look through, and the dice.
import { Picker, fetchTags } from "./picker.js";

const PAGE = 24;
const RELATED = 10;

function tagButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tag-button";
  button.dataset.name = name;
  button.textContent = name;
  return button;
}

class Browse {
  constructor(field) {
    this.picker = new Picker(field.querySelector("[data-picker]"));
    this.related = field.querySelector("[data-related]");
    this.details = field.querySelector("[data-browse]");
    this.panel = field.querySelector("[role=tabpanel]");
    this.shelf = this.panel.querySelector("[data-shelf]");
    this.more = this.panel.querySelector("[data-more]");
    this.tabs = [...field.querySelectorAll("[role=tab]")];
    this.thrown = [];
    this.asked = 0;
    this.picker.box.addEventListener("tags", () => this.follow());
    this.details.addEventListener("toggle", () => {
      if (this.details.open && !this.shelf.children.length) this.select(this.tabs[0]);
    });
    field.addEventListener("click", (event) => this.click(event));
    field.querySelector("[role=tablist]").addEventListener("keydown", (event) => this.key(event));
    field.querySelector("[data-dice]").addEventListener("click", () => this.throw());
    this.follow();
  }

  click(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.group) this.select(button);
    else if (button === this.more) this.load();
    else if (button.dataset.name && button.ariaPressed === "true") this.picker.remove(button.dataset.name);
    else if (button.dataset.name) this.picker.add(button.dataset.name);
  }

  follow() {
    for (const button of this.shelf.children) button.ariaPressed = String(this.picker.has(button.dataset.name));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.relate(), 250);
  }

  async relate() {
    const asked = ++this.asked;
    const related = this.picker.tags.length ? this.picker.tags.join(",") : "";
    const found = related ? (await fetchTags(this.picker.url, { related, limit: RELATED })).tags : [];
    if (asked !== this.asked) return;
    const row = this.related.querySelector("[data-row]");
    const hadFocus = row.contains(document.activeElement);
    row.replaceChildren(...found.map((tag) => tagButton(tag.name)));
    this.related.hidden = !found.length;
    if (hadFocus) (row.firstElementChild ?? this.picker.input).focus();
  }

  select(tab) {
    for (const other of this.tabs) {
      other.ariaSelected = String(other === tab);
      other.tabIndex = other === tab ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", tab.id);
    this.group = tab.dataset.group;
    this.shelf.replaceChildren();
    return this.load();
  }

  async load() {
    const group = this.group;
    const offset = this.shelf.children.length;
    const found = await fetchTags(this.picker.url, { group, limit: PAGE, offset });
    if (group !== this.group || offset !== this.shelf.children.length) return;
    const buttons = found.tags.map((tag) => tagButton(tag.name));
    for (const button of buttons) button.ariaPressed = String(this.picker.has(button.dataset.name));
    this.shelf.append(...buttons);
    const hadFocus = document.activeElement === this.more;
    this.more.hidden = !found.more;
    if (hadFocus) buttons[0]?.focus();
  }

  key(event) {
    const at = this.tabs.indexOf(event.target.closest("[role=tab]"));
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const tab = this.tabs[(to + this.tabs.length) % this.tabs.length];
    tab.focus();
    this.select(tab);
  }

  // A second throw takes back what the first one brought, and nothing that was chosen by hand.
  async throw() {
    const kept = this.picker.tags.filter((tag) => !this.thrown.includes(tag));
    const { tags } = await fetchTags(`${this.picker.url}/dice`, { keep: kept.join(",") });
    if (tags.length) this.thrown = this.picker.replace(this.thrown, tags.map((tag) => tag.name));
  }
}

const shown = new WeakMap();

htmx.onLoad((content) => {
  for (const field of content.querySelectorAll?.(".field--tags") ?? []) {
    if (!shown.has(field)) shown.set(field, new Browse(field));
  }
});

document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.target.id !== "tags-note") return;
  setTimeout(() => shown.get(document.querySelector(".field--tags"))?.picker.mark());
});
