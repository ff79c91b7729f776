// A form changes the page that it stands on: it leaves no entry in the history that a browser would ask to send again, and
// the keyboard stays where it was. Without this script forms are sent by the browser, as ever.
const ON_ITS_WAY = new WeakSet();

const main = () => document.getElementById("main");

// What was wrong may be far down: whoever sent it is led there.
export const leadToWrong = () => {
  const wrong = document.querySelector('main [aria-invalid="true"]');
  if (wrong) wrong.focus();
  return Boolean(wrong);
};

const isHere = (address) => {
  const there = new URL(address);
  return there.pathname + there.search === location.pathname + location.search;
};

const fieldsOf = (form, button) => {
  const fields = new FormData(form);
  if (button?.name) fields.append(button.name, button.value);
  return new URLSearchParams(fields);
};

// Above the form, which keeps what was typed into it.
const alarm = (text) => {
  const line = document.createElement("p");
  line.className = "wrong";
  line.setAttribute("role", "alert");
  line.textContent = text;
  main().querySelector(":scope > [role=alert]")?.remove();
  main().prepend(line);
  scrollTo(0, 0);
};

// Whether it was done nobody knows, and nothing is sent twice by itself.
const nobodyAnswered = () => alarm(document.body.dataset.unanswered);

const show = async (form, answer, text) => {
  if (answer.redirected && !isHere(answer.url)) return location.assign(answer.url);
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!page.getElementById("main")) return nobodyAnswered();
  const problem = page.querySelectorAll("#problem > h1, #problem > p:not(:has(a))");
  if (problem.length) return alarm([...problem].map((one) => one.textContent).join(": "));
  const place = answer.headers.get("Content-Location");
  if (place) history.replaceState(null, "", place);
  await htmx.swap({ sourceElement: form, target: main(), select: "#main", swap: "outerMorph", text });
  for (const one of main().querySelectorAll('form[method="post"]')) one.reset(); // what was typed is over
  if (leadToWrong() || answer.redirected) return;
  main().focus({ preventScroll: true }); // a page of its own, to be read from its beginning
  scrollTo(0, 0);
};

const send = async (form, button) => {
  ON_ITS_WAY.add(form);
  main().setAttribute("aria-busy", "true");
  const arrived = () => { // what comes in its place may be sent at once
    ON_ITS_WAY.delete(form);
    main().removeAttribute("aria-busy");
  };
  try {
    const action = button?.getAttribute("formaction") ?? form.getAttribute("action");
    const body = fieldsOf(form, button);
    const answer = await fetch(action, { method: "POST", body, headers: { Accept: "text/html" } });
    const text = await answer.text();
    arrived();
    await show(form, answer, text);
  } catch {
    arrived();
    nobodyAnswered();
  }
};

export const sendForms = () => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.getAttribute("method") !== "post" || !main().contains(form)) return;
    event.preventDefault();
    if (!ON_ITS_WAY.has(form)) send(form, event.submitter);
  });
};
