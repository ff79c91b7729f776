// What a part of the page is changed for may be gone from it, and the keyboard with it: then that goes to the heading of
// the list where it was, or to the page as a whole, and not to the top of everything.
let held = null;

const places = (element) => {
  const found = [];
  for (let one = element; one; one = one.parentElement?.closest("[aria-labelledby]")) {
    found.push(...(one.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean));
  }
  return [...found, "main"];
};

export const hold = () => {
  const at = document.activeElement;
  held = at && at !== document.body ? { at, near: places(at) } : null;
};

export const restore = () => {
  if (!held || document.activeElement !== document.body) return;
  const place = held.at.isConnected ? held.at : held.near.map((id) => document.getElementById(id)).find(Boolean);
  if (!place) return;
  if (place !== held.at && place.tabIndex < 0) place.tabIndex = -1;
  place.focus({ preventScroll: true });
};
