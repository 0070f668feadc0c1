// What a screen reader is told while a reply comes in: who answers, what the guard says, how it
// ended. It is never read word by word: the thread itself is no live region.

const OPENING = 14;  // words of a finished reply that are said

export function hearing({ root, region, state }) {
  const place = region("heard");
  const thread = region("thread");
  let running = null, before = new Set(), told = new Set(), waiting = [];

  new MutationObserver(look).observe(thread, { childList: true, subtree: true, attributeFilter: ["aria-busy", "data-state"] });

  function look() {
    const busy = thread.getAttribute("aria-busy") === "true";
    if (busy && !running) begin();
    if (!running) return;
    const replies = thread.querySelectorAll(`[data-turn="${running}"] .reply`);
    for (const reply of replies) if (!before.has(reply.dataset.reply)) follow(reply);
    if (!busy) running = null;
  }

  function begin() {
    const turn = thread.querySelector('.turn:has([data-state="streaming"])') ?? [...thread.querySelectorAll(".turn")].at(-1);
    running = turn?.dataset.turn ?? null;
    before = new Set([...(turn?.querySelectorAll('.reply:not([data-state="streaming"])') ?? [])].map((reply) => reply.dataset.reply));
    told = new Set();
  }

  function follow(reply) {
    const said = (selector) => reply.querySelector(selector)?.textContent.replace("◑", "").trim().replace(/\s+/g, " ") ?? "";
    const model = said(".chip h3");
    if (model) once(reply, "begins", [said(".join"), fill(state.say.heard_begins, { model })]);
    if (reply.dataset.state !== "streaming") once(reply, "guard", [said(".guard h4"), said(".guard h4 + p")]);  // its last word
    once(reply, "fault", [said(".fault")]);
    for (const note of reply.querySelectorAll(".note")) once(reply, note.textContent, [note.textContent]);
    if (reply.dataset.state === "done") once(reply, "ends", [ending(reply.querySelector(".text").innerText)]);
  }

  function ending(text) {
    const words = [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].filter((one) => one.isWordLike);
    if (!words.length) return "";
    const last = words[Math.min(OPENING, words.length) - 1];
    const opening = text.slice(0, last.index + last.segment.length).replace(/\s+/g, " ");
    return `${fill(state.say.heard_ends, { n: words.length })} ${opening}${words.length > OPENING ? "…" : ""}`;
  }

  function once(reply, what, lines) {
    const key = `${reply.dataset.reply} ${what}`;
    const text = lines.filter(Boolean).join(". ").replaceAll("..", ".");
    if (!text || told.has(key)) return;
    told.add(key);
    say(text);
  }

  // What comes at once is said in one: a second text would take the place of the first unheard.
  function say(text) {
    waiting.push(text);
    if (waiting.length > 1) return;
    setTimeout(() => {
      place.replaceChildren(...waiting.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
      waiting = [];
    }, 150);
  }

  return { say };
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
