// [data-until] counts down to a time, in the words of the server: two units at most.
(() => {
  "use strict";
  const words = (seconds) => {
    if (seconds <= 0) return "over";
    const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds % 86400 / 3600), Math.floor(seconds % 3600 / 60), Math.floor(seconds % 60)];
    if (d) return h ? `${d} d ${h} h` : `${d} d`;
    if (h) return m ? `${h} h ${m} min` : `${h} h`;
    if (m >= 10) return `${m} min`;
    return m ? `${m} min ${s} s` : `${s} s`;
  };
  const tick = () => {
    for (const place of document.querySelectorAll("[data-until]")) {
      const text = words((Date.parse(place.dataset.until) - Date.now()) / 1000);
      if (place.textContent !== text) place.textContent = text;
    }
  };
  setInterval(tick, 1000);
  document.addEventListener("htmx:after:swap", tick);
})();
