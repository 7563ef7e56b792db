// [data-picture] names where a model's picture is put: one that is pasted, dropped there or chosen from the disk.
// [data-film] plays while it is pointed at.
(() => {
  "use strict";
  const place = () => document.querySelector("[data-picture]");
  const token = () => JSON.parse(document.body.getAttribute("hx-headers:inherited"))["X-Hub-Token"];
  const fail = (detail) => document.dispatchEvent(new CustomEvent("hub:failure", { detail }));

  const send = async (file) => {
    const headers = { "Content-Type": file.type, "X-Hub-Token": token() };
    try {
      const answer = await fetch(place().dataset.picture, { method: "PUT", headers, body: file });
      if (answer.ok) {
        location.reload();
      } else {
        fail((await answer.json()).detail);
      }
    } catch {
      fail("The hub does not answer. Is it still running?");
    }
  };

  const pictureOf = (files) => [...(files ?? [])].find((file) => file.type.startsWith("image/"));

  document.addEventListener("paste", (event) => {
    const picture = place() && pictureOf(event.clipboardData?.files);
    if (!picture) return;
    event.preventDefault();
    send(picture);
  });

  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const target = event.target.closest?.("[data-picture]");
      place()?.classList.toggle("is-target", Boolean(target) && kind === "dragover");
      if (!target || kind === "dragleave") return;
      event.preventDefault();
      if (kind !== "drop") return;
      const picture = pictureOf(event.dataTransfer?.files);
      if (picture) send(picture);
      else fail("This is no picture: take a PNG, JPEG, WebP or GIF.");
    });
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-picture-file]") && event.target.files.length) send(event.target.files[0]);
  });

  const film = (event) => event.target.closest?.(".tile")?.querySelector("[data-film]");
  document.addEventListener("pointerover", (event) => film(event)?.play().catch(() => {}));
  document.addEventListener("pointerout", (event) => {
    const tile = event.target.closest?.(".tile");
    if (tile && !tile.contains(event.relatedTarget)) tile.querySelector("[data-film]")?.pause();
  });
})();
