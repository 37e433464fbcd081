// Selecting rows of a list: the bar above shows how many, and only what all of them can take.
// <form data-selection> … <input type="checkbox" name="hold" data-kind="review"> … <div data-selection-bar hidden>
// with [data-selection-count] and buttons that may name data-only="review".

function update(form) {
  const chosen = [...form.querySelectorAll("input[name=hold]:checked")];
  const bar = form.querySelector("[data-selection-bar]");
  if (!bar) return;
  bar.hidden = chosen.length === 0;
  bar.querySelector("[data-selection-count]").textContent = `${chosen.length} selected`;
  for (const button of bar.querySelectorAll("[data-only]")) {
    button.disabled = !chosen.every((box) => box.dataset.kind === button.dataset.only);
    button.title = button.disabled ? `Only ${button.dataset.only}s can be answered together` : "";
  }
}

const all = () => document.querySelectorAll("form[data-selection]").forEach(update);

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-selection]");
  if (!form) return;
  if (event.target.matches("[data-select-all]")) {
    for (const box of form.querySelectorAll("input[name=hold]")) box.checked = event.target.checked;
  }
  update(form);
});
document.addEventListener("click", (event) => {
  const clear = event.target.closest("[data-selection-clear]");
  if (!clear) return;
  const form = clear.closest("form");
  for (const box of form.querySelectorAll("input[type=checkbox]")) box.checked = false;
  update(form);
});
document.addEventListener("htmx:after:swap", all);
all();
