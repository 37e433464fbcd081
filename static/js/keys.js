// Keys. Anything with data-key="a" is pressed by that key (never while typing). In a list marked data-keys,
// j and k move over its rows, o opens, x selects; a row's own data-key elements act on that row alone.
//   /  search      ?  all keys      g then f i a r e s  go to a page      Escape  leaves a field

let going = false;
let row = null;

const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("[data-keys] [data-row]")];

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]") && event.key !== "?") return;
  if (event.target.matches?.("button, summary, a, [role=button]") && (event.key === "Enter" || event.key === " ")) return;
  if (act(event.key)) event.preventDefault();
});

function act(key) {
  if (going) {
    going = false;
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (link) link.click();
    return Boolean(link);
  }
  switch (key) {
    case "g": going = true; setTimeout(() => { going = false; }, 1200); return true;
    case "/": return focus(document.querySelector("[data-search]"));
    case "?": return help();
    case "j": return move(1);
    case "k": return move(-1);
    case "o":
    case "Enter": return row?.isConnected ? press(row.querySelector("a.row-link, a")) : false;
    case "x": return row?.isConnected ? press(row.querySelector("input[type=checkbox]")) : false;
  }
  const within = row?.isConnected ? row.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
  return press(within ?? [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((e) => !e.closest("[data-row]")));
}

function move(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(all.find((r) => r.id === row?.id) ?? row);
  select(all[Math.max(0, Math.min(all.length - 1, at + by))]);
  return true;
}

function select(next) {
  for (const old of document.querySelectorAll("[data-row][data-selected]")) delete old.dataset.selected;
  row = next;
  row.dataset.selected = "";
  row.querySelector("a")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

// The row that has the focus is the row the keys mean, however it got there.
document.addEventListener("focusin", (event) => {
  const next = event.target.closest("[data-keys] [data-row]");
  if (next && next !== row) select(next);
});
document.addEventListener("htmx:after:swap", () => {
  const again = row?.id && document.getElementById(row.id);
  if (again && again !== row) { row = again; row.dataset.selected = ""; }
});

function press(element) {
  if (!element || element.disabled || !element.checkVisibility()) return false;
  if (element.matches("input:not([type=checkbox]), textarea, select")) return focus(element);
  element.click();
  return true;
}

function focus(element) {
  element?.focus();
  element?.select?.();
  return Boolean(element);
}

function help() {
  const sheet = document.getElementById("keys");
  if (sheet?.open) sheet.close();
  else sheet?.showModal();
  return Boolean(sheet);
}
