// What a field held when the page was made, and whether something else stands in it now.

// Also where what was typed came back with the page, because it was refused.
export function before(field) {
  if (field.dataset.was !== undefined) return field.dataset.was;
  return field instanceof HTMLSelectElement ? ([...field.options].find((o) => o.defaultSelected)?.value ?? "") : field.defaultValue;
}

const plain = (text) => text.replaceAll("\r\n", "\n").replaceAll("\r", "\n");

// Browsers leave out seconds that are zero.
export const isSame = (field) => plain(field.value) === plain(before(field))
  || (field.type === "datetime-local" && field.value !== "" && `${field.value}:00` === before(field));

const TYPED = "textarea[name], select[name], input[name]:not([type=hidden], [type=checkbox], [type=radio], [type=password], [type=file])";

export const typedIn = (root) => [...root.querySelectorAll(TYPED)].filter((field) => field.form?.method === "post" && !isSame(field));

export const nameOf = (field) => (field.labels?.[0]?.textContent ?? field.ariaLabel ?? field.name).replace(/\s+/g, " ").trim();
