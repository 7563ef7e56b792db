// [data-follows] links keep what is typed and chosen above the list: the address says it, and these
// links stand outside of what a search fetches again.
(() => {
  "use strict";
  const TYPED = ["q", "kind"];

  const follow = () => {
    const now = new URLSearchParams(location.search);
    for (const link of document.querySelectorAll("a[data-follows]")) {
      const address = new URL(link.href);
      for (const name of TYPED) {
        const value = now.get(name);
        if (value) address.searchParams.set(name, value);
        else address.searchParams.delete(name);
      }
      if (address.href !== link.href) link.href = address.pathname + address.search;
    }
  };

  document.addEventListener("htmx:after:history:replace", follow);
  document.addEventListener("htmx:after:history:push", follow);
  document.addEventListener("htmx:after:swap", follow);
})();
