// What a part of the page is changed for may be gone from it, and the keyboard with it: then that goes to the heading of
// the list where it was, or to the page as a whole, and not to the top of everything.
const AT_ONCE = 500; // milliseconds within which two swaps are on at once, and only the first sees where the keyboard was
let held = null;

const places = (element) => {
  const found = [];
  for (let one = element; one; one = one.parentElement?.closest("[aria-labelledby]")) {
    found.push(...(one.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean));
  }
  return [...found, "main"];
};

export const hold = () => {
  const at = document.activeElement, now = performance.now();
  if (at && at !== document.body) held = { at, near: places(at), now };
  else if (held && now - held.now > AT_ONCE) held = null;
};

export const restore = () => {
  if (!held) return;
  const place = held.at.isConnected ? held.at : held.near.map((id) => document.getElementById(id)).find(Boolean);
  if (!place || ![document.body, place].includes(document.activeElement)) return;
  if (place.tabIndex < 0) place.tabIndex = -1; // of a heading it is taken away by what is new, and the keyboard with it
  if (document.activeElement !== place) place.focus({ preventScroll: true });
};
