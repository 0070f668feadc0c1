// Which tools the model may use: off in a new conversation, then as the conversation keeps it.

export function toolbox({ root, region, state, api, attempt, conversationPath }) {
  const opener = root.querySelector(".kit-opener");
  const place = root.querySelector(".kit");
  const items = region("kit");

  items.addEventListener("keydown", walk);

  const chosen = () => [...items.querySelectorAll('[aria-checked="true"]')];

  function put(html) {
    items.innerHTML = html ?? "";
    opener.hidden = html == null;
    region("share-tools").hidden = html == null;
    tell();
  }

  function tell() {
    const names = chosen().map((item) => item.dataset.title);
    region("kit-chosen").textContent = names.length > 1 ? names.length : names[0] ?? state.say.tools_off;
    opener.classList.toggle("on", names.length > 0);
  }

  function menu(open) {
    if (!open && items.contains(document.activeElement)) opener.focus();
    place.hidden = !open;
    opener.setAttribute("aria-expanded", open);
    if (open) items.querySelector("button").focus();
  }

  function walk(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const all = [...items.querySelectorAll("button")];
    all.at((all.indexOf(document.activeElement) + steps[event.key]) % all.length).focus();
  }

  function check(item, on) {
    item.setAttribute("aria-checked", on);
    tell();
  }

  const ids = () => chosen().map((item) => item.dataset.tool);
  const acts = {
    kit: () => menu(place.hidden),
    tool: async (item) => {
      const on = item.getAttribute("aria-checked") !== "true";
      check(item, on);
      if (!state.conversation) return;
      if (!await attempt(() => api(conversationPath(), { tools: ids() }, "PATCH"))) check(item, !on);
    },
  };

  return { acts, menu, put, ids };
}
