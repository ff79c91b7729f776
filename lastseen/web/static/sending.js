// A form changes the page that it stands on: it leaves no entry in the history that a browser would ask to send again, and
// the keyboard stays where it was. Without this script forms are sent by the browser, as ever.
const TAKES_LONG = 1000; // milliseconds after which it is said that something is being sent
const ANSWERED = 25_000; // milliseconds in which an answer must be there: the server's own limit is less
const TRIED = 400_000; // the same of forms that try something elsewhere, for which a channel may set longer limits
const RESTS = 500; // milliseconds for which a changed page takes no click where the last was: what is there now was not meant
const NEAR = 16; // pixels
const GOES = 10_000; // milliseconds for which a page takes nothing that another one comes for

let sending = false; // one at a time: an older answer never takes the place of a newer one
let leaving = false; // for a page that somebody has chosen meanwhile
let clicked = null; // where, and until when another click there is not meant

const main = () => document.getElementById("main");

// What was wrong may be far down: whoever sent it is led there.
export const leadToWrong = () => {
  const wrong = document.querySelector('main [aria-invalid="true"]');
  if (wrong) wrong.focus();
  return Boolean(wrong);
};

const plain = (address) => {
  const one = new URL(address, location.href);
  return one.pathname.replace(/%3a/gi, ":") + one.search;
};

const home = () => document.body.dataset.home.replace(/\/$/, "");

// Where the page is, or where the form says that it is: what is looked for has more than one address.
const isHere = (address, form) => {
  const back = form.querySelector("input[name=back]")?.value;
  return [location.href, ...(back ? [home() + back] : [])].some((one) => plain(one) === plain(address));
};

const fieldsOf = (form, button) => {
  const fields = new FormData(form);
  if (button?.name) fields.append(button.name, button.value);
  return new URLSearchParams(fields);
};

// Above the form, which keeps what was typed into it.
const alarm = (text, ...more) => {
  const line = document.createElement("p");
  line.className = "wrong";
  line.setAttribute("role", "alert");
  line.append(text, ...more);
  main().querySelector(":scope > [role=alert]")?.remove();
  main().prepend(line);
  scrollTo(0, 0);
};

// Whether it was done nobody knows, and nothing is sent twice by itself.
const nobodyAnswered = () => alarm(document.body.dataset.unanswered);

// In another window, so that what was typed here can be sent afterwards.
const notLoggedIn = (address) => {
  const [text, words] = document.body.dataset.loggedOut.split("|");
  const link = Object.assign(document.createElement("a"), { href: address, target: "_blank", textContent: words });
  alarm(`${text} `, link);
};

// Who logs people in, before the server, leads elsewhere: no script may look there.
const isLedAway = async () => {
  try {
    const asked = { redirect: "manual", signal: AbortSignal.timeout(ANSWERED) };
    return (await fetch(location.href, asked)).type === "opaqueredirect";
  } catch {
    return false;
  }
};

// What a part of the page asked before the form was answered would take the answer back.
const forgetQuestions = () => {
  for (const one of document.querySelectorAll('[hx-trigger^="lastseen:news"]')) one.dispatchEvent(new Event("htmx:abort"));
};

const goes = (act) => {
  if (!leaving) act();
  return GOES;
};

// For how long nothing more is taken then.
const show = async (form, answer, text) => {
  if (answer.redirected && plain(answer.url) === `${home()}/login?undone=1`) return notLoggedIn(`${home()}/login`);
  if (answer.redirected && !isHere(answer.url, form)) return goes(() => location.replace(answer.url));
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!page.getElementById("main")) return nobodyAnswered();
  if (answer.redirected && page.body.dataset.who !== document.body.dataset.who) return goes(() => location.reload());
  const problem = page.querySelectorAll("#problem > h1, #problem > p:not(:has(a))");
  if (problem.length) return alarm([...problem].map((one) => one.textContent).join(": "));
  const { place } = page.body.dataset;
  if (place) history.replaceState(null, "", place);
  forgetQuestions();
  await htmx.swap({ sourceElement: form, target: main(), select: "#main", swap: "outerMorph", text });
  for (const one of main().querySelectorAll('form[method="post"]')) one.reset(); // what was typed is over
  if (!leadToWrong() && !answer.redirected) {
    main().focus({ preventScroll: true }); // a page of its own, to be read from its beginning
    scrollTo(0, 0);
  }
  document.body.dispatchEvent(new CustomEvent("lastseen:news"));
  if (clicked) clicked.until = performance.now() + RESTS;
  return 0;
};

// The answer and its text; null where the line failed, undefined where nothing came in time. Nothing is done for others
// than the page was made for, whoever logged in meanwhile.
const exchange = async (form, button) => {
  const action = button?.getAttribute("formaction") ?? form.getAttribute("action");
  const headers = { Accept: "text/html", "Lastseen-Page-Of": encodeURIComponent(document.body.dataset.who) };
  const signal = AbortSignal.timeout("tries" in form.dataset ? TRIED : ANSWERED);
  try {
    const answer = await fetch(action, { method: "POST", body: fieldsOf(form, button), headers, signal });
    return [answer, await answer.text()];
  } catch (error) {
    return error.name === "TimeoutError" ? undefined : null;
  }
};

const send = async (form, button) => {
  const word = document.getElementById("sending");
  const long = setTimeout(() => { word.textContent = word.dataset.words; }, TAKES_LONG);
  const came = await exchange(form, button);
  clearTimeout(long);
  word.textContent = "";
  if (came) return show(form, ...came);
  return came === null && (await isLedAway()) ? goes(() => location.reload()) : nobodyAnswered();
};

const take = async (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post" || !main().contains(form)) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  leaving = false;
  document.body.dataset.sending = "";
  let rests = 0;
  try {
    rests = await send(form, event.submitter) ?? 0;
  } finally {
    setTimeout(() => { sending = false; delete document.body.dataset.sending; }, rests);
  }
};

// A key that is held, or the second half of a double click, sends nothing.
const isHeld = ({ repeat, key, target }) =>
  repeat && target.closest?.("main form[method=post]") && (key === "Enter" ? !target.matches("textarea") : target.matches("button"));

const isAgain = ({ detail, clientX, clientY }) =>
  detail > 1 || (clicked && performance.now() < clicked.until && Math.hypot(clientX - clicked.x, clientY - clicked.y) < NEAR);

const click = (event) => {
  if (!event.target.closest?.("main form[method=post] button")) return;
  if (event.detail === 0) clicked = null; // by a key
  else if (isAgain(event)) event.preventDefault();
  else if (!sending) clicked = { x: event.clientX, y: event.clientY, until: 0 };
};

export const sendForms = () => {
  document.addEventListener("submit", take);
  document.addEventListener("click", click, { capture: true });
  document.addEventListener("keydown", (event) => { if (isHeld(event)) event.preventDefault(); }, { capture: true });
  addEventListener("beforeunload", () => { leaving = true; });
};
