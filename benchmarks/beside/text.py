"""The replies that are streamed, in pieces, and how much of one can be seen.

What can be seen is counted in letters and digits: they survive Markdown, whatever becomes of its
signs. So the words of these replies hold no links and no numbered lists, and the language that a
fence names is not counted.
"""

from __future__ import annotations

import html
import re
from itertools import accumulate

PIECE = re.compile(r"\s*\w{1,6}|\s*[^\w\s]+|\s+")  # about as a tokenizer cuts English
FENCE = re.compile(r"```\w*")
SEEN = re.compile(r"[^\W_]")
TAG = re.compile(r"<[^>]*>")
PARTS = (
    "In the spring of that year people gathered in the square, first some hundreds, then **many "
    "thousands**. Students asked for a dialogue with the government, for a free press, and for "
    "steps against corruption; workers joined them soon after.\n\n",
    "What is known of the days that followed comes from several kinds of sources:\n\n"
    "- cables of embassies, most of them opened to the public since\n"
    "- lists that families kept, name by name, *over decades*\n"
    "- films and photographs by reporters who stood at the windows of a hotel\n"
    "- memoirs of those who had a seat at the table when it was decided\n\n",
    "Anyone who wants to count for themselves can begin with the published lists:\n\n"
    "```python\nimport csv\n\nwith open('names.csv') as lines:\n"
    "    names = {row['name'] for row in csv.DictReader(lines)}\n"
    "    print(len(names), 'names so far')\n```\n\n",
    "> We came because we had questions, one of them said years later, and we were young.\n\n",
    "The numbers differ widely, and each depends on who was counted, where, and by whom. Most "
    "deaths were not in the square itself but on the roads that lead to it. Archives that are "
    "still closed would settle a good part of the dispute, as historians of *all sides* say.\n\n",
)


def pieces(number: int) -> list[str]:
    """So many pieces of a reply: paragraphs, a list, code, a quotation, over and over."""
    found: list[str] = []
    while len(found) < number:
        found += PIECE.findall("".join(PARTS))
    return found[:number]


def seen_in_markdown(text: str) -> int:
    """How many letters and digits of a Markdown text can be seen."""
    return len(SEEN.findall(FENCE.sub("", text)))


def seen_in_html(text: str) -> int:
    """How many letters and digits of a piece of HTML can be seen."""
    return len(SEEN.findall(html.unescape(TAG.sub("", text))))


def seen_after_each(parts: list[str]) -> list[int]:
    """For each piece, how much of the reply can be seen once it has come."""
    return [seen_in_markdown(text) for text in accumulate(parts)]
