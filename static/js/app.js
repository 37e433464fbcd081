// What every page runs. One behaviour a file; nothing here holds state that the server does not have.
import "./drafts.js";
import "./live.js";
import "./refused.js";
import "./times.js";
import "./copy.js";
import "./menus.js";
import "./keys.js";
import "./toasts.js";
import "./selection.js";
import "./ticker.js";
import "./tabs.js";
