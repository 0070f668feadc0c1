// Candor's page. The server renders; this script asks, puts in place, and listens.

import { acting } from "./actions.js";
import { announcing } from "./banner.js";
import { attaching } from "./files.js";
import { keepingFocus } from "./focus.js";
import { hearing } from "./heard.js";
import { keys } from "./keys.js";
import { morph, morphWhole, retell } from "./morph.js";
import { setting } from "./settings.js";
import { conversations } from "./sidebar.js";
import { standing, waysIn, Refused } from "./states.js";
import { toolbox } from "./tools.js";
import { touring } from "./tour.js";
import { travelling } from "./travel.js";

direct(localStorage.getItem("candor-language") ?? "en", localStorage.getItem("candor-direction") ?? "ltr");  // as last time, until the state is there
tellZone();
const state = { conversation: null, temporary: false, model: null, sees: false, preferred: null, mode: null, say: {}, reader: null, source: null, asking: {}, following: true, top: 0 };
const asked = askState(address().get("c"), address().get("model") ?? "", false).catch((error) => error);  // while Gradio builds its frame
const root = await found("#candor .box");
root.parentElement.closest("main")?.setAttribute("role", "none");  // of Gradio's frame; the page's own is the thread
const region = (name) => document.querySelector(`#candor [data-region="${name}"]`);
const scroll = root.querySelector(".scroll");
const box = root.querySelector(".box");
const question = root.querySelector("#candor-question");
const nav = root.querySelector("nav");
const models = root.querySelector("dialog.models");
const settings = root.querySelector("dialog.settings");
const inTheDark = matchMedia("(prefers-color-scheme: dark)");
const list = conversations(root, attempt, api);
const announce = announcing(root);
const files = attaching({ root, box, question, region, state, attempt, api });

applyTheme();
root.addEventListener("click", onClick);
root.addEventListener("submit", onSubmit);
question.addEventListener("input", fit);
question.addEventListener("keydown", onEnter);
region("search").addEventListener("input", search);
models.addEventListener("keydown", walkCards);
box.querySelector(".modes").addEventListener("keydown", walkModes);
scroll.addEventListener("scroll", () => { state.following = nearEnd(); }, { passive: true });
document.addEventListener("keydown", onEscape);
inTheDark.addEventListener("change", () => applyTheme());
window.addEventListener("popstate", () => open(address().get("c")));

// --- asking the server ---------------------------------------------------------------------------

async function api(path, body, method = body === undefined ? "GET" : "POST") {
  const response = await fetch(`/candor${path}`, {
    method,
    headers: { "X-Candor": "1", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response, answer);
  return answer;
}

async function attempt(work) {
  try { return await work(); } catch (error) {
    if (!await stands.met(error)) toast(error.message || state.say.failed_request);
    return null;
  }
}

const conversationPath = (rest = "") => `/conversations/${state.conversation}${rest}`;

// --- the page as it stands -----------------------------------------------------------------------

function askState(conversation, model, listed) {
  return api(`/state?${new URLSearchParams({ ...(conversation ? { c: conversation } : model ? { model } : {}), listed, temporary: address().has("temporary") })}`);
}

async function open(conversation, model = address().get("model") ?? "") {
  hush();
  const now = await attempt(() => askState(conversation, model, list.shown()));
  if (now) stand(now);
}

function stand(now) {
  const signedOut = state.reader && !now.reader;
  Object.assign(state, { conversation: now.conversation, model: now.model, sees: now.sees, preferred: now.default_model, say: now.say, temporary: now.temporary, reader: now.reader, ways: now.sign_in });
  direct(now.language, now.direction);
  if (now.theme) applyTheme(now.theme);
  speak(now.say);
  settings.querySelector('[name="language"]').value = now.chosen_language ?? "";
  list.put(now.sidebar);
  list.mark(now.conversation);
  put("picker", now.picker);
  put("picked", now.picked);
  putThread(now.thread);
  kit.put(now.toolbox);
  files.look();
  offerModes(now.modes, now.preferred);
  setMode(now.mode);
  announce(now.banner);
  for (const one of settings.querySelectorAll('[name="share_rated"]')) one.checked = now.shares_rated;
  root.querySelector('nav [href="/admin"]').hidden = !now.admin;
  notice(now);
  entitle(now.title);
  busy(now.running);
  toEnd(true);
  if (now.running) listen();
  if (!document.activeElement?.closest(".editor")) home().focus();
  if (now.must_sign_in) stands.signInFirst(); else if (signedOut) stands.signedOut();
  tour.offer();
}

function entitle(title) {
  document.title = title ? `${title} · Candor` : "Candor";
  actions.tell();
  region("thread").dataset.title = title ?? "";
  Object.assign(region("heading"), { textContent: title ?? "", hidden: !title });
  travel.offer();
}

// Gradio draws the frame: which language it is in, and which way it runs, is for this script to say.
function direct(lang, dir) {
  Object.assign(document.documentElement, { lang, dir });
  localStorage.setItem("candor-language", lang);
  localStorage.setItem("candor-direction", dir);
}

function put(name, html) { if (html != null) region(name).innerHTML = html; }

function putThread(html) { if (html != null) morph(region("thread"), html); }

function speak(say) {
  for (const [attribute, write] of Object.entries({
    say: (element, text) => { element.textContent = text; },
    sayLabel: (element, text) => element.setAttribute("aria-label", text),
    sayTitle: (element, text) => element.setAttribute("title", text),
    sayPlaceholder: (element, text) => element.setAttribute("placeholder", text),
  })) {
    const name = attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    root.querySelectorAll(`[data-${name}]`).forEach((element) => write(element, say[element.dataset[attribute]] ?? ""));
  }
}

function notice(now) {
  reader(now);
  const place = region("notice");
  place.textContent = "";
  if (now.notice) { place.textContent = now.notice; return; }
  if (now.demo) {
    const words = Object.assign(document.createElement("span"), { className: "long", textContent: state.say.demo_notice });
    const how = Object.assign(document.createElement("button"), { type: "button", textContent: state.say.demo_how });
    how.dataset.act = "connect";
    place.append(words, how);
  }
}

function reader(now) {
  const place = region("reader");
  place.textContent = "";
  if (!now.reader) { place.append(...waysIn(now.sign_in)); return; }
  const name = Object.assign(document.createElement("span"), { textContent: state.say.signed_in_as.replace("{name}", `\u2068${now.reader}\u2069`) });
  const leave = Object.assign(document.createElement("button"), { type: "button", textContent: state.say.sign_out });
  leave.dataset.act = "sign-out";
  place.append(name, leave);
}

// --- a reply that comes in -----------------------------------------------------------------------

function listen() {
  hush();
  const source = new EventSource(`/candor${conversationPath("/events")}`);
  state.source = source;
  busy(true);
  source.addEventListener("update", (event) => { if (state.source === source) update(JSON.parse(event.data)); });
  source.addEventListener("end", (event) => {
    if (state.source !== source) return;
    const last = JSON.parse(event.data);
    if (!last.titling) hush();
    replaceTurn(last.turn, last.html);
    list.settle(last.entry);
    if (last.entry) entitle(last.title);
    busy(false);
    toEnd();
  });
  source.addEventListener("titled", (event) => {
    if (state.source !== source) return;
    const { entry, title } = JSON.parse(event.data);
    hush();
    list.settle(entry);
    entitle(title);
  });
  source.onopen = () => { if (state.source === source) stands.awake(); };
  source.onerror = () => { if (state.source === source) stands.asleep(source); };
}

// The app is back: events that are open find it by themselves, the rest is asked for anew.
function again() {
  if (!state.model || state.source?.readyState === EventSource.CLOSED) open(state.conversation ?? address().get("c"));
}

function hush() { state.source?.close(); state.source = null; }

function update(message) {
  const turn = root.querySelector(`[data-turn="${message.turn}"]`);
  if (Number(turn?.dataset.run) !== message.run) return;  // another version is shown
  let reply = turn.querySelector(`[data-reply="${message.reply}"]`);
  if (message.html && !message.part) {
    if (reply) morphWhole(reply, message.html); else turn.querySelector(".replies").insertAdjacentHTML("beforeend", message.html);
  } else if (message.grow) {
    if (reply) grow(reply.querySelector('[data-part="text"]'), message.grow);
  } else if (reply) {
    const part = reply.querySelector(`[data-part="${message.part}"]`);
    if (message.blocks) patchBlocks(part, message.from, message.blocks); else morph(part, message.html);
  }
  toEnd();
}

// Plain words behind the last ones: text, whatever is in it.
function grow(part, words) {
  let place = part.lastElementChild?.lastElementChild;
  while (place && place.nodeType !== Node.TEXT_NODE) {
    place = place.lastChild;
    while (place && !place.textContent.trim()) place = place.previousSibling;
  }
  if (place) retell(place, place.data.replace(/\n$/, "") + words);
}

function patchBlocks(part, from, blocks) {
  while (part.children.length > from + blocks.length) part.lastElementChild.remove();
  for (const [n, html] of blocks.entries()) {
    const block = part.children[from + n] ?? part.appendChild(Object.assign(document.createElement("div"), { className: "block" }));
    morph(block, html);
  }
}

function replaceTurn(id, html) {
  const turn = root.querySelector(`[data-turn="${id}"]`);
  if (turn && html) morphWhole(turn, html);
}

// What was drawn for the reader may lack words that have come since: they come again.
function redrawn(id, html) {
  replaceTurn(id, html);
  hearAgain();
}

function hearAgain() {
  if (!box.querySelector(".stop").hidden || region("thread").querySelector('[data-state="streaming"]')) listen();
}

function busy(running) {
  box.querySelector('[type="submit"]').hidden = running;
  box.querySelector(".stop").hidden = !running;
  region("thread").setAttribute("aria-busy", running);  // a reply is read out whole, not word by word
}

const nearEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
// Text may come between a reader's scrolling and its event: what counts is where they are now.
const movedUp = () => scroll.scrollTop < Math.min(state.top, scroll.scrollHeight - scroll.clientHeight) - 4;
function toEnd(force = false) {
  if (movedUp()) state.following = false;
  if (!force && !state.following) return;
  scroll.scrollTop = scroll.scrollHeight;
  Object.assign(state, { top: scroll.scrollTop, following: true });
}

// --- what the reader does ------------------------------------------------------------------------

async function send(text, model = state.model, attached = []) {
  if (!text.trim() || !box.querySelector(".stop").hidden) return;
  const answer = await attempt(() => api("/ask", { turn: idOf("ask", state.conversation, text, model, attached), question: text, model, mode: state.mode, conversation: state.conversation, temporary: state.temporary, tools: kit.ids(), files: attached }));
  if (!answer) { stands.unsent(text); return; }
  question.value = ""; fit();
  state.asking = {};
  stands.sent();
  tour.end();
  if (attached.length) files.clear();
  if (!state.conversation) { state.conversation = answer.conversation; history.pushState({}, "", actions.addressOf(answer.conversation)); region("thread").innerHTML = ""; }
  state.model = model;
  show(answer);
}

// The id of the turn that a question makes: the same when it is put again, since it may have arrived.
function idOf(...told) {
  const key = JSON.stringify(told);
  return (state.asking = { [key]: state.asking[key] ?? [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("") })[key];
}

function show(answer) {
  const thread = region("thread");
  [...thread.querySelectorAll("[data-turn]")].filter((turn) => !answer.path.includes(turn.dataset.turn)).forEach((turn) => turn.remove());
  const there = thread.querySelector(`[data-turn="${answer.turn}"]`);
  if (there) morphWhole(there, answer.html); else thread.insertAdjacentHTML("beforeend", answer.html);
  list.settle(answer.entry);
  list.mark(state.conversation);
  put("picked", answer.picked);
  entitle(answer.title);
  toEnd(true);
  listen();
}

const acts = {
  open: async (element) => {
    history.pushState({}, "", element.href);
    drawer(false);
    await open(conversationOf(element));
    await lead(element.dataset);
  },
  menu: () => drawer(!root.classList.contains("drawer")),
  theme: () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    applyTheme(theme);
    return attempt(() => api("/preferences", { theme }, "PATCH"));
  },
  choose: (element) => goOn(element),
  control: (element) => control(element),
  connect: () => root.querySelector("dialog.connect").showModal(),
  picker: () => choose({ take: settle }),
  see: () => { acts.picker(); region("search").value = state.say.files_model_sees; search(); },
  pick: async (element) => {
    models.close();
    await state.take(element.dataset.model);
    question.focus();
  },
  modes: () => modes(box.querySelector(".modes").hidden),
  mode: async (element) => {
    setMode(element.dataset.mode);
    modes(false);
    if (state.conversation) await attempt(() => api(conversationPath(), { mode: state.mode }, "PATCH"));
    question.focus();
  },
  example: (element) => send(element.dataset.question, element.dataset.model || state.model),
  "sign-out": async () => { if (await attempt(() => api("/sign-out", {}))) location.assign("/"); },
  stop: () => attempt(() => api(conversationPath("/stop"), {})),
  retry: (element) => ask(element, "retry", {}),
  another: (element) => ask(element, "another", {}),
  run: (element) => page(element, { run: Number(element.dataset.run) }),
  turn: (element) => page(element, { turn: element.dataset.to }),
  vote: (element) => vote(element),
  good: (element) => rate(element, { feedback: element.getAttribute("aria-pressed") === "true" ? null : "good" }),
  bad: (element) => rate(element, { feedback: element.getAttribute("aria-pressed") === "true" ? null : "bad" }),
  "not-withheld": (element) => rate(element, { not_withheld: true }),
  withheld: (element) => rate(element, { not_withheld: false }),
  copy: async (element) => {
    const reply = await attempt(() => api(conversationPath(`/replies/${element.closest("[data-reply]").dataset.reply}`)));
    if (reply) await copy(element, reply.markdown);
  },
  "copy-question": (element) => copy(element, element.closest(".asked").querySelector(".user").innerText),
  edit: (element) => editing(element, true),
  cancel: (element) => editing(element, false),
  rename: (element) => rename(element.closest(".conv")),
  pin: async (element) => {
    const id = conversationOf(element);
    const answer = await attempt(() => api(`/conversations/${id}`, { pinned: element.getAttribute("aria-pressed") !== "true" }, "PATCH"));
    if (!answer) return;
    list.settle(answer.entry);
    list.entry(id)?.querySelector("a").focus();  // which shows its buttons
    list.entry(id)?.querySelector('[data-act="pin"]').focus();
  },
  delete: async (element) => {
    const id = conversationOf(element);
    const byKeys = element.matches(":focus-visible");
    if (!await attempt(() => api(`/conversations/${id}`, { deleted: true }, "PATCH"))) return;
    list.drop(id);
    const opened = id === state.conversation;
    if (opened) { history.pushState({}, "", location.pathname); await open(null); }
    toast(state.say.deleted, () => restore(id, opened));
    if (byKeys) root.querySelector(".toast button").focus();
  },
  undo: () => {},
};

const actions = acting({ root, region, state, api, attempt, ask, choose, show, open, drawer, list, files, toast, conversationPath });
Object.assign(acts, actions.acts);
const travel = travelling({ root, region, state, api, attempt, put, list, toast, copy, conversationPath });
const kit = toolbox({ root, region, state, api, attempt, conversationPath });
const own = setting({ root, region, state, api, attempt, put, open, setMode, applyTheme });
const { say } = hearing({ root, region, state });
const stands = standing({ root, state, api, question, send, say, again });
const tour = touring({ root, state, say, question, drawer, home: acts.new });
Object.assign(acts, travel.acts, kit.acts, files.acts, own.acts, tour.acts);
const sheet = keys({ root, state, does: {
  ...acts,
  find: () => { if (!nav.checkVisibility()) drawer(true); region("find").focus(); region("find").select(); },
  question: () => question.focus(),
  modes: () => { if (!box.querySelector(".mode").disabled) modes(true); },
  stop: () => { if (!box.querySelector(".stop").hidden) acts.stop(); },
  retry: () => [...root.querySelectorAll(".turn")].at(-1)?.querySelector('[data-act="retry"]')?.click(),
  copy: () => [...root.querySelectorAll('.reply [data-act="copy"]')].at(-1)?.click(),
} });
acts.keys = sheet.show;
keepingFocus({ root, home });
fit();
const turnOf = (element) => element.closest("[data-turn]").dataset.turn;
const conversationOf = (element) => element.closest("[data-conversation]").dataset.conversation;

// The dialog of models; `take` is called with the id of the one that is picked.
function choose({ title = false, take }) {
  const heading = models.querySelector("h2");
  heading.hidden = !title;
  models.setAttribute("aria-label", title ? heading.textContent : state.say.model_pick);
  state.take = take;
  region("search").value = "";
  search();
  own.offer();
  models.showModal();
  region("picker").querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
}

async function settle(model) {
  state.model = model;
  region("picker").querySelectorAll(".card").forEach((card) => card.setAttribute("aria-selected", card.dataset.model === model));
  if (state.conversation) await attempt(() => api(conversationPath(), { model }, "PATCH"));
  const now = await attempt(() => api(`/state?${new URLSearchParams({ model, listed: true })}`));
  if (now) { put("picked", now.picked); state.sees = now.sees; files.look(); }
}

async function ask(element, what, body) {
  element.disabled = true;
  const answer = await attempt(() => api(conversationPath(`/turns/${turnOf(element)}/${what}`), body));
  if (answer) show(answer); else element.disabled = false;
}

async function page(element, body) {
  const answer = await attempt(() => api(conversationPath(`/turns/${turnOf(element)}/show`), body));
  if (!answer) return;
  putThread(answer.thread);
  hearAgain();
}

async function goOn(element) {
  const turn = turnOf(element);
  const answer = await attempt(() => api(conversationPath(`/turns/${turn}/choose`), { reply: element.closest("[data-reply]").dataset.reply }));
  if (answer) redrawn(turn, answer.html);
}

async function control(element) {
  const reply = element.closest("[data-reply]").dataset.reply;
  const label = element.textContent;
  Object.assign(element, { disabled: true, textContent: state.say.control_asking });
  const answer = await attempt(() => api(conversationPath(`/replies/${reply}/control`), {}));
  if (answer) redrawn(turnOf(element), answer.html); else Object.assign(element, { disabled: false, textContent: label });
}

async function rate(element, body) {
  const reply = element.closest("[data-reply]").dataset.reply;
  const turn = turnOf(element);
  const answer = await attempt(() => api(conversationPath(`/replies/${reply}/rate`), body));
  if (answer) redrawn(turn, answer.html);
}

async function vote(element) {
  const turn = turnOf(element);
  const taken = element.getAttribute("aria-pressed") === "true";
  const run = Number(element.closest(".vote").dataset.run);
  const answer = await attempt(() => api(conversationPath(`/turns/${turn}/vote`), { run, vote: taken ? null : element.dataset.vote }));
  if (!answer) return;
  redrawn(turn, answer.html);
  root.querySelector(`[data-turn="${turn}"] [data-vote="${element.dataset.vote}"]`)?.focus();
}

async function copy(element, text) {
  try { await navigator.clipboard.writeText(text); } catch { copyByHand(text); }
  say(state.say.copied);
  const label = element.textContent;
  element.textContent = state.say.copied;
  setTimeout(() => { element.textContent = label; }, 1200);
}

function copyByHand(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
}

async function restore(id, opened) {
  const answer = await attempt(() => api(`/conversations/${id}`, { deleted: false }, "PATCH"));
  if (!answer) return;
  list.settle(answer.entry);
  if (opened && !state.conversation) { history.replaceState({}, "", `?c=${id}`); await open(id); }
  list.entry(id)?.querySelector("a").focus();
}

// To a message that a search found; it may stand in another version than the one shown.
async function lead({ toTurn: turn, toReply: reply, toRun: run }) {
  if (!turn) return;
  const there = () => root.querySelector(`[data-turn="${turn}"]${reply ? ` [data-reply="${reply}"]` : ""}`);
  if (!there()) {
    const answer = await attempt(() => api(conversationPath(`/turns/${turn}/show`), { turn, ...(run ? { run: Number(run) } : {}) }));
    putThread(answer?.thread);
    hearAgain();
  }
  there()?.scrollIntoView({ block: "start" });
  Object.assign(state, { following: nearEnd(), top: scroll.scrollTop });
}

function editing(element, on) {
  const asked = element.closest(".asked");
  const editor = asked.querySelector(".editor");
  editor.hidden = !on;
  asked.querySelector(".user").hidden = on;
  asked.querySelector(".tools").hidden = on;
  if (on) atEnd(editor.querySelector("textarea")); else { editor.reset(); asked.querySelector('[data-act="edit"]').focus(); }
}

function atEnd(field) {
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

function rename(item) {
  const link = item.querySelector("a");
  const input = Object.assign(document.createElement("input"), { value: link.title, maxLength: 200, dir: "auto" });
  input.setAttribute("aria-label", state.say.rename);
  link.replaceWith(input);
  input.focus(); input.select();
  const finish = async (keep) => {
    input.onblur = null;
    const title = input.value.trim();
    if (!keep || !title || title === link.title) { input.replaceWith(link); link.focus(); return; }
    const id = item.dataset.conversation;
    const answer = await attempt(() => api(`/conversations/${id}`, { title }, "PATCH"));
    input.replaceWith(link);
    if (!answer) return;
    list.settle(answer.entry);
    if (id === state.conversation) entitle(answer.title);
    list.entry(id)?.querySelector("a").focus();
  };
  input.onblur = () => finish(true);
  input.onkeydown = (event) => { if (event.key === "Enter") finish(true); if (event.key === "Escape") finish(false); };
}

function onClick(event) {
  if (!event.target.closest(".modes, .mode")) modes(false);
  if (!event.target.closest(".kit, .kit-opener")) kit.menu(false);
  if (!event.target.closest(".travels")) travel.menu(false);
  if (event.target === models || event.target === settings) { event.target.close(); return; }
  if (root.classList.contains("drawer") && !event.target.closest("nav, .toast, dialog")) { event.preventDefault(); drawer(false); return; }
  const element = event.target.closest("[data-act]");
  if (!element) return;
  if (element.tagName === "A") { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); }
  acts[element.dataset.act]?.(element);
}

async function onSubmit(event) {
  if (event.target.method === "dialog") return;
  event.preventDefault();
  if (event.target === box) { if (files.ready(question.value)) send(question.value, state.model, files.ids()); return; }
  const text = event.target.querySelector("textarea").value;
  const answer = await attempt(() => api(conversationPath(`/turns/${turnOf(event.target)}/edit`), { turn: idOf("edit", turnOf(event.target), text), question: text }));
  if (answer) { state.asking = {}; show(answer); }
}

function onEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !matchMedia("(min-width: 761px)").matches) return;
  event.preventDefault();
  box.requestSubmit();
}

function onEscape(event) {
  if (event.key !== "Escape" || event.shiftKey) return;
  travel.menu(false);
  kit.menu(false);
  if (!box.querySelector(".modes").hidden) { modes(false); box.querySelector(".mode").focus(); }
  drawer(false);
}

function modes(open) {
  const menu = box.querySelector(".modes");
  menu.hidden = !open;
  box.querySelector(".mode").setAttribute("aria-expanded", open);
  if (open) menu.querySelector('[aria-checked="true"]')?.focus();
}

function walkModes(event) {
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const items = [...event.currentTarget.children].filter((item) => !item.hidden);
  items.at((items.indexOf(document.activeElement) + steps[event.key]) % items.length).focus();
}

function setMode(mode) {
  state.mode = mode;
  region("mode").textContent = state.say[`mode_${mode.replace(" ", "_")}`];
  box.querySelector(".mode").classList.toggle("off", mode === "off");
  box.querySelectorAll(".modes button").forEach((button) => button.setAttribute("aria-checked", button.dataset.mode === mode));
}

function offerModes(offered, preferred) {
  const fixed = offered.length < 2;
  box.querySelectorAll(".modes button").forEach((button) => { button.hidden = !offered.includes(button.dataset.mode); });
  box.querySelector(".mode").disabled = fixed;
  box.querySelector(".mode").title = fixed ? state.say.mode_fixed : "";
  for (const radio of settings.querySelectorAll('[name="preferred"]')) {
    radio.closest("label").hidden = !offered.includes(radio.value);
    Object.assign(radio, { checked: radio.value === preferred, disabled: fixed });
  }
  settings.querySelector(".fixed").hidden = !fixed;
}

function search() {
  const words = region("search").value.toLowerCase().split(/\s+/);
  let any = false;
  for (const card of region("picker").querySelectorAll(".card")) {
    const fits = words.every((word) => card.dataset.words.includes(word));
    card.parentElement.hidden = !fits;
    any ||= fits;
  }
  models.querySelector(".none").hidden = any;
}

function walkCards(event) {
  if (!["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
  const cards = [...region("picker").querySelectorAll("li:not([hidden]) .card:not(:disabled)")];
  const at = cards.indexOf(document.activeElement);
  if (event.key === "Enter") { if (at < 0 && cards.length && event.target.tagName !== "A") { event.preventDefault(); cards[0].click(); } return; }
  event.preventDefault();
  cards[(at + (event.key === "ArrowDown" ? 1 : cards.length - 1) + (at < 0 && event.key === "ArrowUp" ? 1 : 0)) % cards.length]?.focus();
}

function drawer(open) {
  if (root.classList.contains("drawer") === open) return;
  root.classList.toggle("drawer", open);
  root.querySelector("header .menu").setAttribute("aria-expanded", open);
  root.querySelector(open ? "nav .close" : "header .menu").focus();
}

// Where one goes on from: the question, where no keyboard comes up for it and hides the rest.
function home() { return matchMedia("(min-width: 761px)").matches ? question : scroll; }

function fit() { question.style.height = "auto"; question.style.height = `${question.scrollHeight}px`; }

function toast(text, undo = null) {
  const place = root.querySelector(".toast");
  place.querySelector("span").textContent = "";
  setTimeout(() => { place.querySelector("span").textContent = text ?? ""; });  // once it shows: a live region tells of changes
  place.querySelector("button").hidden = !undo;
  acts.undo = async () => { place.hidden = true; await undo?.(); };
  place.hidden = !text;
  const end = () => { if (place.matches(":hover, :focus-within")) wait(); else place.hidden = true; };
  const wait = () => { clearTimeout(toast.timer); toast.timer = setTimeout(end, undo ? 8000 : 5000); };
  wait();
}

// The list says "today" by the reader's own day.
function tellZone() {
  const zone = encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone ?? "");
  const framed = location.protocol === "https:" ? "SameSite=None; Secure" : "SameSite=Lax";
  document.cookie = `candor_zone=${zone}; path=/; max-age=31536000; ${framed}`;
}

// Light, dark, or as the system is set; the browser's own copy shows it before the state is there.
function applyTheme(theme = localStorage.getItem("candor-theme") ?? "system") {
  const system = theme === "system";
  if (system) localStorage.removeItem("candor-theme"); else localStorage.setItem("candor-theme", theme);
  document.documentElement.dataset.theme = system ? (inTheDark.matches ? "dark" : "light") : theme;
  settings.querySelector('[name="theme"]').value = theme;
}

// One chosen on a page beside the chat is kept for the reader as well.
async function keepTheme() {
  const theme = localStorage.getItem("candor-theme");
  if (!theme || !localStorage.getItem("candor-theme-changed")) return;
  localStorage.removeItem("candor-theme-changed");
  await attempt(() => api("/preferences", { theme }, "PATCH"));
}

function address() { return new URLSearchParams(location.search); }

async function found(selector) {
  while (!document.querySelector(selector)) await new Promise((resolve) => requestAnimationFrame(resolve));
  return document.querySelector("#candor");
}

await keepTheme();
const now = await asked;
if (now instanceof Error) attempt(() => { throw now; }); else stand(now);
