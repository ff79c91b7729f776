// The stream of what happens: fragments with `hx-trigger="lastseen:news from:body"` ask again, at most every so often.
const SPACED = 400; // milliseconds between two rounds of asking, so that a storm is not answered by a storm

let waiting = null;

const tell = () => {
  if (waiting !== null) return;
  waiting = setTimeout(() => {
    waiting = null;
    document.body.dispatchEvent(new CustomEvent("lastseen:news"));
  }, SPACED);
};

const show = (live) => {
  const lamp = document.getElementById("live");
  if (lamp) lamp.dataset.live = live ? "yes" : "no";
};

export const listen = () => {
  document.addEventListener("htmx:sse:before:message", tell);
  document.addEventListener("htmx:sse:after:connection", () => { show(true); tell(); });
  document.addEventListener("htmx:sse:error", () => show(false));
  document.addEventListener("htmx:sse:close", () => show(false));
};
