// Toasts leave by themselves after a while, unless someone looks at them; errors stay until dismissed.

const STAYS = 6_000;

function arm() {
  for (const toast of document.querySelectorAll(".toast:not([data-armed])")) {
    toast.dataset.armed = "";
    if (toast.dataset.stays !== undefined) continue;
    let timer = setTimeout(() => toast.remove(), STAYS);
    toast.addEventListener("pointerenter", () => clearTimeout(timer));
    toast.addEventListener("pointerleave", () => { timer = setTimeout(() => toast.remove(), STAYS); });
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast, .notice")?.remove();
});
document.addEventListener("htmx:after:swap", arm);
arm();
