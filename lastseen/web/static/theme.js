// Loaded before the page is drawn: the colours that were chosen here, if any were.
(() => {
  const key = "lastseen-theme";
  let chosen = null;
  try { chosen = localStorage.getItem(key); } catch { /* no storage: as the computer has it */ }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    if (!button) return;
    const dark = () => {
      const now = document.documentElement.dataset.theme;
      return now ? now === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    };
    button.hidden = false;
    button.setAttribute("aria-pressed", String(dark()));
    button.addEventListener("click", () => {
      const next = dark() ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      button.setAttribute("aria-pressed", String(next === "dark"));
      try { localStorage.setItem(key, next); } catch { /* for this page only */ }
    });
  });
})();
