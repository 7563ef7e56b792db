// [data-copy] copies the text of the place it names; the button says so for a moment.
(() => {
  "use strict";
  const SAID = 2000;

  const select = (place) => {
    const range = document.createRange();
    range.selectNodeContents(place);
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const place = document.getElementById(button.dataset.copy);
    const word = button.querySelector("[data-word]");
    const before = button.dataset.before ??= word.textContent;
    try {
      await navigator.clipboard.writeText(place.textContent);
      word.textContent = "Copied";
      document.getElementById("alerts").textContent = `${place.dataset.name} copied`;
    } catch {
      // Without leave for the clipboard the text is at least selected: Ctrl+C does the rest.
      select(place);
      word.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { word.textContent = before; }, SAID);
  });
})();
