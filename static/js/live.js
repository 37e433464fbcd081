// Live regions. An element with data-live="topic topic" re-reads itself (its own hx-get, hx-trigger="live")
// when one of its topics rings. The socket carries topics only; what may be seen is decided by each read.
//
//   data-live="holds agent.42"   topics          data-live-every="2"   at most one read in so many seconds
//
// A region in which someone types, or has a menu or dialog open, waits until they are done, and is marked
// data-behind meanwhile. A hidden tab keeps only its count true and catches up when it is looked at.

import { leave } from "./drafts.js";

const FIRST_RETRY = 400, LAST_RETRY = 15_000, QUIET = 25_000, ANSWER = 6_000;
const SIGNED_OUT = 4401;

let socket = null;
let attempts = 0;
let lostAt = null;
let retry = 0;
let heard = 0;

const regions = () => [...document.querySelectorAll("[data-live]")];
const topicsOf = (region) => region.dataset.live.split(/\s+/).filter(Boolean);

// -- reading again --------------------------------------------------------------------------------

const behind = new Set();     // regions that owe a read, by id
const lastRead = new Map();   // when a slow region was last read, by id

function look(region) {
  if (document.hidden && !region.hasAttribute("data-live-hidden")) return void behind.add(region.id);
  if (isBusy(region)) {
    region.dataset.behind = "";
    return void behind.add(region.id);
  }

  const every = Number(region.dataset.liveEvery || 0) * 1000;
  const wait = (lastRead.get(region.id) ?? -Infinity) + every - performance.now();
  if (wait > 0) {
    if (!behind.has(region.id)) setTimeout(catchUp, wait + 5);
    return void behind.add(region.id);
  }
  behind.delete(region.id);
  delete region.dataset.behind;
  lastRead.set(region.id, performance.now());
  region.dispatchEvent(new CustomEvent("live"));
}

function isBusy(region) {
  const focused = document.activeElement;
  if (region.contains(focused) && focused.matches("textarea, select, input:not([type=checkbox], [type=radio])")) return true;
  if (region.querySelector("dialog[open], details.menu[open], [data-paused]")) return true;
  return [...region.querySelectorAll("textarea, input:not([type=hidden], [type=checkbox], [type=radio])")]
    .some((field) => field.value !== field.defaultValue);
}

const catchUp = () => regions().filter((region) => behind.has(region.id)).forEach(look);
const lookEverywhere = () => regions().forEach(look);

document.addEventListener("visibilitychange", () => { if (!document.hidden) { catchUp(); connectNow(); } });
document.addEventListener("focusout", () => setTimeout(catchUp, 50));
document.addEventListener("toggle", () => setTimeout(catchUp, 50), true);
document.addEventListener("close", () => setTimeout(catchUp, 50), true);
document.addEventListener("live:catch-up", catchUp);

// A region never shows an error page or a sign-in form, and nothing lands in a field that someone just began.
document.addEventListener("htmx:before:swap", (event) => {
  const ctx = event.detail.ctx;
  const region = ctx?.sourceElement;
  if (!region?.matches?.("[data-live]") || ctx.sourceEvent?.type !== "live") return;
  const answer = ctx.response?.raw;
  if (answer?.redirected && new URL(answer.url).pathname.startsWith("/sign-in")) {
    event.preventDefault();
    leave();
  } else if (ctx.response?.status >= 400) {
    event.preventDefault();
  } else if (isBusy(region)) {
    event.preventDefault();
    behind.add(region.id);
  }
});
document.addEventListener("htmx:error", (event) => {
  const region = event.detail.ctx?.sourceElement;
  if (region?.matches?.("[data-live]")) behind.add(region.id);
});

// Regions that came with a swap may watch something new.
document.addEventListener("htmx:after:swap", () => { watch(); keepTitle(); });

// -- the count in the title -----------------------------------------------------------------------

function keepTitle() {
  const count = document.getElementById("inbox-count")?.dataset.count;
  if (count === undefined) return;
  const title = document.title.replace(/^\([\d,+]+\) /, "");
  const full = count === "0" ? title : `(${count}) ${title}`;
  if (document.title !== full) document.title = full;
}

// -- the socket -----------------------------------------------------------------------------------

let watched = "";

function watch() {
  const topics = [...new Set(regions().flatMap(topicsOf))].sort();
  const text = JSON.stringify({ watch: topics });
  if (socket?.readyState === WebSocket.OPEN && text !== watched) {
    socket.send(text);
    watched = text;
  }
}

function connect() {
  clearTimeout(retry);
  watched = "";
  const mine = socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  mine.onopen = () => { heard = Date.now(); watch(); };
  mine.onmessage = ({ data }) => {
    if (mine !== socket) return;
    heard = Date.now();
    const message = JSON.parse(data);
    if (message.watching) { settle(); lookEverywhere(); }  // what happened while nobody listened
    if (message.look) regions().filter((r) => topicsOf(r).some((t) => message.look.includes(t))).forEach(look);
  };
  mine.onclose = ({ code }) => {
    if (mine !== socket) return;
    if (code === SIGNED_OUT) return leave();
    lose();
  };
}

function settle() {
  attempts = 0;
  lostAt = null;
  show("live", "", "Live");
}

function lose() {
  lostAt ??= new Date();
  const at = lostAt.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: document.documentElement.dataset.zone });
  show("lost", "Reconnecting · ", `stale since ${at}`);
  const wait = Math.min(LAST_RETRY, FIRST_RETRY * 2 ** attempts++);
  retry = setTimeout(connect, wait * (0.5 + Math.random()));
}

function connectNow() {
  if (lostAt && socket.readyState === WebSocket.CLOSED) connect();
}

function show(state, before, text) {
  const line = document.getElementById("connection");
  if (!line) return;
  line.dataset.state = state;
  line.querySelector("[data-before]").textContent = before;
  line.querySelector("[data-text]").textContent = text;
}

addEventListener("online", connectNow);
addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

setInterval(() => {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const silence = Date.now() - heard;
  if (silence > QUIET + ANSWER) { const dead = socket; socket = null; dead.close(); lose(); }
  else if (silence > QUIET) socket.send("{}");
}, 5_000);

if (document.getElementById("connection")) connect();
