// The page of the models: filters the cards that the server has set, and keeps the choice in the address.

const NAMES = ["origin", "lineage", "licence", "size", "data"];
const all = (selector) => [...document.querySelectorAll(selector)];
const region = (name) => document.querySelector(`[data-region="${name}"]`);
const filter = document.querySelector(".filter");
const form = filter.querySelector("form");
const cards = all(".model");
const bars = all("[data-origin]:not(.model)");
const boxes = all('.filter input[type="checkbox"]');
const wide = matchMedia("(min-width: 900px)");
const most = Number(document.querySelector("[data-most]").dataset.most);
let chosen = asked();

// --- what is chosen ------------------------------------------------------------------------------

function offered(name) {
  return name === "origin" ? bars.map((bar) => bar.dataset.origin) : boxes.filter((box) => box.name === name).map((box) => box.value);
}

function asked() {
  const address = new URLSearchParams(location.search);
  const groups = NAMES.map((name) => [name, new Set(address.getAll(name).filter((value) => offered(name).includes(value)))]);
  return { q: (address.get("q") ?? "").slice(0, 200), ...Object.fromEntries(groups) };
}

function keep() {
  const address = new URLSearchParams(chosen.q ? { q: chosen.q } : {});
  for (const name of NAMES) for (const value of chosen[name]) address.append(name, value);
  const query = address.toString();
  history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
}

const isChosen = () => Boolean(chosen.q.trim()) || NAMES.some((name) => chosen[name].size);

// --- what fits -----------------------------------------------------------------------------------

function fits(card, but = null) {
  const words = chosen.q.toLowerCase().split(/\s+/);
  return words.every((word) => card.dataset.words.includes(word))
    && NAMES.every((name) => name === but || !chosen[name].size || chosen[name].has(card.dataset[name]));
}

function show() {
  const fitting = cards.filter((card) => fits(card));
  for (const card of cards) card.hidden = !fitting.includes(card);
  form.elements.q.value = chosen.q;
  for (const bar of bars) {
    bar.setAttribute("aria-pressed", chosen.origin.has(bar.dataset.origin));
    count(bar, "origin", bar.dataset.origin);
    draw(bar);
  }
  for (const box of boxes) {
    box.checked = chosen[box.name].has(box.value);
    count(box.parentElement, box.name, box.value);
  }
  const shown = document.body.dataset.of.replace("{n}", fitting.length).replace("{total}", cards.length);
  region("count").textContent = isChosen() ? shown : cards.length;
  region("active").textContent = isChosen() ? `· ${shown}` : "";
  region("none").hidden = fitting.length > 0;
  form.querySelector(".clear").disabled = !isChosen();
  document.querySelector(".heading .clear").hidden = !isChosen() || !fitting.length;
}

// Which cards would fit with this choice: the other groups hold.
const having = (name, value) => cards.filter((card) => card.dataset[name] === value && fits(card, name));

function count(element, name, value) {
  const number = having(name, value).length;
  element.querySelector("[data-count]").textContent = number;
  element.classList.toggle("nobody", number === 0);
}

function draw(bar) {
  const found = having("origin", bar.dataset.origin);
  const elsewhere = found.filter((card) => card.dataset.lineage === "elsewhere").length;
  const share = (number) => `${(100 * number) / most}%`;
  bar.querySelector(".own").setAttribute("width", share(found.length - elsewhere));
  bar.querySelector(".elsewhere").setAttribute("x", share(found.length - elsewhere));
  bar.querySelector(".elsewhere").setAttribute("width", share(elsewhere));
}

// --- what the reader does ------------------------------------------------------------------------

function toggle(name, value) {
  if (!chosen[name].delete(value)) chosen[name].add(value);
  keep();
  show();
}

function clear() {
  chosen = { q: "", ...Object.fromEntries(NAMES.map((name) => [name, new Set()])) };
  keep();
  show();
}

const acts = {
  clear: (button) => { clear(); if (!button.checkVisibility() || button.disabled) region("count").closest("section").focus({ preventScroll: true }); },
};

function named() { try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; } }

// A link to a card that the filters hide shows it all the same.
function toCard() {
  const card = document.getElementById(named());
  if (!card?.matches(".model")) return;
  if (card.hidden) clear();
  card.scrollIntoView();
  card.focus({ preventScroll: true });
}

function lay() { filter.open = wide.matches || (filter.open && isChosen()); }

form.addEventListener("change", (event) => { if (event.target.type === "checkbox") toggle(event.target.name, event.target.value); });
form.addEventListener("input", (event) => { if (event.target.name === "q") { chosen.q = event.target.value; keep(); show(); } });
form.addEventListener("submit", (event) => event.preventDefault());
for (const bar of bars) bar.addEventListener("click", () => toggle("origin", bar.dataset.origin));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) acts[button.dataset.act]?.(button);
  if (event.target.closest('a[href^="#"]')) setTimeout(toCard);  // once more where the address is the same
});
window.addEventListener("hashchange", toCard);
window.addEventListener("popstate", () => { chosen = asked(); show(); });
wide.addEventListener("change", lay);

filter.hidden = false;
for (const bar of bars) bar.disabled = false;
lay();
show();
toCard();
