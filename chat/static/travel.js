// How conversations leave and come: links, exports, print, imports.

const MOST = 20_000_000;  // bytes of a file, as the server says

export function travelling({ root, region, state, api, attempt, put, list, toast, copy, conversationPath }) {
  const place = root.querySelector(".travel");
  const items = place.querySelector(".leave");
  const dialog = root.querySelector("dialog.share");
  const file = root.querySelector('dialog.settings input[name="import"]');
  const made = region("link");
  let closed = [];

  items.addEventListener("keydown", walk);
  file.addEventListener("change", () => take(file.files[0]));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  // what is folded would be missing on paper
  addEventListener("beforeprint", () => { closed = [...root.querySelectorAll(".facts:not([open])")]; closed.forEach((facts) => { facts.open = true; }); });
  addEventListener("afterprint", () => closed.forEach((facts) => { facts.open = false; }));

  function offer() {
    place.hidden = !state.conversation || state.temporary;
    for (const link of items.querySelectorAll("[data-export]")) link.href = `/candor${conversationPath(`/export.${link.dataset.export}`)}`;
  }

  function menu(open) {
    const opener = place.querySelector(".travels");
    if (!open && items.contains(document.activeElement)) opener.focus();
    items.hidden = !open;
    opener.setAttribute("aria-expanded", open);
    if (open) items.firstElementChild.focus();
  }

  function walk(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const all = [...items.children];
    all.at((all.indexOf(document.activeElement) + steps[event.key]) % all.length).focus();
  }

  function link(path) {
    for (const part of [made, dialog.querySelector('[data-act="copy-made"]')]) part.hidden = !path;
    made.value = path ? location.origin + path : "";
  }

  async function take(chosen) {
    if (!chosen) return;
    if (chosen.size > MOST) { tell([state.say.import_not_large]); return; }
    tell([state.say.import_reading]);
    try {
      const response = await fetch("/candor/import", { method: "POST", headers: { "X-Candor": "1" }, body: chosen });
      const answer = await response.json().catch(() => ({}));
      tell(response.ok ? answer.said : [answer.detail ?? state.say.failed_request]);
      list.put(answer.sidebar);
    } catch { tell([state.say.offline]); }
    file.value = "";
  }

  function tell(lines) {
    region("report").replaceChildren(...lines.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  }

  const shareOf = (element) => element.closest("[data-share]").dataset.share;
  const acts = {
    travels: () => menu(items.hidden),
    share: async () => {
      const found = await attempt(() => api(conversationPath("/shares")));
      if (!found) return;
      put("shares", found.shares);
      dialog.querySelector("input").checked = false;
      link(null);
      dialog.showModal();
    },
    "make-link": async () => {
      const answer = await said(() => api(conversationPath("/shares"), { thoughts: dialog.querySelector("input").checked }));
      if (!answer) return;
      put("shares", answer.shares);
      link(answer.path);
      made.focus();
      made.select();
    },
    "copy-made": (element) => copy(element, made.value),
    "copy-link": (element) => copy(element, `${location.origin}/s/${shareOf(element)}`),
    revoke: async (element) => {
      const token = shareOf(element);
      const answer = await said(() => api(conversationPath(`/shares/${token}`), undefined, "DELETE"));
      if (!answer) return;
      put("shares", answer.shares);
      if (made.value.endsWith(token)) link(null);
    },
    print: () => print(),
    import: () => file.click(),
  };

  async function said(work) {  // a toast would stand behind the dialog
    const answer = await attempt(work);
    if (!answer) dialog.close();
    return answer;
  }

  return { acts, offer, menu };
}
