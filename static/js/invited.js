// A link in a message named an answer: its form stands open. Where a reason is typed, the cursor waits there; a button
// is never focused, because a stray Enter would then decide.

const notice = document.getElementById("invited");
const form = notice && document.querySelector(`#answers form[action$="/${CSS.escape(notice.dataset.invited)}/"]`);

if (notice) {
  for (let box = form?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  const field = form?.querySelector("textarea, input:not([type=hidden])");
  (field?.checkVisibility() ? field : notice).focus();
}
