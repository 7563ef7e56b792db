// On a narrow screen the folder tree starts folded, so that the files come first. And how high the bar
// of what is selected is, so that nothing that is scrolled to ends up behind it.
(() => {
  "use strict";
  document.addEventListener("DOMContentLoaded", () => {
    const tree = document.getElementById("library-tree");
    const narrow = window.matchMedia("(width < 900px)");
    const fit = () => {
      if (tree) tree.open = !narrow.matches;
    };
    fit();
    narrow.addEventListener("change", fit);

    // Where there is no room for all tabs, the one that is shown is among those that are seen.
    const seen = () => {
      for (const tab of document.querySelectorAll(".top-bar nav [aria-current], .tabs [aria-current]")) {
        tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
      }
    };
    seen();
    narrow.addEventListener("change", seen);

    const bulk = document.getElementById("bulk");
    if (!bulk) return;
    const measure = () => document.documentElement.style.setProperty("--bulk", `${bulk.offsetHeight}px`);
    new ResizeObserver(measure).observe(bulk);
  });
})();
