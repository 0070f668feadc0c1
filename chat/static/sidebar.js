// The list of conversations: its pages as one scrolls, entries that change, and the search.
// Entries stand from the greatest `data-place` to the least.

const WAIT = 200;  // milliseconds after the last letter typed
const AGAIN = 3000;  // milliseconds until a page that did not come is asked for again

export function conversations(root, attempt, api) {
  const region = (name) => root.querySelector(`[data-region="${name}"]`);
  const list = region("sidebar"), results = region("results"), field = region("find"), status = region("found");
  const near = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) further(); }, { root: list, rootMargin: "600px" });
  let current = null, typed = 0;

  const entry = (id) => list.querySelector(`[data-conversation="${id}"]`);
  const group = (key) => list.querySelector(`[data-group="${key}"]`);
  const end = () => list.querySelector(".further");
  const fragment = (html) => Object.assign(document.createElement("div"), { innerHTML: html });

  function put(html) {
    if (html == null) return;
    list.innerHTML = html;
    watch();
  }

  // --- pages -------------------------------------------------------------------------------------

  function watch() {
    near.disconnect();
    if (end()) near.observe(end());
  }

  async function further() {
    near.disconnect();
    const marker = end();
    const page = await attempt(() => api(`/conversations?${new URLSearchParams({ after: marker.dataset.after })}`));
    if (marker !== end()) return;
    if (!page) { setTimeout(watch, AGAIN); return; }
    marker.remove();
    for (const part of [...fragment(page.sidebar).children]) {
      part.querySelectorAll(".conv").forEach((one) => entry(one.dataset.conversation)?.remove());
      const there = part.dataset.group && group(part.dataset.group);
      if (there) there.querySelector("ul").append(...part.querySelectorAll(".conv")); else list.append(part);
    }
    tidy();
    watch();
  }

  // --- one entry ---------------------------------------------------------------------------------

  function settle(html) {
    const fresh = html && fragment(html).querySelector(".group");
    const item = fresh?.querySelector(".conv");
    if (!item) return;
    const old = entry(item.dataset.conversation);
    if (old?.querySelector("input")) return;  // it is being renamed
    old?.remove();
    if (end() && item.dataset.place < end().dataset.after) { tidy(); return; }  // a later page holds it
    const follows = (one) => one.dataset.place < item.dataset.place;
    const there = group(fresh.dataset.group);
    const before = [...(there ?? list).querySelectorAll(".conv")].find(follows);
    if (there) there.querySelector("ul").insertBefore(item, before ?? null);
    else list.insertBefore(fresh, before?.closest(".group") ?? end());
    tidy();
  }

  function drop(id) {
    entry(id)?.remove();
    results.querySelector(`[data-conversation="${id}"]`)?.remove();
    tidy();
  }

  function tidy() {
    list.querySelectorAll(".group:not(:has(.conv))").forEach((empty) => empty.remove());
    const none = list.querySelector(".none");
    if (none) none.hidden = Boolean(list.querySelector(".conv") || end());
    mark(current);
  }

  function mark(id) {
    current = id;
    for (const one of root.querySelectorAll(".list .conv")) {
      const on = one.dataset.conversation === id;
      one.classList.toggle("on", on);
      if (on) one.querySelector("a")?.setAttribute("aria-current", "page"); else one.querySelector("a")?.removeAttribute("aria-current");
    }
  }

  // --- the search --------------------------------------------------------------------------------

  function leave() {
    typed += 1;
    field.value = status.textContent = results.innerHTML = "";
    results.hidden = true;
    list.hidden = false;
  }

  async function find() {
    const mine = typed += 1;
    const q = field.value.trim();
    if (!q) { if (!results.hidden) leave(); return; }
    const found = await attempt(() => api(`/search?${new URLSearchParams({ q })}`));
    if (!found || mine !== typed) return;
    results.innerHTML = found.results;
    status.textContent = found.status;
    results.hidden = false;
    list.hidden = true;
    results.scrollTop = 0;
    mark(current);
  }

  field.addEventListener("input", () => {
    clearTimeout(find.timer);
    find.timer = setTimeout(find, field.value.trim() ? WAIT : 0);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing || !field.value) return;
    event.preventDefault();
    event.stopPropagation();
    clearTimeout(find.timer);
    leave();
  });

  return { put, settle, drop, mark, entry, shown: () => list.childElementCount > 0 };
}
