// Somebody else decides while one still writes: the forms leave, and what was typed would leave with them. It is shown
// below the decision instead, until the page is left. Whoever decided it themselves is not told.

import { homeless } from "./drafts.js";
import { nameOf, typedIn } from "./fields.js";

const ENDS_NOTHING = /\/(extend|escalate|claim|release)\/$/;

const isOver = () => document.querySelector("[data-standing=over]") !== null;
const isAnswer = (ctx) => ctx.target?.id === "problem" && ctx.request.method === "POST" && !ENDS_NOTHING.test(ctx.request.action);
const isTaken = (ctx) => ctx.status === "swapped" && ctx.response.status < 400;
const isFollowing = (ctx) => ctx.target?.id === "standing" && ctx.sourceEvent?.type !== "live";

let isOpen = !isOver();
let isSending = false;   // an answer of one's own, until it is known whether it decided

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => { if (isAnswer(ctx)) isSending = true; });
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (isFollowing(ctx)) {
    if (isSending && isOver()) isOpen = false;
    isSending = false;
  } else if (isAnswer(ctx) && !isTaken(ctx)) {
    isSending = false;
  }
  tell();
});
document.addEventListener("htmx:after:swap", tell);

function tell() {
  if (!isOpen || isSending || !isOver()) return;
  isOpen = false;
  const answers = document.getElementById("answers");
  if (answers) show(typedIn(answers).map((field) => ({ label: nameOf(field), value: field.value })));
}

function show(texts) {
  if (!texts.length) return;
  const place = document.createElement("div");
  place.className = "answer-body";
  place.setAttribute("role", "status");
  document.getElementById("problem").after(place);
  setTimeout(() => place.append(sentence(), ...texts.map(quote)), 100);  // what is there already is not read out
}

function sentence() {
  const line = document.createElement("p");
  line.className = "notice waits";
  const [said] = document.querySelector("#standing .course-text span").textContent.split(", so ");
  line.textContent = `${said} while you were writing. Your text was not sent:`;
  return line;
}

function quote({ label, value }) {
  const frame = document.createElement("figure");
  frame.className = "agent-words";
  const name = document.createElement("figcaption");
  name.textContent = label;
  const text = document.createElement("div");
  text.textContent = value;
  frame.append(name, text);
  return frame;
}

if (isOver()) show(homeless);
