// What is shown becomes like what came, and only what differs is touched: a selection, focus, what is
// being typed, and what the reader has folded or unfolded stay.

const TYPED_IN = ".asked:has(.editor:not([hidden]))";

export function morph(old, html) { likeChildren(old, parsed(html)); }

export function morphWhole(old, html) {
  const fresh = parsed(html).firstElementChild;
  if (fresh && kind(old) === kind(fresh)) like(old, fresh); else old.outerHTML = html;
}

// Words that are behind others leave a selection of those as it is.
export function retell(text, words) {
  let same = 0;
  while (same < words.length && text.data[same] === words[same]) same += 1;
  text.replaceData(same, text.length - same, words.slice(same));
}

// In a template nothing is loaded before it is shown.
function parsed(html) {
  return Object.assign(document.createElement("template"), { innerHTML: html }).content;
}

function like(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) { retell(old, fresh.data); return; }
  if (old.matches(TYPED_IN)) return;
  likeAttributes(old, fresh);
  likeChildren(old, fresh);
}

function likeAttributes(old, fresh) {
  const kept = (name) => name === "open" && old.tagName === "DETAILS";
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !kept(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !kept(name)) old.setAttribute(name, value);
}

function likeChildren(old, fresh) {
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const wanted = kind(child);
    let found = next;
    while (found && kind(found) !== wanted) found = found.nextSibling;
    if (!found) { old.insertBefore(child, next); continue; }
    while (next !== found) next = removed(next);
    next = found.nextSibling;
    like(found, child);
  }
  while (next) next = removed(next);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// Nodes of another kind never stand in for each other: a button that does something else is another one.
function kind(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return node.nodeName;
  const { turn, reply, part, act } = node.dataset;
  return [node.localName, node.classList[0], turn, reply, part, act].join(" ");
}
