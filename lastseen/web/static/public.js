// Times and days of this page where it is read: asked for once, under an address that says the zone.
const zone = (() => {
  try { return Intl.DateTimeFormat().resolvedOptions().timeZone ?? ""; } catch { return ""; }
})();
const there = new URL(location.href);
if (zone && zone !== document.documentElement.dataset.zone && !there.searchParams.has("timezone")) {
  there.searchParams.set("timezone", zone);
  location.replace(there);
}
