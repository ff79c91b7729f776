// What makes pages live: times that count on, copying, and news that make fragments ask again.
import { tick, explain } from "./times.js";
import { listen } from "./news.js";
import { makeCopies } from "./copying.js";
import { tellZone } from "./zone.js";
import { hold, restore } from "./focus.js";
import { leadToWrong, sendForms } from "./sending.js";

const settle = (root) => {
  explain(root);
  makeCopies(root);
};

// What is the answer to a form has an address of its own, at which nothing is sent again.
const { place } = document.body.dataset;
if (place !== undefined) history.replaceState(null, "", place);

leadToWrong();
tellZone();
settle(document);
tick();
setInterval(tick, 1000);
document.addEventListener("htmx:before:swap", hold);
document.addEventListener("htmx:after:swap", () => { restore(); settle(document); tick(); });
// What was typed before all this was here is searched for too, once htmx, which begins by a timer of its own, listens.
addEventListener("pageshow", () => setTimeout(() => {
  const box = document.getElementById("q");
  if (box && box.value !== box.defaultValue) box.dispatchEvent(new Event("input", { bubbles: true }));
}));
listen();
if (document.getElementById("live")) sendForms(); // who logs in is sent on by the browser, which then keeps the password
