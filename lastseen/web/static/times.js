// "12 s ago" that goes on counting by the server's clock; and, on touching a time, what it is where the reader is.
const serverNow = document.querySelector('meta[name="now"]');
const ahead = serverNow ? Date.parse(serverNow.content) - Date.now() : 0;

const { ago, units } = document.body.dataset; // in the language of the page: `{time} ago`, `d h min s`
const WORDS = units.split(" ");
const SIZES = [86400, 3600, 60, 1];

export const spell = (seconds) => {
  const found = SIZES.findIndex((size) => seconds >= size);
  return found < 0 ? `0 ${WORDS[3]}` : `${Math.floor(seconds / SIZES[found])} ${WORDS[found]}`;
};

const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const tick = () => {
  const now = Date.now() + ahead;
  for (const one of document.querySelectorAll("time[data-ago]")) {
    put(one, ago.replace("{time}", spell(Math.max(0, (now - Date.parse(one.dateTime)) / 1000))));
  }
};

const full = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "full", timeStyle: "long" });

export const explain = (root) => {
  for (const one of root.querySelectorAll("time[datetime]")) one.title = full.format(new Date(one.dateTime));
};
