"""The chat page: Gradio Blocks around four HTML components, driven by `static/candor.js`.

The components hold the page's furniture in English; the script asks for the state
(`/candor/state`) and puts the reader's conversations, models and language in.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from jinja2 import Environment, FileSystemLoader

from .. import __version__, texts
from ..reading import FILE_LIMIT, MOST_FILES

PAGE = Path(__file__).parent / "chat"
FONTS = "/candor/static/fonts"
HEAD = f"""
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<link rel="preload" as="font" type="font/woff2" crossorigin
  href="{FONTS}/inter-latin-wght-normal.woff2">
<link rel="stylesheet" href="/candor/static/candor.css?v={__version__}">
<link rel="stylesheet" media="print" href="/candor/static/print.css?v={__version__}">
<script type="module" src="/candor/static/candor.js?v={__version__}"></script>
"""
COMPONENTS = ("sidebar", "header", "thread", "composer")


def theme() -> gr.themes.Base:
    """Gradio's plain theme with our type; colours come from `candor.css`."""
    fonts = ["Inter", "system-ui", "sans-serif"]
    return gr.themes.Base(font=fonts, font_mono=["ui-monospace", "monospace"])


def page() -> gr.Blocks:
    """The chat page's layout."""
    templates = Environment(loader=FileSystemLoader(PAGE), autoescape=True)
    told = {"languages": texts.named(), "file_limit": FILE_LIMIT, "most_files": MOST_FILES}
    with gr.Blocks(title="Candor", analytics_enabled=False) as blocks, gr.Column(elem_id="candor"):
        for name in COMPONENTS:
            gr.HTML(
                templates.get_template(f"{name}.html").render(told),
                elem_id=f"candor-{name}",
                apply_default_css=False,
                js_on_load=None,
                padding=False,
            )
    return blocks
