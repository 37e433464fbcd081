// Shows what an edit changes while it is typed: a form marked data-changes lists its altered fields, before → after.
// Inputs know what they held; nothing here decides anything, the server compares again.

import { before, isSame } from "./fields.js";
import "./unsent.js";

const shorten = (text) => (text.length > 200 ? `${text.slice(0, 199)}…` : text);

function words(field, value) {
  if (!(field instanceof HTMLSelectElement)) return value;
  return [...field.options].find((option) => option.value === value)?.textContent ?? value;
}

function row(name, was, is) {
  const line = document.createElement("div");
  line.className = "argument";
  const key = document.createElement("dt");
  key.textContent = name;
  const value = document.createElement("dd");
  value.className = "argument-change";
  const old = document.createElement("del");
  old.className = "was";
  old.textContent = shorten(was) || "empty";
  const fresh = document.createElement("ins");
  fresh.className = "is";
  fresh.textContent = shorten(is) || "empty";
  value.append(old, fresh);
  line.append(key, value);
  return line;
}

function show(form) {
  const list = form.querySelector("[data-changes-list]");
  if (!list) return;
  const rows = [];
  for (const holder of form.querySelectorAll("[data-field]")) {
    const field = holder.querySelector("input, select, textarea");
    if (!field) continue;
    const changed = !isSame(field);
    holder.toggleAttribute("data-changed", changed);
    if (changed) rows.push(row(holder.dataset.field, words(field, before(field)), words(field, field.value)));
  }
  const added = form.querySelector("[name=new_key]")?.value.trim();
  if (added) rows.push(row(added, "", form.querySelector("[name=new_value]").value));
  list.querySelector("dl").replaceChildren(...rows);
  list.hidden = !rows.length;
}

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-changes]");
  if (form) show(form);
});

// An answer opened by key or click takes the cursor along, unless it is in one of its fields already: browsers
// tell of an opening a moment later, and what is typed by then must not end in another field.
document.addEventListener("toggle", (event) => {
  const answer = event.target;
  if (!answer.matches?.("details.answer[open]")) return;
  const fields = [...answer.querySelectorAll("textarea, input:not([type=hidden], [type=radio]), select")];
  if (!fields.includes(document.activeElement)) fields[0]?.focus({ preventScroll: true });
  answer.scrollIntoView({ block: "nearest" });
}, true);

// A wheel that scrolls the page must not change the number under it.
document.addEventListener("wheel", (event) => {
  if (event.target === document.activeElement && event.target.matches("input[type=number]")) event.target.blur();
}, { passive: true });

// What was refused is said beside its field; the cursor goes to the first. What was answered closes its form.
document.addEventListener("htmx:after:swap", (event) => {
  document.querySelectorAll("form[data-changes]").forEach(show);
  const wrong = document.querySelector("details[open] .fields [aria-invalid]");
  const isRefusal = event.detail?.ctx?.target?.id === "problem" && event.detail.ctx.response?.status >= 400;
  if (wrong && isRefusal && !document.activeElement?.matches("input, textarea, select")) wrong.focus();
  const answered = document.querySelector("#problem [data-answered]");
  if (!answered) return;
  answered.removeAttribute("data-answered");
  for (const answer of document.querySelectorAll("#answers details.answer[open]")) {
    answer.open = false;
    for (const form of answer.querySelectorAll("form")) form.reset();
  }
});

// A refusal is out of date once somebody else has decided: who and when stands in its place.
let isOpen = document.querySelector("[data-standing=open]") !== null;
document.addEventListener("htmx:after:swap", (event) => {
  if (!isOpen || !document.querySelector("[data-standing=over]")) return;
  isOpen = false;
  if (event.detail?.ctx?.target?.id !== "problem") document.getElementById("problem")?.replaceChildren();
});

// When the buttons leave because it is decided, the keyboard goes to who decided and when.
document.addEventListener("htmx:after:swap", () => {
  const standing = document.querySelector("[data-standing=over]");
  const focused = document.activeElement;
  if (standing && focused && !focused.checkVisibility()) standing.focus({ preventScroll: true });
});

document.querySelectorAll("form[data-changes]").forEach(show);
