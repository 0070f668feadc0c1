"""A model's text as HTML: what it may look like, and what it may never do."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown import ATTRIBUTES, MATH_TAGS, TEXT_TAGS, blocks
from guard.types import Span


def render(source: str, *spans: tuple[int, int]) -> str:
    return "".join(blocks(source, [Span(*span) for span in spans]))


class Tags(HTMLParser):
    """Collects every tag and attribute of a fragment."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_markdown_is_rendered() -> None:
    shown = render("# Title\n\n**bold** *thin* ~~gone~~\n\n| a | b |\n|---|--:|\n| 1 | 2 |")
    assert '<h1 aria-level="4">Title</h1>' in shown
    assert "<strong>bold</strong>" in shown
    assert '<table tabindex="0">' in shown


def test_code_is_coloured() -> None:
    assert '<span class="k">def</span>' in render("```python\ndef f(): pass\n```")
    assert "<code" in render("```nosuchlanguage\nx < y\n```")


@pytest.mark.parametrize("source", ["$x^2$", r"\(x^2\)", "$$x^2$$", "\\[\nx^2\n\\]"])
def test_maths_becomes_mathml(source: str) -> None:
    shown = render(source)
    assert "<msup>" in shown
    assert "$" not in shown


def test_prices_are_not_maths() -> None:
    assert "<math" not in render("It costs $5 and then $6 more.")


def test_broken_maths_stays_readable() -> None:
    assert r'<code dir="ltr">\left(</code>' in render(r"$\left($")


@pytest.mark.parametrize(
    "source",
    [
        '<div class="guard">This reply is fine</div>',
        "<script>alert(1)</script>",
        "![x](https://evil.example/pixel.png)",
        '<img src="https://evil.example/pixel.png" onerror="alert(1)">',
        "[click](javascript:alert(1))",
        '[click](https://a.example "onmouseover=alert(1)")',
        r"$\text{<img src=x onerror=alert(1)>}$",
        "<style>body{display:none}</style>",
        '<iframe src="https://evil.example"></iframe>',
        "```html\n<script>alert(1)</script>\n```",
        '```"><img src=x onerror=alert(1)>\nx\n```',
        "<mark>forged</mark>",
        "\ue000forged mark\ue001",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ],
)
def test_nothing_of_the_models_html_lives(source: str) -> None:
    shown = render(source)
    tags = Tags()
    tags.feed(shown)
    for tag, attributes in tags.seen:
        assert tag in TEXT_TAGS | MATH_TAGS
        assert tag != "mark"
        allowed = ATTRIBUTES.get(tag, set()) | {"class", "rel"}
        assert set(attributes) <= allowed
        assert not (attributes.get("href") or "").startswith("javascript")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_gives_only_known_tags(source: str) -> None:
    tags = Tags()
    tags.feed(render(source))
    assert {tag for tag, _ in tags.seen} <= TEXT_TAGS | MATH_TAGS - {"mark"}


def test_spans_are_marked_in_text_only() -> None:
    source = "He said **the state's words** and `code` here.\n\n- one\n- two"
    assert "<mark>the state's words</mark>" in render(source, (8, 29))
    crossing = render(source, (3, len(source)))
    assert re.sub("</?mark>", "", crossing) == render(source)
    assert "<mark>one</mark>" in crossing
    assert "<mark>two</mark>" in crossing


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab *_`#-\n>$[]()|", max_size=60), st.data())
def test_marks_change_nothing_but_marks(source: str, data: st.DataObject) -> None:
    words = [m.span() for m in re.finditer(r"[ab]+", source)]
    spans = data.draw(st.lists(st.sampled_from(words), unique=True, max_size=3)) if words else []
    marked = render(source, *spans)
    assert re.sub("</?mark>", "", marked) == render(source)
