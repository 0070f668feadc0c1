// Focus stays where the reader was, when what had it is drawn anew, hidden or gone.

const CONTROL = "button, a, summary, input, textarea";
const PLACES = ".turn, [data-conversation]";

export function keepingFocus({ root, home }) {
  let last = null;  // what has focus, and where it stands

  root.addEventListener("focusin", ({ target }) => { last = placeOf(target); });
  root.addEventListener("focusout", ({ target }) => queueMicrotask(() => {
    if (last?.element === target && usable(target)) last = null;  // the reader left it
  }));
  new MutationObserver(look).observe(root, { childList: true, subtree: true, attributeFilter: ["hidden", "disabled"] });

  const usable = (element) => element.isConnected && !element.disabled && element.checkVisibility();
  const free = () => [document.body, last.element].includes(document.activeElement) && !root.querySelector("dialog[open]");

  function look(changes) {
    if (!last || (last.element.isConnected && !changes.some((one) => one.type === "attributes")) || !free()) return;
    if (usable(last.element)) { if (document.activeElement !== last.element) last.element.focus({ preventScroll: true }); return; }
    if (last.element.isConnected && last.element.disabled) return;  // it waits for an answer
    (heir(last) ?? home()).focus({ preventScroll: true });
  }

  // The control that took its place: the same one of a pager, which moves with its reply; else the
  // same one of that reply, else one beside it.
  function heir({ place, part, act, label }) {
    const there = place && root.querySelectorAll(place.selector)[place.index];
    if (!there) return null;
    const controls = [...there.querySelectorAll(CONTROL)].filter(usable);
    const alike = (one) => act && one.dataset.act === act;
    const near = (one) => part && partOf(one) === part;
    const order = [(one) => alike(one) && label && one.getAttribute("aria-label") === label, (one) => alike(one) && label, (one) => alike(one) && near(one), near, alike];
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
