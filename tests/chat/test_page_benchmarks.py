"""The pure parts of benchmarks/page_load.py: what is taken for seen, and when."""

from __future__ import annotations

import json
import sys
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import page_load as load
from beside.text import pieces, seen_after_each, seen_in_html

from chat.growing import GrowingText

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def told(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def test_what_is_seen_of_a_reply_is_the_same_in_markdown_and_on_the_page() -> None:
    parts = pieces(300)
    growing = GrowingText()
    for text, wanted in zip(accumulate(parts), seen_after_each(parts), strict=True):
        assert sum(map(seen_in_html, growing.blocks(text))) == wanted


def test_an_event_has_come_with_its_last_byte() -> None:
    events = [told("update", {"n": 1}), told("update", {"n": 2}), told("end", {})]
    stream = HEAD + chunk(events[0]) + chunk(events[1] + events[2])
    at = len(HEAD) + len(chunk(events[0]))
    arrivals = [
        load.Arrival(1.0, stream[: at - 5]),
        load.Arrival(2.0, stream[at - 5 : at + 9]),
        load.Arrival(3.0, stream[at + 9 :]),
    ]
    assert [(when, name) for when, name, _ in load.messages(arrivals)] == [
        (2.0, "update"),
        (3.0, "update"),
        (3.0, "end"),
    ]


def test_candors_updates_are_put_together_as_the_page_does() -> None:
    whole = (
        '<div class="text" data-part="text"><div class="block"><p>One &amp; two</p></div>'
        '</div>\n  <div data-part="note"></div>'
    )
    events = [
        told("update", {"reply": "r", "html": whole}),
        told("update", {"reply": "r", "grow": " three"}),
        told("update", {"reply": "r", "part": "chip", "html": "<b>no</b>"}),
        told("update", {"reply": "r", "part": "text", "from": 1, "blocks": ["<p>four</p>"]}),
    ]
    arrivals = [load.Arrival(0.0, HEAD + b"".join(map(chunk, events)))]
    assert [update.seen for update in load.shown_by_candor(arrivals)] == [6, 11, 11, 15]


def test_a_token_is_late_until_the_first_update_that_shows_it() -> None:
    updates = [load.Update(1.5, 3), load.Update(2.5, 9)]
    sent, wanted = [1.0, 1.1, 1.2, 2.0, 3.0], [3, 3, 5, 9, 12]
    assert load.delays(sent, wanted, updates) == [(1.0, 1.5), (1.2, 2.5), (2.0, 2.5)]
