// The page of a shared conversation: what needs a script. It is read without this.

const candor = document.querySelector("#candor");
const wrong = document.querySelector('[data-region="wrong"]');

const acts = {
  print: () => print(),
  theme: () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("candor-theme", theme);
    localStorage.setItem("candor-theme-changed", "1");  // the chat tells the server: this page may not
    document.documentElement.dataset.theme = theme;
  },
  continue: async (button) => {
    button.disabled = true;
    const answer = await taken().catch(() => null);
    if (answer?.conversation) { location.assign(`/?c=${answer.conversation}`); return; }
    button.disabled = false;
    wrong.textContent = answer?.detail ?? candor.dataset.offline;
  },
};

async function taken() {
  const path = `/candor/shares/${candor.dataset.token}/continue`;
  const response = await fetch(path, { method: "POST", headers: { "X-Candor": "1" } });
  return response.json();
}

candor.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) acts[button.dataset.act]?.(button);
});
for (const hidden of candor.querySelectorAll(".tasks, [data-act='continue']")) hidden.hidden = false;
