// What the operator tells all readers, above the thread, until they close it.

const CLOSED = "candor-banner-closed";

export function announcing(root) {
  const place = root.querySelector(".banner");
  let shown = null;

  place.querySelector("button").addEventListener("click", () => {
    localStorage.setItem(CLOSED, shown);
    place.hidden = true;
    root.querySelector(".scroll").focus();
  });

  return (banner) => {
    shown = banner?.id ?? null;
    place.hidden = !banner || localStorage.getItem(CLOSED) === shown;
    if (!banner) return;
    place.dataset.kind = banner.kind;
    place.querySelector("span").textContent = banner.text;
  };
}
