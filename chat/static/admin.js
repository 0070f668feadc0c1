// The admin page: what is changed goes to the app at once, and the page then shows how it stands.

const frame = document.querySelector("#list");
const told = document.querySelector(".told");

function tell(text, wrong = false) {
  told.textContent = text;
  told.classList.toggle("wrong", wrong);
}

// "translations.de" is the key "de" of "translations"; `data-within` puts all fields under one key
function bodyOf(form) {
  const body = JSON.parse(form.dataset.fixed ?? "{}");
  const fields = Object.fromEntries(new FormData(form));
  if (form.dataset.within) return { [form.dataset.within]: fields };
  for (const [name, value] of Object.entries(fields)) {
    const [group, key] = name.split(".");
    if (key) (body[group] ??= {})[key] = value; else body[name] = value;
  }
  if ("until" in body) body.until = body.until ? new Date(body.until).toISOString() : null;
  return body;
}

async function post(form) {
  const answer = await fetch(`/candor/admin${form.dataset.post}`, {
    method: "POST", headers: { "content-type": "application/json", "x-candor": "1" }, body: JSON.stringify(bodyOf(form)),
  });
  const { detail } = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(detail ?? frame.dataset.failed);
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  frame.replaceChildren(...page.querySelector("#list").childNodes);
  clocks();
  frame.focus({ preventScroll: true });
}

// a time of the app's as the admin's own clock has it
function clocks() {
  for (const input of frame.querySelectorAll("[data-moment]")) {
    const at = new Date(input.dataset.moment);
    input.value = new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
}

frame.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.post) return;
  event.preventDefault();
  const buttons = [...form.querySelectorAll("button")];
  tell("");
  buttons.forEach((one) => { one.disabled = true; });
  try {
    await post(form);
    tell(frame.dataset.saved);
  } catch (error) {
    tell(error instanceof TypeError ? frame.dataset.offline : error.message, true);
  } finally {
    buttons.forEach((one) => { one.disabled = false; });
  }
});
clocks();
