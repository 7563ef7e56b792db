// The details of a file have an entry of their own in the history, so that Back closes them and stays
// in the list. The hub pushes that entry; here Back is answered without loading the page again.
(() => {
  "use strict";
  let here = location.href;

  // The list of an address: without the file that is open and without the ticks.
  const list = (address) => {
    const url = new URL(address, location.origin);
    url.searchParams.delete("open");
    url.searchParams.delete("s");
    url.searchParams.sort();
    return url.pathname + url.search;
  };
  const open = (address) => new URL(address, location.origin).searchParams.get("open");

  document.addEventListener("htmx:after:history:push", () => {
    const was = here;
    here = location.href;
    // Close goes back to the list that is the entry before.
    if (!open(was) && open(here)) history.replaceState({ ...history.state, drawer: true }, "");
  });
  document.addEventListener("htmx:after:history:replace", () => {
    const own = list(here) === list(location.href) && open(here) && open(location.href) && pushed;
    here = location.href;
    if (own) history.replaceState({ ...history.state, drawer: true }, "");
  });
  let pushed = false;
  document.addEventListener("htmx:before:history:update", () => { pushed = Boolean(history.state?.drawer); });

  document.addEventListener("htmx:before:history:restore", (event) => {
    const was = here;
    here = location.href;
    const drawer = document.getElementById("drawer");
    if (!drawer || list(was) !== list(here)) return;
    event.preventDefault();
    const ticked = document.getElementById("selection-id")?.value;
    if (ticked && new URLSearchParams(location.search).get("s") !== ticked) {
      const url = new URL(location.href);
      url.searchParams.set("s", ticked);
      history.replaceState(history.state, "", url);
      here = location.href;
    }
    const path = open(here);
    if (!path) {
      drawer.replaceChildren();
      return;
    }
    const root = new URLSearchParams(location.search).get("root") ?? "local";
    const address = `/ui/library/drawer?${new URLSearchParams({ root, path })}`;
    htmx.ajax("GET", address, { source: "#drawer", target: "#drawer", swap: "innerHTML" }).catch(() => location.reload());
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.('[data-action="close-drawer"]') || !history.state?.drawer) return;
    event.preventDefault();
    event.stopPropagation();
    history.back();
  }, true);
})();
