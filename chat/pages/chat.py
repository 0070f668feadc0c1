"""The chat page: Gradio Blocks around four HTML components, driven by `static/candor.js`.

The components hold the page's furniture in English; the script asks for the state
(`/candor/state`) and puts the reader's conversations, models and language in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import gradio as gr
from jinja2 import Environment, FileSystemLoader

from .. import assets, texts, view
from ..reading import FILE_LIMIT, MOST_FILES

PAGE = Path(__file__).parent / "chat"
SCRIPT = "candor.js"
COMPONENTS = ("sidebar", "header", "thread", "composer")
SELDOM = 1.0  # seconds between two looks of Gradio for events of its own, of which there are none


def theme() -> gr.themes.Base:
    """Gradio's plain theme with our type; colours come from `candor.css`."""
    fonts = ["Inter", "system-ui", "sans-serif"]
    return gr.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"])


@cache
def templates() -> Environment:
    """The chat's filters over the page's own parts."""
    return view.templates().overlay(loader=FileSystemLoader(PAGE))


def head() -> str:
    """What the page needs beside Gradio: one round trip for all, however many modules there are."""
    return templates().get_template("head.html").render(modules=assets.modules(SCRIPT))


def page(*, collects: bool = False) -> gr.Blocks:
    """The chat page's layout; `collects`: ratings go to a data set of the operator's."""
    told = {"languages": texts.named(), "file_limit": FILE_LIMIT, "most_files": MOST_FILES}
    told["collects"] = collects
    blocks = gr.Blocks(title="Candor", analytics_enabled=False)
    with blocks, gr.Column(elem_id="candor"):
        for name in COMPONENTS:
            gr.HTML(
                templates().get_template(f"{name}.html").render(told),
                elem_id=f"candor-{name}",
                apply_default_css=False,
                js_on_load=None,
                padding=False,
            )
    # it looks a thousand times a second else, which an idle process and a busy loop both feel
    blocks._queue.sleep_when_free = SELDOM
    return blocks
