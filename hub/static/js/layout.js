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

    const bulk = document.getElementById("bulk");
    if (!bulk) return;
    const measure = () => document.documentElement.style.setProperty("--bulk", `${bulk.offsetHeight}px`);
    new ResizeObserver(measure).observe(bulk);
  });
})();
