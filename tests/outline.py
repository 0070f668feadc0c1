"""What a page holds, read as a browser would."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "rect", "path", "circle", "br", "hr"}


class Outline(HTMLParser):
    """What a page holds: its tags with their attributes, and the text of each element by id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.open: list[tuple[str, str | None]] = []
        self.feed(html)
        assert self.open == [], "not all elements are closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        said = re.sub(r"[ \n]+", " ", data)  # a no-break space stays
        for _, id_ in self.open:
            if id_:
                self.text[id_] = f"{self.text.get(id_, '')} {said}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def cards(self) -> list[str]:
        return [str(article["id"]) for article in self.all("article")]
