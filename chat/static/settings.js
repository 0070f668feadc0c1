// The settings: each change is saved at once, and what became of it is said in the dialog itself.

export function setting({ root, region, state, api, attempt, put, open, setMode, applyTheme }) {
  const dialog = root.querySelector("dialog.settings");
  const saved = region("saved");
  const models = region("settable");
  const tabs = [...dialog.querySelectorAll('[role="tab"]')];
  const fields = [...dialog.querySelectorAll(".options [name]")];
  const sure = dialog.querySelector(".sure");
  let own = {};  // what is set, by model
  let saving = Promise.resolve();

  dialog.addEventListener("change", (event) => {
    if (fields.includes(event.target)) keepOptions(event.target);
    else changed[event.target.name]?.(event.target.value, event.target);
  });
  dialog.querySelector(".tabs").addEventListener("keydown", walk);

  function tell(text, wrong = false) {
    if (saved.textContent !== text) saved.textContent = text;
    saved.classList.toggle("wrong", wrong);
  }

  // what is out of range is told for as long as it is seen, whatever else is saved meanwhile
  function tellUnlessRefused(text) {
    const refused = fields.find((one) => one.matches('[aria-invalid="true"]') && one.checkVisibility());
    if (refused) tellRange(refused); else tell(text);
  }

  function tellRange({ min, max }) {
    tell(state.say.settings_range.replace("{least}", min).replace("{most}", max), true);
  }

  // a toast would stand behind the dialog
  async function keep(work) {
    tellUnlessRefused("");
    try {
      const answer = await work();
      tellUnlessRefused(state.say.settings_saved);
      return answer;
    } catch (error) {
      tell(error instanceof TypeError ? state.say.offline : error.message, true);
      return null;
    }
  }

  const prefer = (values) => keep(() => api("/preferences", values, "PATCH"));

  const changed = {
    preferred: async (mode) => {
      const answer = await prefer({ mode });
      if (answer && !state.conversation) setMode(answer.preferred);
    },
    language: async (language) => {
      if (!await prefer({ language: language || null })) return;
      await open(state.conversation, state.model);
      await load();
      tell(state.say.settings_saved);
    },
    theme: async (theme) => { applyTheme(theme); await prefer({ theme }); },
    model: async (model) => {
      if (!await prefer({ model: model || null })) return;
      await open(state.conversation, state.conversation ? state.model : model);
    },
    share_rated: async (_, box) => { if (!await prefer({ share_rated: box.checked })) box.checked = !box.checked; },
    for: () => fill(),
  };

  async function load() {
    for (const field of fields) field.disabled = true;  // what is typed before is not written over
    const now = await api("/settings").catch((error) => { tell(error.message ?? "", true); });
    if (!now) return;
    put("defaults", now.defaults);
    own = now.options;
    offer(now.models, state.model);
    fill();
    for (const field of fields) field.disabled = false;
  }

  function offer(html, model) {
    put("settable", html);
    models.value = model;
    if (models.selectedIndex < 0) models.selectedIndex = 0;
    offerToClear();
  }

  function fill() {
    const set = own[models.value] ?? {};
    for (const field of fields) { field.value = set[field.name] ?? ""; field.removeAttribute("aria-invalid"); }
    dialog.querySelector(".scripted-only").hidden = !models.selectedOptions[0]?.hasAttribute("data-scripted");
    offerToClear();
  }

  function offerToClear() {
    dialog.querySelector('[data-act="clear-options"]').hidden = !(models.value in own);
  }

  function keepOptions(field) {
    const wrong = !field.checkValidity();
    field.setAttribute("aria-invalid", wrong);
    if (wrong) { tellRange(field); return; }
    keepAll(Object.fromEntries(fields.filter((one) => one.value.trim() && one.checkValidity())
      .map((one) => [one.name, one.type === "number" ? one.valueAsNumber : one.value])));
  }

  // one after the other, and what is being typed meanwhile is left alone
  function keepAll(options) {
    const model = models.value;
    saving = saving.then(async () => {
      const answer = await keep(() => api("/settings/model", { model, options }, "PUT"));
      if (!answer) return;
      if (answer.shaped.includes(model)) own[model] = options; else delete own[model];
      offer(answer.models, models.value);
      if (!state.conversation || model === state.model) await open(state.conversation, state.model);
    });
  }

  async function count() {
    const now = await api("/stored").catch(() => null);
    put("stored", now?.stored);
  }

  function show(tab) {
    for (const one of tabs) {
      const on = one === tab;
      one.setAttribute("aria-selected", on);
      one.tabIndex = on ? 0 : -1;
      dialog.querySelector(`#${one.getAttribute("aria-controls")}`).hidden = !on;
    }
    tell("");
    confirming(false);
    if (tab === tabs.at(-1)) count();
  }

  function walk(event) {
    const forward = document.documentElement.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
    const step = { Home: "first", End: "last", ArrowLeft: forward === "ArrowLeft" ? 1 : -1, ArrowRight: forward === "ArrowRight" ? 1 : -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const to = { first: 0, last: tabs.length - 1 }[step] ?? (tabs.indexOf(event.target) + step + tabs.length) % tabs.length;
    show(tabs[to]);
    tabs[to].focus();
  }

  function confirming(on) {
    const asks = dialog.querySelector('[data-act="delete-data"]');
    sure.hidden = !on;
    asks.hidden = on;
    asks.setAttribute("aria-expanded", on);
    if (on) { sure.scrollIntoView({ block: "nearest" }); sure.querySelector('[data-act="keep-data"]').focus(); }
  }

  async function deleteAll() {
    const answer = await keep(() => api("/data", undefined, "DELETE"));
    if (!answer) return;
    for (const name of ["theme", "theme-changed", "language", "direction"]) localStorage.removeItem(`candor-${name}`);
    location.replace(location.pathname);
  }

  // below the picker's cards: what new conversations begin with
  function offerDefault() {
    const button = root.querySelector('[data-act="prefer-model"]');
    const name = region("picked").querySelector("b").textContent;
    const already = state.preferred === state.model;
    button.hidden = already;
    button.textContent = state.say.settings_make_default.replace("{model}", `\u2068${name}\u2069`);
    region("preferring").textContent = already ? state.say.settings_is_default.replace("{model}", `\u2068${name}\u2069`) : "";
  }

  async function preferModel() {
    const answer = await attempt(() => api("/preferences", { model: state.model }, "PATCH"));
    if (!answer) { root.querySelector("dialog.models").close(); return; }
    await open(state.conversation, state.model);
    offerDefault();
    region("preferring").focus();
  }

  return {
    offer: offerDefault,
    acts: {
      settings: async () => { show(tabs[0]); dialog.showModal(); await load(); },
      tab: show,
      "clear-options": () => { delete own[models.value]; fill(); keepAll({}); models.focus(); },
      "prefer-model": preferModel,
      "delete-data": () => confirming(true),
      "keep-data": () => { confirming(false); dialog.querySelector('[data-act="delete-data"]').focus(); },
      "delete-data-now": deleteAll,
    },
  };
}
