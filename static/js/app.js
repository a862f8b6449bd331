// Starts the parts of the page. Each of them works by itself, and the page works without any.
import "./theme.js";
import "./pages.js";
import "./composer.js";
import "./browse.js";
import "./cards.js";
import "./lanes.js";
import "./part.js";
import "./compare.js";
import "./upcoming.js";
import "./notices.js";
import "./live.js";
import "./keys.js";
