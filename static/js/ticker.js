// A button with data-pauses="id" holds that live region still, and lets it go again.

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pauses]");
  if (!button) return;
  const region = document.getElementById(button.dataset.pauses);
  const paused = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(paused));
  const held = region.querySelector("[data-holds]") ?? region.firstElementChild;
  held?.toggleAttribute("data-paused", paused);
  if (!paused) document.dispatchEvent(new CustomEvent("live:catch-up"));
});
