// Dialogs: those the server sends into #dialog open by themselves, [data-open] opens one of the
// page's own, [data-close] closes, and [data-expect] keeps the button shut until the words are typed.
(() => {
  "use strict";
  let opener = null;

  const open = (dialog) => {
    if (dialog.open) return;
    opener = document.activeElement;
    dialog.showModal();
    dialog.addEventListener("close", () => {
      if (dialog.closest("#dialog")) dialog.remove();
      if (opener?.isConnected) opener.focus();
    }, { once: true });
  };

  document.addEventListener("htmx:after:swap", () => {
    const dialog = document.querySelector("#dialog > dialog");
    if (dialog) open(dialog);
  });

  // A form inside a dialog that was answered well is done with.
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    const dialog = sourceElement?.closest?.("dialog");
    if (dialog && sourceElement.matches("form") && response.status < 400) dialog.close();
  });

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const name = target.closest("[data-open]")?.dataset.open;
    if (name) open(document.getElementById(name));
    const fill = target.closest("[data-fill]");
    if (fill) {
      const field = document.getElementById(fill.dataset.fill);
      field.value = fill.dataset.value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      opener = field;
    }
    if (target.closest("[data-close]")) target.closest("dialog")?.close();
    // A click beside the dialog lands on the dialog itself.
    if (target.matches("dialog[open]")) {
      const box = target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside) target.close();
    }
  });

  document.addEventListener("input", (event) => {
    const expected = event.target.dataset?.expect;
    if (expected === undefined) return;
    const button = event.target.closest("form").querySelector('button[type="submit"]');
    button.disabled = event.target.value.trim() !== expected;
  });
})();
