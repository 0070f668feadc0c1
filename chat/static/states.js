// What stands in the way, told at the composer: no connection, a limit, a session that ended, a
// fault of the app. What was typed stays, and outlives a reload.

const PROBE = 3000;  // milliseconds between two looks whether the app is back
const LONGEST = 172_800;  // seconds; a longer wait is not counted down
const DRAFT = "candor-draft";

export class Refused extends Error {
  constructor(response, answer) {
    super(typeof answer.detail === "string" ? answer.detail : "");
    this.status = response.status;
    this.wait = seconds(answer.retry_after ?? response.headers.get("Retry-After"));
    this.whose = answer.whose;  // a limit
  }
}

export function standing({ root, state, api, question, send, again, say }) {
  const bar = root.querySelector(".standing");
  const [words, left] = bar.querySelectorAll("span");
  const [button, ways] = bar.querySelectorAll("button, .ways");
  let kind = null, timer = 0, act = hide, tried = false;  // whether the question was to be sent

  question.value ||= sessionStorage.getItem(DRAFT) ?? "";
  question.addEventListener("input", () => sessionStorage.setItem(DRAFT, question.value));
  button.addEventListener("click", () => act());
  addEventListener("offline", offline);
  addEventListener("online", probe);

  function tell(what, text, label, doing = hide, offered = []) {
    clearInterval(timer);
    if (kind !== what || words.textContent !== text) say(text);
    kind = what;
    act = doing;
    words.textContent = text;
    left.textContent = "";
    button.textContent = label;
    button.hidden = !label;
    ways.replaceChildren(...waysIn(offered));
    bar.dataset.kind = what;
    bar.hidden = false;
  }

  function hide() {
    clearInterval(timer);
    if (bar.contains(document.activeElement)) question.focus();
    bar.hidden = true;
    kind = null;
  }

  const resend = () => { hide(); if (tried) send(question.value); };

  // --- each of them ------------------------------------------------------------------------------

  function offline() {
    if (kind === "offline") return;
    tell("offline", state.say.offline ?? words.dataset.otherwise, state.say.states_try ?? "↻", probe);
    timer = setInterval(probe, PROBE);
  }

  async function probe() {
    if (kind !== "offline") return;
    const up = await fetch("/health", { cache: "no-store" }).then((response) => response.ok, () => false);
    if (!up || kind !== "offline") return;
    if (tried) tell("back", state.say.states_back, state.say.send, resend); else hide();
    again();
  }

  function limit({ message, wait, whose }) {
    const text = message || state.say.states_limit;
    const offered = whose === "reader" && !state.reader ? state.ways : [];  // who signs in is another reader
    if (!(wait > 0) || wait > LONGEST) { tell("limit", text, state.say.states_try, resend, offered); return; }
    const until = Date.now() + wait * 1000;
    tell("limit", text, "", hide, offered);
    say(state.say.states_until.replace("{time}", clock(wait)));
    const count = () => {
      const rest = Math.ceil((until - Date.now()) / 1000);
      if (rest > 0) left.textContent = state.say.states_until.replace("{time}", clock(rest));
      else tell("over", state.say.states_over, tried ? state.say.send : state.say.close, resend);
    };
    count();
    timer = setInterval(count, 1000);
  }

  function fault(detail) {
    tell("fault", `${state.say.states_fault}${detail ? ` (${detail})` : ""}`, state.say.states_try, resend);
  }

  const signedOut = () => tell("signed-out", state.say.states_signed_out, "", hide, state.ways);
  const signInFirst = () => tell("signed-out", state.say.sign_in_needed, "", hide, state.ways);

  // --- what went wrong ---------------------------------------------------------------------------

  // Whether it is told here.
  async function met(error) {
    if (error instanceof TypeError) offline();
    else if (error.status === 401 && !state.reader && state.ways?.length) signInFirst();
    else if (error.status === 429) limit(error);
    else if (error.status >= 500 && !(error.status === 502 && error.message)) fault(error.message);
    else if (state.reader && [401, 403, 404, 409].includes(error.status)) return sessionEnded();
    else return false;
    return true;
  }

  async function sessionEnded() {
    const now = await api("/state?listed=true").catch(() => null);
    if (now && !now.reader) signedOut();
    return Boolean(now && !now.reader);
  }

  function unsent(text) {
    tried = true;
    question.value ||= text;
    question.dispatchEvent(new Event("input"));
  }

  function sent() {
    tried = false;
    sessionStorage.removeItem(DRAFT);
    if (kind !== "offline" && kind !== null) hide();
  }

  return { signedOut, signInFirst, met, sent, unsent, awake: probe, asleep: (source) => source.readyState !== EventSource.OPEN && offline() };
}

// A link to each place where one can sign in; from a frame in a tab of its own, since no provider
// lets itself be framed.
export function waysIn(ways) {
  return (ways ?? []).map(({ href, label }) => Object.assign(document.createElement("a"), { href, textContent: label, target: top === self ? "_self" : "_blank" }));
}

// Of a number, of the text of one, or of a date, as HTTP allows.
function seconds(value) {
  if (value === null || value === "") return NaN;
  const plain = Number(value);
  return Number.isNaN(plain) ? (Date.parse(value) - Date.now()) / 1000 : plain;
}

function clock(wait) {
  const rest = Math.ceil(wait), two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(rest / 3600), Math.floor(rest / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(rest % 60)}` : `${minutes}:${two(rest % 60)}`;
}
