// What happens, as the stream tells it: fragments with `hx-trigger="lastseen:news from:body"` ask again. That a machine
// was heard is no news, so they ask now and then without any as well, while somebody looks.
const GATHERED = 100; // milliseconds in which what happens together is gathered
const BETWEEN = 700; // milliseconds between two rounds of asking, however much happens
const ANYWAY = 10_000; // milliseconds

let waiting = null;
let asked = -Infinity;
let stream = null;

const tell = () => {
  if (waiting !== null) return;
  waiting = setTimeout(() => {
    asked = performance.now();
    waiting = null;
    document.body.dispatchEvent(new CustomEvent("lastseen:news"));
  }, Math.max(GATHERED, asked + BETWEEN - performance.now()));
};

const seen = () => document.visibilityState === "visible";

const follow = (lamp) => {
  if (stream) stream.close();
  stream = new EventSource(lamp.dataset.stream);
  stream.addEventListener("open", () => { show(lamp, true); tell(); });
  stream.addEventListener("message", tell);
  stream.addEventListener("reset", tell);
  stream.addEventListener("error", () => show(lamp, false));
};

const show = (lamp, live) => {
  lamp.dataset.live = live ? "yes" : "no";
  lamp.title = live ? lamp.dataset.yes : lamp.dataset.no;
  lamp.setAttribute("aria-label", lamp.title);
};

// A browser has few connections to a server at once: a page that nobody looks at needs none of them.
const leave = (lamp) => {
  if (stream) stream.close();
  stream = null;
  show(lamp, false);
};

export const listen = () => {
  const lamp = document.getElementById("live");
  if (!lamp) return;
  if (seen()) follow(lamp);
  document.addEventListener("visibilitychange", () => (seen() ? follow(lamp) : leave(lamp)));
  setInterval(() => { if (seen()) tell(); }, ANYWAY);
};
