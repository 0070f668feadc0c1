"""Bare Gradio chats in front of the benchmark's host: what Candor's page is measured beside.

    python benchmarks/beside/gradio_chat.py --port 7861 --host http://127.0.0.1:8001 [--interface]

`gr.Chatbot` in Blocks, updated with each token as Gradio's guide has it; or a `gr.ChatInterface`.
Gradio is given all it can use: no bound on how many answer at once, and a client of the host that
does nothing but read its lines.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import AsyncIterator
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import httpx2

JOBS = 1000  # at once; Gradio's own default is 40
Chat = list[dict[str, Any]]


def plain(message: dict[str, Any]) -> dict[str, str]:
    """A message of the Chatbot as hosts take it; its content comes back as a list of parts."""
    content = message["content"]
    parts = content if isinstance(content, list) else [{"text": content}]
    return {"role": message["role"], "content": "".join(part["text"] for part in parts)}


class Model:
    """The host's model."""

    def __init__(self, url: str) -> None:
        self.url, self.client = f"{url}/v1/chat/completions", None

    async def tokens(self, messages: list[dict[str, str]]) -> AsyncIterator[str]:
        """The pieces of a reply."""
        if self.client is None:  # in the loop that Gradio runs
            limits = httpx2.Limits(max_connections=None)
            self.client = httpx2.AsyncClient(timeout=600, trust_env=False, limits=limits)
        body = {"model": "bench", "messages": messages, "stream": True}
        async with self.client.stream("POST", self.url, json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    yield delta.get("content", "")


def chatbot(model: Model) -> gr.Blocks:
    """A Chatbot and a box to write in."""

    async def answer(question: str, chat: Chat) -> AsyncIterator[Chat]:
        chat = [*chat, {"role": "user", "content": question}]
        messages = [plain(message) for message in chat]
        said = {"role": "assistant", "content": ""}
        async for token in model.tokens(messages):
            said["content"] += token
            yield [*chat, said]

    with gr.Blocks() as blocks:
        shown = gr.Chatbot()
        question = gr.Textbox()
        question.submit(answer, [question, shown], [shown], concurrency_limit=None)
    return blocks


def interface(model: Model) -> gr.Blocks:
    """The chat that Gradio makes of a function."""

    async def answer(question: str, chat: Chat) -> AsyncIterator[str]:
        asked = {"role": "user", "content": question}
        said = ""
        async for token in model.tokens([plain(message) for message in [*chat, asked]]):
            said += token
            yield said

    return gr.ChatInterface(answer, concurrency_limit=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--interface", action="store_true", help="a ChatInterface")
    arguments = parser.parse_args()
    make = interface if arguments.interface else chatbot
    make(Model(arguments.host)).launch(
        server_name="127.0.0.1", server_port=arguments.port, max_threads=JOBS, quiet=True
    )


if __name__ == "__main__":
    main()
