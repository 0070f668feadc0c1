// Files that wait for their question: picked, dropped or pasted, read by the server, removable.

export function attaching({ root, box, question, region, state, attempt, api }) {
  const tray = box.querySelector(".tray");
  const list = tray.querySelector("ul");
  const blind = tray.querySelector(".blind");
  const status = tray.querySelector(".told");
  const heard = box.querySelector(".only-read");  // what the chips show already
  const picker = box.querySelector('input[type="file"]');
  const most = Number(picker.dataset.most);
  const largest = Number(picker.dataset.bytes);
  const coming = new Map();  // what can be called off, by chip

  picker.addEventListener("change", () => { take(picker.files); picker.value = ""; question.focus(); });
  question.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    if (!files.length || types.includes("text/plain")) return;  // an office's text comes with a picture of itself
    event.preventDefault();
    take(files);
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) document.addEventListener(kind, drag);

  function drag(event) {
    if (!event.dataTransfer?.types.includes("Files") || root.querySelector("dialog[open]")) return;
    if (event.type !== "dragleave") event.preventDefault();
    const left = event.type === "drop" || (event.type === "dragleave" && !event.relatedTarget);
    root.classList.toggle("dropping", !left);
    if (event.type === "drop") { take(event.dataTransfer.files); question.focus(); }
  }

  function take(files) {
    for (const file of files) {
      if (list.children.length >= most) { tell(state.say.files_many.replace("{n}", most)); return; }
      add(file);
    }
  }

  async function add(file) {
    tell("");
    const chip = waiting(file.name);
    list.append(chip);
    look();
    try {
      if (file.size > largest) throw new Error(state.say.files_not_large.replace("{n}", largest / 1e6));
      const answer = await upload(file, chip);
      const fresh = Object.assign(document.createElement("div"), { innerHTML: answer.html }).querySelector("li");
      if (chip.isConnected) chip.replaceWith(fresh); else forget(answer.id);
      heard.textContent = state.say.files_added.replace("{name}", `\u2068${file.name}\u2069`);
    } catch (error) {
      refuse(chip, file.name, error.message);
    }
    coming.delete(chip);
    look();
  }

  function waiting(name) {
    const chip = Object.assign(document.createElement("li"), { className: "file coming" });
    const about = Object.assign(document.createElement("span"), { className: "about" });
    const progress = Object.assign(document.createElement("progress"), { max: 1, value: 0 });
    progress.setAttribute("aria-label", state.say.files_uploading);
    const remove = Object.assign(document.createElement("button"), { type: "button", className: "icon", textContent: "✕" });
    remove.setAttribute("aria-label", state.say.files_remove.replace("{name}", name));
    remove.dataset.act = "detach";
    about.append(Object.assign(document.createElement("bdi"), { className: "name", textContent: name }), progress);
    chip.append(about, remove);
    return chip;
  }

  // fetch does not tell how far an upload is
  function upload(file, chip) {
    const request = new XMLHttpRequest();
    coming.set(chip, () => request.abort());
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error(request.response?.detail ?? (request.status ? state.say.failed_request : state.say.offline)));
      request.open("POST", `/candor/files?${new URLSearchParams({ name: file.name, temporary: state.temporary })}`);
      request.setRequestHeader("X-Candor", "1");
      request.responseType = "json";
      const progress = chip.querySelector("progress");
      request.upload.onprogress = (event) => { progress.value = event.loaded / event.total; };
      request.upload.onload = () => progress.removeAttribute("value");  // now it is read
      request.onload = () => { if (request.status === 200) resolve(request.response); else failed(); };
      request.onerror = failed;
      request.send(file);
    });
  }

  function refuse(chip, name, reason) {
    chip.className = "file wrong";
    chip.querySelector("progress").replaceWith(Object.assign(document.createElement("span"), { className: "rest", textContent: reason }));
    heard.textContent = `${name}: ${reason}`;
  }

  function remove(element) {
    const chip = element.closest("li");
    const next = chip.nextElementSibling ?? chip.previousElementSibling;
    coming.get(chip)?.();
    coming.delete(chip);
    if (chip.dataset.file) forget(chip.dataset.file);
    chip.remove();
    tell("");
    look();
    (next?.querySelector("button") ?? question).focus();
  }

  const forget = (id) => attempt(() => api(`/files/${id}`, undefined, "DELETE"));
  const sent = () => [...list.querySelectorAll("[data-file]")];
  const ids = () => sent().map((chip) => chip.dataset.file);

  function look() {
    tray.hidden = !list.children.length && !status.textContent;
    blind.hidden = state.sees || !list.querySelector('[data-kind="image"]');
    if (blind.hidden) return;
    const model = region("picked").querySelector("b")?.textContent ?? "";
    blind.querySelector("span").textContent = state.say.files_blind.replace("{model}", `\u2068${model}\u2069`);
  }

  function tell(text) { status.textContent = text; look(); }

  // Whether a question may be sent with them; if not, it is said why.
  function ready(text) {
    if (coming.size) { tell(state.say.files_wait); return false; }
    if (!text.trim() && ids().length) { tell(state.say.files_question); question.focus(); return false; }
    if (!blind.hidden) { blind.querySelector("button").focus(); return false; }
    return true;
  }

  function clear() { sent().forEach((chip) => chip.remove()); tell(""); }

  return { acts: { attach: () => picker.click(), detach: remove }, ids, ready, clear, look };
}
