// Times that are told from now on are told anew while the page stands open.

const UNITS = [
  ["year", 365 * 86400, 2 * 365 * 86400],
  ["month", 30 * 86400, 60 * 86400],
  ["day", 86400, 2 * 86400],
  ["hour", 3600, 3600],
  ["minute", 60, 60],
  ["second", 1, 0],
];
const EVERY_MS = 10_000;

/** How long ago `time` was, in the words that the server uses too. */
export function ago(time, now = Date.now()) {
  const words = new Intl.RelativeTimeFormat(`${document.documentElement.lang}-u-nu-latn`, {
    numeric: "always",
  });
  const seconds = (time - now) / 1000;
  const [unit, size] = UNITS.find(([, , from]) => Math.abs(seconds) >= from);
  return words.format(Math.trunc(seconds / size), unit);
}

/** Tells all relative times anew, now and then. */
export function keepTimesFresh() {
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      time.textContent = ago(Date.parse(time.dateTime));
    }
  }, EVERY_MS);
}
