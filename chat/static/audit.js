// The page of an audit: shows what was chosen at once, and an example without leaving the page.

const filter = document.querySelector(".filter");
const dialog = document.querySelector("dialog.pair");
const wide = matchMedia("(min-width: 900px)");

function lay() { if (filter) filter.open = wide.matches; }
if (filter) filter.querySelector("button").hidden = true;  // what is chosen shows at once

async function show(address) {
  const answer = await fetch(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  dialog.querySelector("div").replaceChildren(...page.querySelector("#list").childNodes);
  dialog.showModal();
  dialog.scrollTop = 0;
}

filter?.addEventListener("change", (event) => { if (event.target.type === "radio") event.target.form.requestSubmit(); });
document.querySelector(".heat")?.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.href).catch(() => { location.href = link.href; });
});
dialog?.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
wide.addEventListener("change", lay);
lay();
