// On a narrow screen the folder tree starts folded, so that the files come first.
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
  });
})();
