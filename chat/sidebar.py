"""The list of conversations and what a search found, as HTML.

The list goes out in pages, and a change as the one entry that changed, in the group where it
stands; the page puts it in its place by `data-place`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import NamedTuple

from babel.dates import format_date, format_skeleton

from .search import Found
from .store import Conversation, now
from .store.tables import Place
from .view import View, fill
from .words import Phrase, marked, snippet

PAGE = 60  # entries
PLACE = re.compile(r"([01]),(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00),([0-9a-f]{32})")


class Group(NamedTuple):
    """Conversations of one day or month; `key` is the same on all pages."""

    key: str
    name: str


def listed(conversations: Sequence[Conversation], view: View, *, first: bool = False) -> str:
    """A page of the list: at most `PAGE` entries, and a mark where there are more.

    Args:
        conversations: one more than `PAGE`, if there are as many.
        first: the list's beginning, which says so where there is none.
    """
    shown, more = conversations[:PAGE], len(conversations) > PAGE
    today = now().astimezone(view.zone).date()
    groups = [
        (group, list(found)) for group, found in groupby(shown, lambda c: group_of(c, today, view))
    ]
    after = written(shown[-1].place) if more else None
    return fill("sidebar", view, groups=groups, after=after, first=first, place=written)


def group_of(conversation: Conversation, today: date, view: View) -> Group:
    """Where a conversation stands, by the reader's own day."""
    if conversation.pinned:
        return Group("pinned", view.say.sidebar_pinned)
    day = conversation.updated_at.astimezone(view.zone).date()
    ago = (today - day).days
    for most, key, name in (
        (0, "today", view.say.today),
        (1, "yesterday", view.say.yesterday),
        (7, "week", view.say.sidebar_week),
        (30, "month", view.say.sidebar_month),
    ):
        if ago <= most:
            return Group(key, name)
    return Group(f"{day:%Y-%m}", month(day, today, view.language))


def month(day: date, today: date, language: str) -> str:
    """A month's name, with its year where that is not this one."""
    locale = language.replace("-", "_")
    alone = day.year == today.year
    name = str(
        format_date(day, "LLLL", locale) if alone else format_skeleton("yMMMM", day, locale=locale)
    )
    return name[:1].upper() + name[1:]


def written(place: Place) -> str:
    """A place as the page holds it: text that sorts as places do."""
    moment = place.updated_at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{int(place.pinned)},{moment},{place.id}"


def read_place(text: str) -> Place:
    """The place that was `written` so.

    Raises:
        ValueError: it was not.
    """
    found = PLACE.fullmatch(text)
    if found is None:
        raise ValueError("this is no place in the list")
    return Place(found[1] == "1", datetime.fromisoformat(found[2]), found[3])


def results(found: Sequence[Found], wanted: Sequence[Phrase], view: View) -> str:
    """What a search found, with the words that were searched for marked."""
    shown = [
        (one, message, marked(one.title, wanted), snippet(message.text if message else "", wanted))
        for one, message in found
    ]
    return fill("results", view, results=shown)
