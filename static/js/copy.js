// Buttons with data-copy put that text on the clipboard; data-copy-from="#id" takes an element's text.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  event.preventDefault();
  const from = button.dataset.copyFrom;
  const text = from ? document.querySelector(from).textContent : button.dataset.copy;
  if (!await write(text)) return;
  const label = button.getAttribute("aria-label");
  button.dataset.copied = "";
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => { delete button.dataset.copied; if (label) button.setAttribute("aria-label", label); }, 1500);
});

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {  // no permission, or plain http on another machine
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
