// Three steps for who comes first, each beside what it is about. It waits at the side: one can type,
// ask or do anything else meanwhile, and a question ends it.

const STEPS = [
  { beside: "header .pick", title: "tour_models", text: "tour_models_about" },
  { beside: ".box .mode", title: "tour_guard", text: "tour_guard_about" },
  { beside: ".examples button", title: "tour_strip", text: "tour_strip_about" },
];
const SEEN = "candor-toured";
const GAP = 12;  // pixels
const LEAST = 500;  // pixels of height in which it finds room

export function touring({ root, state, say, home, drawer, question }) {
  const card = root.querySelector(".tour");
  const next = card.querySelector('[data-act="tour-next"]');
  let step = 0;

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing && !card.hidden && !root.querySelector("dialog[open]")) end();
  });
  addEventListener("resize", () => { if (!card.hidden) put(); });

  const beside = () => root.querySelector(STEPS[step].beside);

  function show() {
    const { title, text } = STEPS[step];
    const last = step === STEPS.length - 1;
    card.querySelector("h2").textContent = state.say[title];
    card.querySelector("p").textContent = state.say[text];
    card.querySelector(".count").textContent = state.say.of.replace("{n}", step + 1).replace("{total}", STEPS.length);
    next.textContent = last ? state.say.tour_done : state.say.tour_next;
    card.querySelector('[data-act="tour-skip"]').hidden = last;
    card.hidden = false;
    put();
    say(`${state.say[title]}. ${state.say[text]}`);
  }

  function put() {
    root.querySelector(".pointed")?.classList.remove("pointed");
    const target = beside();
    if (!target) { end(); return; }
    target.classList.add("pointed");
    target.scrollIntoView({ block: "nearest" });
    const there = (target.closest(".box") ?? target).getBoundingClientRect(), { width, height } = card.getBoundingClientRect();
    const start = document.documentElement.dir === "rtl" ? there.right - width : there.left;
    const below = there.bottom + GAP + height < innerHeight;
    card.style.left = `${Math.max(GAP, Math.min(start, innerWidth - width - GAP))}px`;
    card.style.top = `${Math.max(GAP, below ? there.bottom + GAP : there.top - GAP - height)}px`;
  }

  function end() {
    if (card.hidden) return;
    localStorage.setItem(SEEN, "1");
    root.querySelector(".pointed")?.classList.remove("pointed");
    const inside = card.contains(document.activeElement);
    card.hidden = true;
    if (inside) question.focus();
  }

  function begin() {
    step = 0;
    show();
  }

  const acts = {
    "tour-next": () => { if (step + 1 === STEPS.length) end(); else { step += 1; show(); } },
    "tour-skip": end,
    tour: async () => {
      root.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
      drawer(false);
      if (!root.querySelector(".examples")) await home();
      begin();
      next.focus();
    },
  };

  function offer() {
    if (!root.querySelector(".examples")) end();
    else if (card.hidden && !localStorage.getItem(SEEN) && !new URLSearchParams(location.search).has("c") && innerHeight >= LEAST) begin();
  }

  return { acts, offer, end };
}
