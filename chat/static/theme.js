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
    localStorage.setItem("candor-theme-changed", "1");  // the chat tells the server: this page may not
  });
});
