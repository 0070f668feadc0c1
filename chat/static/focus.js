// Focus stays where the reader was, when what had it is drawn anew, hidden or gone.

const CONTROL = "button, a, summary, input, textarea";
const PLACES = ".turn, [data-conversation]";

export function keepingFocus({ root, home }) {
  let last = null;  // what has focus, and where it stands
  let missed = null;  // what had it, while one beside it stands in: a pager comes again with the next reply
  let ours = false;  // it is not the reader who moves it

  root.addEventListener("focusin", ({ target }) => { last = placeOf(target); if (!ours) missed = null; });
  root.addEventListener("keydown", () => { missed = null; });
  root.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
    if (last?.element === target && usable(target)) last = null;  // the reader left it
  }));
  new MutationObserver(look).observe(root, { childList: true, subtree: true, attributeFilter: ["hidden", "disabled"] });

  const usable = (element) => element.isConnected && !element.disabled && element.checkVisibility();
  const free = () => [document.body, last.element].includes(document.activeElement) && !root.querySelector("dialog[open]");
  const alike = (one, { act }) => act && one?.dataset.act === act;

  function look(changes) {
    if (!last || !free()) return;
    if (missed && alike(heir(missed), missed)) { move(missed); return; }
    if (last.element.isConnected && !changes.some((one) => one.type === "attributes")) return;
    if (usable(last.element)) { if (document.activeElement !== last.element) last.element.focus({ preventScroll: true }); return; }
    if (last.element.isConnected && last.element.disabled) return;  // it waits for an answer
    move(missed ?? last);
  }

  function move(from) {
    const found = heir(from);
    ours = true;
    (found ?? home()).focus({ preventScroll: true });
    ours = false;
    missed = found && !alike(found, from) ? from : null;
  }

  // The control that took its place: the same one of a pager, which moves with its reply; else the
  // same one of that reply, else one beside it.
  function heir(from) {
    const { place, part, label } = from;
    const there = place && root.querySelectorAll(place.selector)[place.index];
    if (!there) return null;
    const controls = [...there.querySelectorAll(CONTROL)].filter(usable);
    const same = (one) => alike(one, from);
    const near = (one) => part && partOf(one) === part;
    const order = [(one) => same(one) && label && one.getAttribute("aria-label") === label, (one) => same(one) && label, (one) => same(one) && near(one), near, same];
    return order.map((fits) => controls.find(fits)).find(Boolean);
  }

  function placeOf(element) {
    const scope = element.closest(PLACES);
    const selector = scope?.dataset.conversation ? `[data-conversation="${scope.dataset.conversation}"]` : ".turn";
    return {
      element,
      place: scope && { selector, index: scope.dataset.conversation ? 0 : [...root.querySelectorAll(selector)].indexOf(scope) },
      part: partOf(element),
      act: element.dataset.act,
      label: element.getAttribute("aria-label"),
    };
  }
}

// A part of a reply, by which reply of its turn it is of.
function partOf(element) {
  const part = element.closest("[data-part]");
  return part && `${[...part.closest(".replies").children].indexOf(part.closest(".reply"))} ${part.dataset.part}`;
}
