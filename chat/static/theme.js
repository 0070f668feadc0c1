// The reader's choice of light or dark, before anything is painted; and its button beside the chat.
const root = document.documentElement;
root.dataset.theme = localStorage.getItem("candor-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

document.addEventListener("DOMContentLoaded", () => {
  const button = document.querySelector('#about [data-act="theme"]');
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("candor-theme", root.dataset.theme);
    fetch("/candor/preferences", {
      method: "PATCH", keepalive: true, headers: { "X-Candor": "1", "Content-Type": "application/json" },
      body: JSON.stringify({ theme: root.dataset.theme }),
    }).catch(() => {});  // this browser has it all the same
  });
});
