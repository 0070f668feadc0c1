// What one can do with a reply besides: let another model answer, let it go on, fork there.
// And chats that are not stored.

export function acting({ root, region, state, api, attempt, ask, choose, show, open, drawer, list, files, toast, conversationPath }) {
  const replyOf = (element) => element.closest("[data-reply]").dataset.reply;
  const passing = root.querySelector(".passing");

  // What is asked where the address says so is not stored.
  const addressOf = (conversation) => {
    const query = new URLSearchParams({ ...(conversation ? { c: conversation } : {}), ...(state.temporary ? { temporary: 1 } : {}) });
    return `${location.pathname}${query.size ? `?${query}` : ""}`;
  };

  async function begin(temporary) {
    const left = state.temporary && state.conversation;
    if (left) await attempt(() => api(`/conversations/${left}/temporary`, undefined, "DELETE"));
    if (temporary !== state.temporary) files.clear();  // they were taken for the other kind of chat
    state.temporary = temporary;
    history.pushState({}, "", addressOf(null));
    drawer(false);
    await open(null, state.preferred ? "" : state.model);
  }

  function tell() {
    root.classList.toggle("temporary", state.temporary);
    passing.hidden = !state.temporary;
    passing.querySelector("button").hidden = !state.conversation;
    root.querySelector('[data-act="temporary"]').setAttribute("aria-pressed", state.temporary);
  }

  const acts = {
    new: () => begin(false),
    temporary: () => begin(!state.temporary),
    keep: async () => {
      const answer = await attempt(() => api(conversationPath("/temporary/keep"), {}));
      if (!answer) return;
      state.temporary = false;
      history.replaceState({}, "", addressOf(answer.conversation));
      list.settle(answer.entry);
      await open(answer.conversation);
      toast(state.say.temporary_kept);
    },
    "answer-with": (element) => choose({ title: true, take: (model) => ask(element, "retry", { model }) }),
    continue: async (element) => {
      element.disabled = true;
      const answer = await attempt(() => api(conversationPath(`/replies/${replyOf(element)}/continue`), {}));
      if (answer) show(answer); else element.disabled = false;
    },
    fork: async (element) => {
      element.disabled = true;
      const answer = await attempt(() => api(conversationPath(`/replies/${replyOf(element)}/fork`), {}));
      element.disabled = false;
      if (!answer) return;
      list.settle(answer.entry);
      history.pushState({}, "", addressOf(answer.conversation));
      await open(answer.conversation);
      toast(state.say.fork_done);
    },
  };

  return { acts, tell, addressOf };
}
