// A button beside each hash that copies all of it.

/** Adds the buttons, with the words that the page's language has for them. */
export function addCopyButtons() {
  if (!navigator.clipboard) return; // Only over HTTPS or on this machine.
  const { copy, copied } = document.body.dataset;
  for (const hash of document.querySelectorAll("dd > .hash, p > .hash, pre[data-copy] > code")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.title = copy;
    button.setAttribute("aria-label", `${copy}: ${hash.title || hash.textContent.slice(0, 24)}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(hash.title || hash.textContent);
      button.classList.add("done");
      announce(copied);
      setTimeout(() => button.classList.remove("done"), 1500);
    });
    hash.after(button);
  }
}

/** Tells those who listen rather than look. */
export function announce(text) {
  const place = document.getElementById("announcements");
  if (place) place.textContent = text;
}
