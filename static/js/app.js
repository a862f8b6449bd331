// Starts the parts of the page. Each of them works by itself, and the page works without any.
import "./theme.js";
import "./pages.js";
import "./composer.js";
import "./browse.js";
import "./cards.js";
import "./lanes.js";
import "./part.js";
import "./region.js";
import "./compare.js";
import "./extend.js";
import "./voices.js";
import "./upcoming.js";
import "./notices.js";
import "./live.js";
import "./drawer.js";
import "./keys.js";

// What few pages need comes with the first of them.
htmx.onLoad(() => document.querySelector("#chosen, .rename") && import("./library.js"));
