// What was typed outlives a page that must be left: to sign in again, or because it is too old. It stays in this tab,
// for this person and this page, and is put back once. What was typed about an earlier version of a request is not.

import { nameOf, typedIn } from "./fields.js";

const DRAFT = "draft";

const person = () => document.querySelector("summary[aria-label^='You: ']")?.ariaLabel;
const formOf = (form) => `${form.getAttribute("action")} ${form.elements.revision?.value ?? ""}`;

export function keep() {
  const fields = typedIn(document).map((field) => ({ form: formOf(field.form), name: field.name, label: nameOf(field), value: field.value }));
  if (!fields.length || !person()) return;
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify({ person: person(), path: location.pathname, fields }));
  } catch {}  // more than the tab may keep
}

export function leave() {
  keep();
  location.reload();
}

export const homeless = [];   // what has no form any more

function restore() {
  const draft = JSON.parse(sessionStorage.getItem(DRAFT));
  if (!draft || !person()) return;  // not signed in yet
  if (draft.person === person() && draft.path !== location.pathname) return;
  sessionStorage.removeItem(DRAFT);
  if (draft.person === person()) draft.fields.forEach(put);
}

function put(kept) {
  const form = [...document.forms].find((form) => formOf(form) === kept.form);
  const field = form?.elements.namedItem(kept.name);
  if (!field) return void homeless.push(kept);
  field.value = kept.value;
  for (let at = field.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
}

document.addEventListener("click", (event) => { if (event.target.closest("[data-keep-typed]")) keep(); });
restore();
