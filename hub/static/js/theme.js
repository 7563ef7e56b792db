// The theme: what the system says, or what was chosen here. Runs before the style sheets are read,
// so that no page is ever painted in the wrong colours.
(() => {
  "use strict";
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];
  const words = { auto: "follow the system", light: "light", dark: "dark" };

  const read = () => {
    try {
      const kept = localStorage.getItem("theme");
      return order.includes(kept) ? kept : "auto";
    } catch {
      return "auto";
    }
  };

  const apply = (theme) => {
    root.dataset.theme = theme;
    const button = document.getElementById("theme-button");
    if (button) {
      button.setAttribute("aria-label", `Theme: ${words[theme]}`);
      button.title = `Theme: ${words[theme]}`;
    }
  };

  apply(read());
  document.addEventListener("DOMContentLoaded", () => {
    apply(read());
    document.getElementById("theme-button")?.addEventListener("click", () => {
      const next = order[(order.indexOf(read()) + 1) % order.length];
      try {
        localStorage.setItem("theme", next);
      } catch {
        // A browser that keeps nothing still shows the theme on this page.
      }
      apply(next);
    });
  });
  // Another window of the hub changed it.
  window.addEventListener("storage", (event) => {
    if (event.key === "theme") apply(read());
  });
})();
