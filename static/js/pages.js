// Moving between pages: which place is marked, which half a phone shows, and where the focus goes.
const TROUBLE_MS = 8000;
const isSongs = () => location.hash === "#songs" || location.hash.startsWith("#generation-");

export function show(view) {
  const studio = document.querySelector(".studio");
  if (studio) studio.dataset.view = view;
  mark();
}

function mark() {
  const view = document.querySelector(".studio")?.dataset.view;
  for (const link of document.querySelectorAll("[data-place]")) set(link, link.pathname === location.pathname);
  for (const link of document.querySelectorAll("[data-tab]")) {
    set(link, view ? link.dataset.tab === view : link.pathname === location.pathname && link.pathname !== "/");
  }
}

function set(link, here) {
  if (here) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

function arrive() {
  show(isSongs() ? "songs" : "create");
  // The target is in sight only now that the right half is shown. The halves themselves begin at the top.
  if (location.hash === "#songs" || location.hash === "#create") scrollTo(0, 0);
  else if (location.hash.length > 1) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

addEventListener("hashchange", arrive);
addEventListener("popstate", mark);
document.addEventListener("htmx:historyRestore", arrive);
document.addEventListener("htmx:pushedIntoHistory", () => setTimeout(arrive));
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.boosted) document.getElementById("main")?.focus({ preventScroll: true });
});

// A tab of the page that we are on changes the half; loading it again would be waste.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-tab]");
  if (!link || !document.querySelector(".studio") || link.pathname !== location.pathname) return;
  event.preventDefault();
  event.stopPropagation();
  history.replaceState(history.state, "", link.hash);
  show(link.dataset.tab);
  scrollTo(0, 0);
}, true);

// A page that can't be swapped in (an error, a lost connection) is loaded in the plain way, which shows what is wrong.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => {
    if (event.detail.boosted) location.assign(event.detail.pathInfo.finalRequestPath);
  });
}

// Anything else that failed says so: a click must not seem to have done nothing. The composer has words of its own.
const trouble = document.getElementById("trouble");
let troubleTimer = 0;

for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, (event) => {
    if (event.detail.boosted || event.target.closest?.("#composer")) return;
    clearTimeout(troubleTimer);
    trouble.hidden = false;
    trouble.textContent = trouble.dataset.says;
    troubleTimer = setTimeout(() => { trouble.hidden = true; }, TROUBLE_MS);
  });
}

// Only answers that are made to be swapped say how: anything else that failed stays off the page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 400 && !xhr.getResponseHeader("HX-Reswap")) {
    event.detail.shouldSwap = false;
    event.detail.isError = true;
  }
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector(".menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

arrive();
