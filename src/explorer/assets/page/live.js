// New blocks and entries, as they are sealed. The server renders; this puts what comes in its place.
import { ago } from "./times.js";

/** How long to wait at least before the lists are asked for again, in milliseconds. */
const REFRESH_MS = 1000;

/** Listens to the ledger where a page asks for it. */
export function followTheLedger() {
  const place = document.querySelector("[data-live]");
  if (!place || !window.EventSource) return;
  const source = new EventSource(place.dataset.live);
  source.addEventListener("block", (event) => {
    showBlock(place, JSON.parse(event.data));
    refresh();
  });
  source.addEventListener("open", () => place.classList.add("listening"));
  source.addEventListener("error", () => place.classList.remove("listening"));

  let waiting = false;
  let again = false;
  // One request at a time, however many blocks come: what is shown is the newest either way.
  async function refresh() {
    if (waiting) {
      again = true;
      return;
    }
    waiting = true;
    try {
      const answer = await fetch(place.dataset.latest);
      if (answer.ok) replaceLists(await answer.text());
    } catch {
      // The next block tries again.
    }
    setTimeout(() => {
      waiting = false;
      if (again) {
        again = false;
        refresh();
      }
    }, REFRESH_MS);
  }
}

/** Shows a block that was sealed, without asking for anything. */
function showBlock(place, block) {
  const height = place.querySelector('[data-head="height"]');
  if (height) height.textContent = String(block.height);
  const time = place.querySelector('[data-part="block"] time');
  if (time) {
    time.dateTime = block.time;
    time.textContent = ago(Date.parse(block.time));
  }
}

/** Takes over what the server renders anew, and marks what is new in it. */
function replaceLists(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!other || part.contains(document.activeElement)) continue;
    const known = new Set([...part.querySelectorAll("li a")].map((link) => link.getAttribute("href")));
    part.replaceChildren(...[...other.childNodes].map((node) => document.importNode(node, true)));
    for (const item of part.querySelectorAll("li")) {
      const link = item.querySelector("a")?.getAttribute("href");
      if (link && known.size > 0 && !known.has(link)) item.classList.add("new");
    }
  }
}
