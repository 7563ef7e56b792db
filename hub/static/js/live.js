// The page's live socket: shows whether it stands, polls while it doesn't, and passes on "this list
// has changed" so that lists fetch themselves again.
(() => {
  "use strict";
  const GRACE = 1500;
  const POLL = 10000;
  let graceTimer = 0;
  let pollTimer = 0;

  const show = (connected) => {
    const banner = document.getElementById("reconnecting");
    const badge = document.getElementById("live-badge");
    const word = document.getElementById("live-word");
    if (!banner || !badge) return;
    banner.hidden = connected;
    badge.hidden = !connected;
    word.textContent = connected ? "Live" : "Offline";
  };

  const lost = () => {
    // A hidden page closes its socket on purpose and opens it again when it is looked at.
    if (document.hidden) return;
    graceTimer ||= setTimeout(() => show(false), GRACE);
    pollTimer ||= setInterval(() => htmx.trigger(document.body, "live-poll"), POLL);
  };

  const found = () => {
    clearTimeout(graceTimer);
    clearInterval(pollTimer);
    graceTimer = pollTimer = 0;
    show(true);
  };

  // A hub that was started again has another token: this page's forms would be refused.
  const sameLaunch = (launch) => {
    const meta = document.querySelector('meta[name="launch"]');
    if (!meta || meta.content === launch) return;
    const busy = document.querySelector("dialog[open]") || document.querySelector("form[data-dirty]");
    if (!busy) location.reload();
  };

  document.addEventListener("htmx:ws:after:connection", found);
  document.addEventListener("htmx:ws:close", (event) => {
    if (event.detail.reason !== "removed") lost();
  });
  document.addEventListener("htmx:ws:before:message:incoming", (event) => {
    const data = event.detail.message.data;
    if (typeof data !== "string" || !data.startsWith("{")) return;
    const message = JSON.parse(data);
    if (message.launch) sameLaunch(message.launch);
    for (const topic of message.changed ?? []) htmx.trigger(document.body, `${topic}-changed`);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(graceTimer);
      clearInterval(pollTimer);
      graceTimer = pollTimer = 0;
    }
  });
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.("form[data-keep]");
    if (form) form.dataset.dirty = "1";
  });
})();
