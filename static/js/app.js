// Starts the parts of the page. Each of them works by itself, and the page works without any.
import "./theme.js";
import "./pages.js";
import "./composer.js";
import "./browse.js";
import "./cards.js";
import "./lanes.js";
import "./part.js";
import "./upcoming.js";
import "./notices.js";
import "./live.js";
import "./drawer.js";
import "./keys.js";

// What few pages need comes with the first of them, and looks for itself there.
const RARE = [
  ["#chosen, .rename", () => import("./library.js")],
  ["[data-region]", () => import("./region.js")],
  ["[data-extension]", () => import("./extend.js")],
  ["[data-compare]", () => import("./compare.js")],
  ["[data-voices]", () => import("./voices.js")],
];
htmx.onLoad(() => {
  for (const [selector, load] of RARE) if (document.querySelector(selector)) load();
});
