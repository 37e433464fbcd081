// Shows what an edit changes while it is typed: a form marked data-changes lists its altered fields, before → after.
// Inputs know what they held; nothing here decides anything, the server compares again.

const shorten = (text) => (text.length > 200 ? `${text.slice(0, 199)}…` : text);

function before(field) {
  if (field instanceof HTMLSelectElement) return [...field.options].find((option) => option.defaultSelected)?.value ?? "";
  return field.defaultValue;
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
    const changed = field.value !== before(field);
    holder.toggleAttribute("data-changed", changed);
    if (changed) rows.push(row(holder.dataset.field, before(field), field.value));
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

// When the buttons leave because it is decided, the keyboard goes to who decided and when.
document.addEventListener("htmx:after:swap", () => {
  const standing = document.querySelector("[data-standing=over]");
  const focused = document.activeElement;
  if (standing && focused && !focused.checkVisibility()) standing.focus({ preventScroll: true });
});
