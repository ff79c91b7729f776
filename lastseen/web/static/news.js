// What happens, as the stream tells it: fragments with `hx-trigger="lastseen:news from:body"` ask again. That a machine
// was heard is no news, so they ask now and then without any as well, while somebody looks.
const SPACED = 300; // milliseconds between two rounds of asking, so that a storm is not answered by a storm
const ANYWAY = 10_000; // milliseconds

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
  setInterval(() => { if (document.visibilityState === "visible") tell(); }, ANYWAY);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") tell(); });
};
