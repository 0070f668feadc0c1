// The reader's choice of light or dark, before anything is painted.
document.documentElement.dataset.theme = localStorage.getItem("candor-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
