// The record grows at its top while one watches, and holds still while one reads: after the pointer moved over it,
// while something in it has the focus or stands open, and once one has scrolled down. #tail is the live region.

const STILL = 3_000;   // milliseconds after the pointer last moved

const list = document.getElementById("entries");
const connection = document.getElementById("connection");
let moved = -Infinity;

const tail = () => document.getElementById("tail");
const held = () => tail()?.querySelector("[data-holds]");
const button = () => document.querySelector('[data-pauses="tail"]');
const isPaused = () => button()?.getAttribute("aria-pressed") === "true";

function isReading() {
  return performance.now() - moved < STILL
    || (list.contains(document.activeElement) && document.activeElement !== button())
    || list.querySelector("details[open]") !== null
    || scrollY > list.offsetTop;
}

function settle() {
  if (!list || !held()) return;
  const still = isPaused() || isReading();
  const was = held().hasAttribute("data-paused");
  held().toggleAttribute("data-paused", still);
  list.dataset.tail = connection?.dataset.state === "lost" ? "lost" : isPaused() ? "paused" : still ? "reading" : "live";
  if (was && !still) document.dispatchEvent(new CustomEvent("live:catch-up"));
}

list?.addEventListener("pointermove", () => { moved = performance.now(); settle(); });
for (const name of ["focusin", "focusout", "toggle", "click"]) {
  list?.addEventListener(name, () => setTimeout(settle), true);
}
addEventListener("scroll", settle, { passive: true });
document.addEventListener("htmx:after:swap", settle);
if (connection) new MutationObserver(settle).observe(connection, { attributeFilter: ["data-state"] });
setInterval(settle, 1_000);
settle();
