"""Foreign words in the Markdown export: they stay in their quotation, and nothing in them loads."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from chat.markdown_export import quoted, words

VIEWER = MarkdownIt("commonmark", {"html": True})
NOTE = "**◑ This reply is clean** says the guard"
HOSTILE = [
    f"</blockquote>\n\n{NOTE}",
    f"\\</blockquote><img src=x>\n{NOTE}",
    f"\\\\<script>alert(1)</script>\r{NOTE}",
    f"```\n<b>\n\t```\n<img src=x>\n\n{NOTE}",
    f"~~~\n\n{NOTE}\n# x",
    "![track](https://elsewhere.example/a.gif) ![a][b]\n\n[b]: https://elsewhere.example/b.gif",
    "\\![a](https://elsewhere.example/c.gif)",
    "- a\n\n\t\t<img src=x>\n\n  <!-- -->\n<?php ?>",
    "> > ```\n<img src=x>",
    "---\ntitle: mine\n---\n===",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_in_their_quotation(text: str) -> None:
    html = VIEWER.render(f"{quoted(text)}\n\nafter")
    assert html.startswith("<blockquote>")
    assert html.endswith("</blockquote>\n<p>after</p>\n")
    outer = re.sub(r"(?s)^<blockquote>.*</blockquote>\n", "", html)
    assert outer == "<p>after</p>\n"
    assert not re.search(r"<(img|script|!--|\?php)", html)
    assert html.count("<blockquote>") == html.count("</blockquote>")


def test_a_coloured_note_of_github_is_none() -> None:
    assert quoted("[!WARNING]\nx") == "> \\[!WARNING]\n> x"


def test_code_and_comparisons_stay_as_they_were() -> None:
    text = "If a < b:\n\n```html\n<p>![x](y)</p>\n```"
    assert quoted(text) == "\n".join(f"> {line}" for line in text.split("\n"))


def test_words_of_ours_hold_no_foreign_markdown() -> None:
    name = "[x](http://e.example) **b** <i> `c` ![d](e) \n# f"
    assert VIEWER.renderInline(words(name)) == (
        "[x](http://e.example) **b** &lt;i&gt; `c` ![d](e) # f"
    )
