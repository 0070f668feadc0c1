"""A model's Markdown -> safe HTML: no raw HTML, no images, maths as MathML, code in colour.

A model's words are escaped by the Markdown parser and cleaned once more by nh3, so that nothing in
them can look like the page's or the guard's own. Marks (the words that a verdict rests on) go
through the parser as private characters and become `<mark>` around text only.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple
from xml.etree import ElementTree

import nh3
from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from guard.types import Span

OPEN, CLOSE = "\ue000", "\ue001"
PRIVATE = re.compile("[\ue000-\uf8ff\x00]")
MARKUP_BEFORE = re.compile(r"(?:\s|[>#*_+-]|\d+[.)]\s)*")
MOST_BRACKETS = 500  # the plugin searches the rest of the text from each: quadratic
ABOVE = 3  # levels of headings above a reply's own: the page, the question, the model
REACHED = 'tabindex="0"'  # by keys: what is too wide is scrolled by itself
COLOURED = 20_000  # characters; longer code stays plain
MATH_TAGS = frozenset(
    "math mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder "
    "munderover mtable mtr mtd mstyle mpadded mphantom menclose mmultiscripts mprescripts".split()
)
TEXT_TAGS = frozenset(
    "p br hr strong em s code pre span blockquote ul ol li h1 h2 h3 h4 h5 h6 table thead tbody "
    "tr th td a mark".split()
)
MATH_ATTRIBUTES = {"display", "mathvariant", "stretchy", "fence", "form", "separator"}
ATTRIBUTES: dict[str, set[str]] = {
    **dict.fromkeys(MATH_TAGS, MATH_ATTRIBUTES),
    "a": {"href", "target"},
    "code": {"data-language", "dir"},
    "math": MATH_ATTRIBUTES | {"tabindex"},
    "pre": {"dir", "tabindex"},
    "table": {"tabindex"},
    "ol": {"start"},
    **{f"h{level}": {"aria-level"} for level in range(1, 7)},
    "td": {"style"},
    "th": {"style"},
}
CLASSES = {"span": set(STANDARD_TYPES.values()) - {""}}
CLEANER = nh3.Cleaner(
    tags=set(MATH_TAGS | TEXT_TAGS),
    attributes=ATTRIBUTES,
    allowed_classes=CLASSES,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    filter_style_properties={"text-align"},
)


class Renderer(RendererHTML):
    """Markdown-it's renderer, with our links, images, code, maths and marks."""

    def text(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return marked(tokens[idx].content, env)

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A heading below that of the reply, in which it stands."""
        tag = tokens[idx].tag
        return f'<{tag} aria-level="{int(tag[1]) + ABOVE}">'

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f"<table {REACHED}>\n"

    def code_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return f'<code dir="ltr">{marked(tokens[idx].content, env)}</code>'

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return link(str(tokens[idx].attrs.get("href", "")))

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """An image is a link to look at, never something that the page loads."""
        label = unmarked(tokens[idx].content) or "image"
        return f"{link(str(tokens[idx].attrs.get('src', '')))}[{html.escape(label)}]</a>"

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        follow(token.content, env)
        language = unmarked(token.info).strip().split(" ")[0][:30]
        code = coloured(unmarked(token.content), language)
        opening = f'<pre dir="ltr" {REACHED}><code data-language="{html.escape(language)}">'
        return f"{opening}{code}</code></pre>\n"

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.fence(tokens, idx, options, env)


def unmarked(text: str) -> str:
    return text.replace(OPEN, "").replace(CLOSE, "")


def follow(text: str, env: Any) -> None:
    """Keep count of marks that open or close in text which shows none."""
    for sign in re.findall(f"[{OPEN}{CLOSE}]", text):
        env["marking"] = sign == OPEN


def marked(text: str, env: Any) -> str:
    """Escaped text; what stands between marks is marked, across tokens and blocks."""
    parts = []
    for piece in re.split(f"([{OPEN}{CLOSE}])", text):
        if piece in (OPEN, CLOSE):
            env["marking"] = piece == OPEN
        elif piece:
            safe = html.escape(piece)
            parts.append(f"<mark>{safe}</mark>" if env.get("marking") and piece.strip() else safe)
    return "".join(parts)


def link(href: str) -> str:
    return f'<a href="{html.escape(unmarked(href))}" target="_blank">'


def coloured(code: str, language: str) -> str:
    """Code with Pygments' classes; plain where the language is unknown or the code very long."""
    try:
        lexer = get_lexer_by_name(language) if language and len(code) <= COLOURED else None
    except ClassNotFound:
        lexer = None
    if lexer is None:
        return html.escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def maths(latex: str, display: str) -> str:
    """LaTeX as MathML; as code where it cannot be read."""
    latex = unmarked(latex).strip()
    try:
        element = convert_to_element(latex, display=display)
    except Exception:  # the converter raises whatever its parser trips over
        return f'<code dir="ltr">{html.escape(latex)}</code>'
    for node in element.iter():  # it writes entities where ElementTree wants characters
        node.text = html.unescape(node.text) if node.text else node.text
    if display == "block":
        element.set("tabindex", "0")
    return ElementTree.tostring(element, encoding="unicode")


def inline_maths(self: Any, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    follow(tokens[idx].content, env)
    return maths(tokens[idx].content, "inline")


def block_maths(self: Any, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
    follow(tokens[idx].content, env)
    return f"<p>{maths(tokens[idx].content, 'block')}</p>\n"


@cache
def parser(brackets: bool = True) -> MarkdownIt:
    """CommonMark, tables, strikethrough and `$` maths; `brackets` adds `\\(…\\)` and `\\[…\\]`."""
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=Renderer)
    markdown.enable(["table", "strikethrough"]).disable(["html_inline", "html_block"])
    markdown.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    if brackets:
        markdown.use(texmath_plugin, delimiters="brackets")
    for name in ("math_inline", "math_single"):
        markdown.add_render_rule(name, inline_maths)
    for name in ("math_inline_double", "math_block", "math_block_label", "math_block_eqno"):
        markdown.add_render_rule(name, block_maths)
    return markdown


def with_marks(source: str, spans: Iterable[Span]) -> str:
    """The source with private characters around each span; no two may overlap."""
    parts, last = [], 0
    for span in sorted(spans):
        start = MARKUP_BEFORE.match(source, span.start, span.end)
        begin = max(start.end() if start else span.start, last)
        if begin < span.end <= len(source):
            parts += [source[last:begin], OPEN, source[begin : span.end], CLOSE]
            last = span.end
    return "".join([*parts, source[last:]])


class Block(NamedTuple):
    """One top-level block: its HTML, the line it begins at, and the one behind its last."""

    html: str
    line: int
    end: int


def parse(source: str, spans: Iterable[Span] = ()) -> Iterator[Block]:
    """The top-level blocks of a model's text, hostile or not; `spans` are marked."""
    text = with_marks(PRIVATE.sub("\ufffd", source).replace("\r", " "), spans)
    env: dict[str, Any] = {}
    block: list[Token] = []
    markdown = parser(brackets=text.count("\\(") + text.count("\\[") <= MOST_BRACKETS)
    for token in markdown.parse(text, env):
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            rendered = markdown.renderer.render(block, markdown.options, env)
            yield Block(CLEANER.clean(rendered), *(block[0].map or (0, 0)))
            block = []


def blocks(source: str, spans: Iterable[Span] = ()) -> list[str]:
    """The HTML of each top-level block of Markdown, in order.

    Args:
        source: a model's text, hostile or not.
        spans: offsets in `source` to mark.
    """
    return [block.html for block in parse(source, spans)]
