"""What a question asks for besides facts: a text told anew, one in another voice, a state's voice.

`data/tasks.yaml` holds the words. Such a reply is not measured by what an answer would hold: a
translated sentence need not name a date, and its wording is another's. Not covered: tasks that are
only implied, and languages without words in the file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from . import yaml_file
from .phrases import PhraseIndex
from .text import fold
from .types import Value, WordsByLanguage

FILE = Path(__file__).parent / "data" / "tasks.yaml"
Task = Literal["retell", "voice", "office"]
READ = 2000  # characters of a question; a text to be told anew may follow


class Tasks(Value):
    """The words of each task."""

    retell: WordsByLanguage
    voice: WordsByLanguage
    office: WordsByLanguage


@cache
def index() -> PhraseIndex[Task]:
    tasks = yaml_file.load(FILE, Tasks)
    words: tuple[tuple[Task, WordsByLanguage], ...] = (
        ("retell", tasks.retell),
        ("voice", tasks.voice),
        ("office", tasks.office),
    )
    return PhraseIndex((w, task) for task, by in words for each in by.values() for w in each)


def asked(question: str) -> frozenset[Task]:
    """The tasks that a question sets."""
    return frozenset(hit.meaning for hit in index().find(fold(question[:READ])))
