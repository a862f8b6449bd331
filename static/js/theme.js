// Dark, light or as the system: kept in a cookie, so that the server draws the page right from the start.
const ORDER = ["auto", "dark", "light"];
const root = document.documentElement;

const current = () => root.dataset.theme ?? "auto";

function apply(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  const age = theme === "auto" ? 0 : 31_536_000;
  document.cookie = `neoapex_theme=${theme}; path=/; max-age=${age}; samesite=lax`;
  document.dispatchEvent(new Event("neoapex:theme"));
}

function label(button) {
  button.setAttribute("aria-label", button.dataset[current()]);
  button.title = button.dataset[current()];
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  label(button);
  button.addEventListener("click", () => {
    apply(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
    label(button);
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("neoapex:theme")));
