// Keys: `/` goes to the search box, the arrows to the neighbours of what is shown.

/** Listens for keys, except where somebody types. */
export function listenForKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    if (event.key === "/") {
      event.preventDefault();
      const box = document.getElementById("q");
      box.focus();
      box.select();
      return;
    }
    // In a language that runs from right to left, what comes next lies to the left.
    const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    const relation = { [forward]: "next", [back]: "prev" }[event.key];
    if (relation && !event.shiftKey) document.querySelector(`main a[rel="${relation}"]`)?.click();
  });
}
