// A question while it is edited: it stays as it is when what stands around it is drawn anew.

export function editing(element, on) {
  const asked = element.closest(".asked");
  shown(asked, on);
  if (!on) asked.querySelector(".editor").reset();
  asked.querySelector(on ? "textarea" : '[data-act="edit"]').focus();
}

export function keepingEdits(root, draw) {
  const typing = document.activeElement;
  const edits = [...root.querySelectorAll(".editor:not([hidden])")].map((editor) => [editor, editor.closest("[data-turn]").dataset.turn]);
  draw();
  for (const [editor, turn] of edits) {
    const fresh = root.querySelector(`[data-turn="${turn}"] .editor`);
    if (!fresh || fresh === editor) continue;
    fresh.replaceWith(editor);
    shown(editor.closest(".asked"), true);
    if (editor.contains(typing)) typing.focus({ preventScroll: true });
  }
}

function shown(asked, on) {
  asked.querySelector(".editor").hidden = !on;
  asked.querySelector(".user").hidden = on;
  asked.querySelector(".tools").hidden = on;
}
