// "12 s ago" that goes on counting by the server's clock; and, on touching a time, what it is where the reader is.
const serverNow = document.querySelector('meta[name="now"]');
const ahead = serverNow ? Date.parse(serverNow.content) - Date.now() : 0;

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

export const spell = (seconds) => {
  for (const [word, size] of UNITS) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${word}`;
  }
  return "0 s";
};

const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const tick = () => {
  const now = Date.now() + ahead;
  for (const one of document.querySelectorAll("time[data-ago]")) {
    put(one, `${spell(Math.max(0, (now - Date.parse(one.dateTime)) / 1000))} ago`);
  }
};

const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export const explain = (root) => {
  for (const one of root.querySelectorAll("time[datetime]")) one.title = full.format(new Date(one.dateTime));
};
