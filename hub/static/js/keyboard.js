// The keyboard map of the help dialog. Keys do nothing inside fields and dialogs.
(() => {
  "use strict";
  let prefix = 0;

  const rows = () => [...document.querySelectorAll("[data-row]")];
  const current = () => document.querySelector("[data-row].is-focused");

  const focusRow = (row) => {
    current()?.classList.remove("is-focused");
    if (!row) return;
    row.classList.add("is-focused");
    row.querySelector("a[data-details], input[data-tick]")?.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };

  const step = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const at = all.indexOf(current());
    focusRow(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))]);
  };

  const press = (name) => {
    const button = document.querySelector(`[data-action="${name}"]:not(:disabled)`);
    button?.click();
    return Boolean(button);
  };

  const actions = {
    "/": () => {
      const field = document.querySelector("input[type=search]");
      field?.focus();
      field?.select();
      return Boolean(field);
    },
    j: () => step(1),
    k: () => step(-1),
    x: () => current()?.querySelector("input[data-tick]")?.click(),
    c: () => press("copy"),
    m: () => press("move"),
    p: () => press("pause"),
    Delete: () => press("delete"),
    Escape: () => press("close-drawer"),
    "?": () => document.querySelector('[data-open="keys-dialog"]')?.click(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const target = event.target;
    const typing = target.matches?.("input:not([type=checkbox]):not([type=radio]), textarea, select");
    if (typing || document.querySelector("dialog[open]")) {
      if (typing && event.key === "Escape" && !document.querySelector("dialog[open]")) target.blur();
      return;
    }
    if (Date.now() - prefix < 1200) {
      prefix = 0;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        location.assign(link.href);
      }
      return;
    }
    if (event.key === "g") {
      prefix = Date.now();
      return;
    }
    // Enter on a tick shows the row's details; on a link the browser follows it anyway.
    if (event.key === "Enter" && target.matches?.("input[data-tick]")) {
      target.closest("[data-row]").querySelector("a[data-details]")?.click();
      return;
    }
    const action = actions[event.key];
    if (action && action() !== false) event.preventDefault();
  });

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest?.("[data-row]");
    if (row && row !== current()) {
      current()?.classList.remove("is-focused");
      row.classList.add("is-focused");
    }
  });
})();
