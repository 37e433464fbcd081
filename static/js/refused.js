// A person sends something, and it is answered by a page of its own: by sign-in, for their session is over, or because
// this page is older than their sign-in. Neither belongs into this one: it gets a line, and keeps what was typed.

document.addEventListener("htmx:before:response", (event) => {
  const { ctx } = event.detail;
  if (ctx.sourceEvent?.type === "live") return;  // live.js leads to sign-in
  const here = location.pathname + location.search;
  const answer = ctx.response.raw;
  const signIn = new URL(answer.url);
  if (answer.redirected && signIn.pathname === "/sign-in/") {
    event.preventDefault();
    signIn.search = new URLSearchParams({ next: here });
    say(ctx, "You were signed out", "Sign in", signIn.href);
  } else if (answer.headers.has("Watchfloor-Too-Old")) {
    event.preventDefault();
    say(ctx, "This page is older than your sign-in", "Reload it", here);
  }
});

function say(ctx, why, way, address) {
  const isAnswer = ctx.target?.id === "problem";
  const what = ctx.request.method === "GET" ? "." : `; nothing was ${isAnswer ? "decided" : "changed"}.`;
  const link = document.createElement("a");
  link.href = address;
  link.textContent = way;
  link.dataset.keepTyped = "";  // drafts.js
  const words = document.createElement("p");
  words.append(`${why}${what} `, link);
  const line = document.createElement("div");
  line.id = "refused";
  line.append(words);
  document.getElementById("refused")?.remove();
  if (isAnswer) {
    line.className = "notice stopped";
    ctx.target.replaceChildren(line);
  } else {
    line.className = "toast stopped";
    line.dataset.stays = "";
    document.getElementById("toasts")?.append(line);
  }
}
