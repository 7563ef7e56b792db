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

  // As the hub's own pages write what can't be seen or turns the reading direction.
  const LIES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2400-\u2426\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;
  const code = (letter) => letter.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  const marked = (text) => text.replace(LIES, (letter) => `⟨U+${code(letter)}⟩`);

  const say = (raw) => {
    const text = marked(raw);
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

  document.addEventListener("hub:failure", (event) => say(event.detail));

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
