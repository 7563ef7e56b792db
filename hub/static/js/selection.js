// Ticks. What is selected is kept by the hub; here a tick, a range (Shift) or the header box becomes
// one request, and the answer is the bar that shows how much is selected. Requests go one after the
// other: the first makes the selection that the next ones change.
(() => {
  "use strict";
  // A list that was on its way while someone ticked doesn't know of it yet.
  const FRESH = 2000;
  const fresh = new Map();
  let anchor = null;
  let last = Promise.resolve();

  const area = () => document.querySelector("[data-selection]");
  const boxes = () => [...document.querySelectorAll("[data-row] input[data-tick]")];
  const row = (box) => box.closest("[data-row]");

  const paint = () => {
    const all = boxes();
    for (const box of all) row(box).classList.toggle("is-selected", box.checked);
    const head = document.querySelector("input[data-tick-page]");
    if (!head) return;
    const checked = all.filter((box) => box.checked).length;
    head.checked = all.length > 0 && checked === all.length;
    head.indeterminate = checked > 0 && checked < all.length;
  };

  const send = (changed, on) => {
    const place = area();
    if (!place || changed.length === 0) return;
    const values = { scope: place.dataset.selection, filter: place.dataset.filter, on: on ? "1" : "" };
    values.items = JSON.stringify(changed.map((box) => box.value));
    for (const box of changed) fresh.set(box.value, { on, until: Date.now() + FRESH });
    last = last.then(() => {
      values.s = document.getElementById("selection-id")?.value ?? "";
      return htmx.ajax("POST", "/ui/selection", { source: "#bulk", values, target: "#bulk", swap: "innerHTML" });
    }).catch((error) => console.error(error));
  };

  const set = (changed, on) => {
    const really = changed.filter((box) => box.checked !== on || box.dataset.fresh);
    for (const box of changed) {
      box.checked = on;
      delete box.dataset.fresh;
    }
    paint();
    send(really, on);
  };

  document.addEventListener("click", (event) => {
    const box = event.target.closest?.("input[data-tick]");
    if (!box) return;
    const all = boxes();
    const here = all.indexOf(box);
    const there = event.shiftKey ? all.findIndex((one) => one.value === anchor) : -1;
    // The browser has already turned this box.
    box.dataset.fresh = "1";
    set(there < 0 ? [box] : all.slice(Math.min(here, there), Math.max(here, there) + 1), box.checked);
    anchor = box.value;
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("input[data-tick-page]")) set(boxes(), event.target.checked);
  });

  // The hub answers with the selection's id when the first tick made one.
  document.addEventListener("htmx:after:swap", () => {
    const bar = document.querySelector("#bulk [data-selection-state]");
    const id = document.getElementById("selection-id");
    if (bar && id) {
      id.value = bar.dataset.selectionState;
      if (bar.dataset.all !== undefined) {
        const on = bar.dataset.all === "1";
        for (const box of boxes()) box.checked = on;
        delete bar.dataset.all;
        fresh.clear();
      }
    }
    for (const box of boxes()) {
      const tick = fresh.get(box.value);
      if (tick && Date.now() < tick.until) box.checked = tick.on;
      else fresh.delete(box.value);
    }
    paint();
  });
  // Where ticks live on the page only, a list that fetches itself again keeps them: just those.
  let kept = null;
  document.addEventListener("htmx:before:swap", (event) => {
    if (area() || event.detail.ctx.sourceElement?.id !== "list") return;
    kept = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
  });
  document.addEventListener("htmx:after:swap", () => {
    if (!kept) return;
    for (const box of boxes()) box.checked = kept.has(box.value);
    kept = null;
    paint();
  });
  document.addEventListener("DOMContentLoaded", paint);
  window.addEventListener("pageshow", paint);
})();
