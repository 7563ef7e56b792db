// Short messages in the corner. Those of the server arrive as fragments in #toasts; failures of
// requests are told here. A message leaves by itself unless someone reads it or has the focus in it.
(() => {
  "use strict";
  const LIFETIME = 9000;

  const watch = (toast) => {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "1";
    let timer = 0;
    const start = () => {
      clearTimeout(timer);
      timer = setTimeout(() => toast.remove(), Number(toast.dataset.lifetime || LIFETIME));
    };
    const hold = () => clearTimeout(timer);
    for (const [begin, end] of [["mouseenter", "mouseleave"], ["focusin", "focusout"]]) {
      toast.addEventListener(begin, hold);
      toast.addEventListener(end, start);
    }
    start();
  };

  const say = (text) => {
    const template = document.getElementById("toast-template");
    const area = document.getElementById("toasts");
    if (!template || !area) return;
    const toast = template.content.firstElementChild.cloneNode(true);
    toast.querySelector("p").textContent = text;
    area.append(toast);
    document.getElementById("alerts").textContent = text;
  };

  const reason = async (context) => {
    const text = context?.text ?? "";
    if (text.startsWith("{")) {
      try {
        const problem = JSON.parse(text);
        return problem.detail || problem.title;
      } catch {
        return "";
      }
    }
    return text.length < 300 && !text.includes("<") ? text : "";
  };

  document.addEventListener("htmx:response:error", async (event) => {
    const context = event.detail.ctx;
    const status = context.response.status;
    // The form shows these beside its fields.
    if (status === 422 && context.sourceElement?.closest("[data-shows-errors]")) return;
    say((await reason(context)) || `The hub could not do that (${status}). Its log tells why.`);
  });

  document.addEventListener("htmx:error", (event) => {
    const context = event.detail.ctx;
    if (!context || context.response || context.sourceElement?.id === "live-poll") return;
    say("The hub does not answer. Is it still running?");
  });

  // A step back was taken: its toast has said what it had to say. Not sooner, or the answer would
  // have nowhere to go.
  document.addEventListener("htmx:finally:request", (event) => {
    const context = event.detail.ctx;
    const button = context.sourceElement?.closest?.("[data-undo]");
    if (button && (context.response?.status ?? 500) < 400) button.closest(".toast")?.remove();
  });

  document.addEventListener("click", (event) => {
    event.target.closest?.("[data-dismiss]")?.closest(".toast")?.remove();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const area = document.getElementById("toasts");
    new MutationObserver(() => area.querySelectorAll(".toast").forEach(watch)).observe(area, { childList: true });
    area.querySelectorAll(".toast").forEach(watch);
  });
})();
