// What makes pages live: times that count on, copying, and news that make fragments ask again.
import { tick, explain } from "./times.js";
import { listen } from "./news.js";
import { makeCopies } from "./copying.js";
import { tellZone } from "./zone.js";

const settle = (root) => {
  explain(root);
  makeCopies(root);
};

tellZone();
settle(document);
tick();
setInterval(tick, 1000);
document.addEventListener("htmx:after:swap", () => { settle(document); tick(); });
listen();
