// What happens, as the stream tells it: fragments with `hx-trigger="lastseen:news from:body"` ask again. That a machine
// was heard is no news, so they ask now and then without any as well, while somebody looks.
const GATHERED = 100; // milliseconds in which what happens together is gathered
const BETWEEN = 700; // milliseconds between two rounds of asking, however much happens
const ANYWAY = 10_000; // milliseconds
const OLD = 5_000; // milliseconds after which it is said in words that there is no news
const ANSWERED = 15_000; // milliseconds in which an answer must be there, or the line counts as dead

let waiting = null;
let asked = -Infinity;
let stream = null;
let dead = false;
let live = new Date(); // when it was last
let old = null;

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

const show = (lamp, is) => {
  if (is || lamp.dataset.live === "yes") live = new Date();
  lamp.dataset.live = is ? "yes" : "no";
  lamp.title = is ? lamp.dataset.yes : lamp.dataset.no;
  lamp.setAttribute("aria-label", lamp.title);
  if (is) sayOld(false);
  else old ??= setTimeout(sayOld, OLD, true);
};

const sayOld = (is) => {
  clearTimeout(old);
  if (!is) old = null;
  const word = document.getElementById("stale");
  const time = live.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  word.textContent = is ? word.dataset.words.replace("{time}", time) : "";
};

// A browser has few connections to a server at once: a page that nobody looks at needs none of them.
const leave = (lamp) => {
  if (stream) stream.close();
  stream = null;
  show(lamp, false);
  sayOld(false);
};

// A line that loses everything without a word is noticed by what is asked over it: the stream on it would seem to be
// there for ever. With the next answer it is made anew.
const onParts = (name, act) => document.addEventListener(name, ({ detail: { ctx } }) => {
  if (ctx?.sourceElement?.matches('[hx-trigger^="lastseen:news"]')) act(ctx);
});

const doubt = (lamp) => {
  onParts("htmx:config:request", (ctx) => { ctx.request.timeout = ANSWERED; });
  onParts("htmx:error", () => { dead = true; show(lamp, false); });
  onParts("htmx:after:request", () => {
    if (dead && seen()) follow(lamp);
    dead = false;
  });
};

export const listen = () => {
  // A part that waited for another request asks for what it shows by then, not for what it showed when it began to wait.
  onParts("htmx:before:request", (ctx) => { ctx.request.action = ctx.sourceElement.getAttribute("hx-get"); });
  const lamp = document.getElementById("live");
  if (!lamp) return;
  doubt(lamp);
  if (seen()) follow(lamp);
  document.addEventListener("visibilitychange", () => (seen() ? follow(lamp) : leave(lamp)));
  setInterval(() => { if (seen()) tell(); }, ANYWAY);
};
