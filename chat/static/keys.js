// What can be done by keys. The sheet, the hints beside controls and what a screen reader is told
// of them are drawn from this one table. Mod is ⌘ on a Mac, else Ctrl.

const TABLE = [
  { act: "new", text: "new_chat", keys: "Mod+Shift+o" },
  { act: "find", text: "search_label", keys: "Mod+k" },
  { act: "question", text: "keys_question", keys: "Shift+Escape" },
  { act: "picker", text: "model_pick", keys: "Mod+Shift+m" },
  { act: "modes", text: "guard_pick", keys: "Mod+Shift+g" },
  { act: "stop", text: "keys_stop", keys: "Mod+." },
  { act: "retry", text: "keys_retry", keys: "Mod+Shift+Enter" },
  { act: "copy", text: "keys_copy", keys: "Mod+Shift+c" },
  { act: "settings", text: "settings", keys: "Mod+," },
  { act: "keys", text: "keys_title", keys: "Mod+/" },
];
const BY_THEMSELVES = [  // what the fields and menus do
  { text: "send", keys: "Enter" },
  { text: "keys_line", keys: "Shift+Enter" },
  { text: "keys_close", keys: "Escape" },
];
const SIGNS = { Comma: ",", Period: ".", Slash: "/" };  // keys that need Shift on some layouts
const QUESTION_MARKS = ["?", "؟", "？"];
const FIELD = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])";
const ALONE = "candor-keys-alone";

const onMac = /mac|iphone|ipad/i.test(navigator.userAgentData?.platform ?? navigator.platform);
const names = onMac ? { Mod: "⌘", Shift: "⇧", Enter: "↩", Escape: "esc" } : { Mod: "Ctrl", Shift: "⇧", Escape: "Esc" };
const spoken = { Mod: onMac ? "Meta" : "Control" };  // as aria-keyshortcuts has it

export function keys({ root, state, does }) {
  const sheet = root.querySelector("dialog.keys");
  const alone = sheet.querySelector('[name="alone"]');
  alone.checked = localStorage.getItem(ALONE) !== "off";
  alone.addEventListener("change", () => localStorage.setItem(ALONE, alone.checked ? "on" : "off"));
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
  document.addEventListener("keydown", onKey);
  for (const { act, keys } of TABLE) {
    for (const control of root.querySelectorAll(`[data-keys="${act}"]`)) control.setAttribute("aria-keyshortcuts", parts(keys, spoken).join("+"));
    for (const place of root.querySelectorAll(`kbd[data-of="${act}"]`)) place.textContent = parts(keys, names).join(" ");
  }

  function onKey(event) {
    if (event.isComposing || event.keyCode === 229 || event.repeat || event.altKey) return;
    const act = asksForSheet(event) ? "keys" : meant(event)?.act;
    const open = root.querySelector("dialog[open]");
    if (!act || (open && open !== sheet)) return;  // what is typed in another dialog is not to be lost
    event.preventDefault();
    sheet.close();
    if (act !== "keys") does[act](); else if (open !== sheet) show();
  }

  // One character alone can be switched off: who dictates says it in passing.
  function asksForSheet(event) {
    return alone.checked && QUESTION_MARKS.includes(event.key) && !event.ctrlKey && !event.metaKey && !event.target.closest(FIELD);
  }

  function show() {
    sheet.querySelector("dl").replaceChildren(...[...TABLE, ...BY_THEMSELVES].map(row));
    sheet.showModal();
  }

  function row({ text, keys }) {
    const line = document.createElement("div");
    const pressed = Object.assign(document.createElement("dd"), { dir: "ltr" });
    pressed.append(...parts(keys, names).map((name) => Object.assign(document.createElement("kbd"), { textContent: name })));
    line.append(Object.assign(document.createElement("dt"), { textContent: state.say[text] }), pressed);
    return line;
  }

  return { show };
}

const parts = (keys, called) => keys.split("+").map((key) => called[key] ?? (key.length === 1 ? key.toUpperCase() : key));

// By the letter that the layout has; where it has no such letter, by the key's place on others.
function meant(event) {
  const [mod, other] = onMac ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  if (other) return undefined;
  const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const placed = /^[a-z]$/.test(typed) ? "" : event.code.match(/^Key(.)$/)?.[1].toLowerCase() ?? (/^[!-~]$/.test(typed) ? "" : SIGNS[event.code]);
  const held = (key) => [mod && "Mod", event.shiftKey && !Object.values(SIGNS).includes(key) && "Shift", key].filter(Boolean).join("+");
  const found = (key) => key && TABLE.find((one) => one.keys === held(key));
  return found(typed) || found(placed);
}
