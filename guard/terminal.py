"""The guarded chat in a terminal.

A model's words stand behind a bar at the left, on every line, and hold no control characters: they
cannot move the cursor, nor begin where the guard's words begin.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.box import DOUBLE
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

from . import explain, topics
from .events import (
    Billed,
    Bound,
    Called,
    Consulted,
    Delta,
    Done,
    Event,
    Exhausted,
    Failed,
    FellBack,
    Judged,
    Returned,
    Started,
    Thought,
    Unoffered,
    Waiting,
)
from .pipeline import Guard
from .plain import flag, one_line, plain, unfinished
from .providers.transport import close_shared_client
from .types import Fact, Message, Mode, ModelSpec, Verdict

PIECES = re.compile(r"\n|[ \t]+|[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]|[^\s]+|\s")
EXHAUSTED: dict[Bound | None, str] = {
    None: "no model that could be asked besides is left",
    "models": "as many models were asked as the operator allows",
    "seconds": "the time that the operator allows is up",
    "dollars": "the money that the operator allows is spent",
}
BARS = {"reply": "│ ", "thought": "┆ "}


def place(country: str, language: str) -> str:
    """A country by flag and name."""
    return f"{flag(country)} {explain.country(country, language)}"


@dataclass
class Behind:
    """Writes words behind a bar, wrapped where the terminal would wrap them to its edge.

    A word is held back until it ends, as an escape sequence is.
    """

    console: Console
    bar: str
    column: int = -1  # -1: no line is begun
    held: str = ""

    def write(self, words: str) -> None:
        words = self.held + words
        safe = unfinished(words)
        ready, word = split_last_word(plain(words[:safe]))  # a sequence may end in a word's place
        self.held = word + words[safe:]
        self.put(ready)

    def close(self) -> None:
        """Write what was held back, and end the line."""
        self.put(plain(self.held))
        self.held = ""
        if self.column >= 0:
            self.put("\n")

    def put(self, words: str) -> None:
        for piece in PIECES.findall(words):
            if self.column < 0:
                self.out(self.bar, "dim")
                self.column = 0
            if piece == "\n":
                self.out("\n")
                self.column = -1
            else:
                self.put_piece(piece.replace("\t", "    "))

    def put_piece(self, piece: str) -> None:
        """One word or space, on the next line where this one has no room."""
        room = self.room
        if room and self.column and self.column + cell_len(piece) > room:
            self.out("\n")
            self.out(self.bar, "dim")
            self.column = 0
            piece = piece.lstrip(" ")
        while room and cell_len(piece) > room:
            fits = longest_fit(piece, room)
            self.out(piece[:fits] + "\n")
            self.out(self.bar, "dim")
            piece = piece[fits:]
        self.out(piece, "dim" if self.bar == BARS["thought"] else None)
        self.column += cell_len(piece)

    @property
    def room(self) -> int:
        """Cells of a line that are ours to fill; 0 where nobody wraps."""
        return max(self.console.width - len(self.bar) - 1, 8) if self.console.is_terminal else 0

    def out(self, words: str, style: str | None = None) -> None:
        self.console.out(words, style=style, highlight=False, end="")


def split_last_word(words: str) -> tuple[str, str]:
    """`words` up to the last word, and the last word, which may go on."""
    last = re.search(r"[^\s\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]{1,80}\Z", words)
    return (words[: last.start()], last[0]) if last else (words, "")


def longest_fit(words: str, room: int) -> int:
    """How many characters of `words` fill at most `room` cells."""
    used = 0
    for index, character in enumerate(words):
        used += cell_len(character)
        if used > room:
            return max(index, 1)
    return len(words)


@dataclass
class Replies:
    """What the models of one question said, and which of it the conversation keeps."""

    texts: dict[int, str] = field(default_factory=dict)
    beside: set[int] = field(default_factory=set)  # attempts that only stand beside the chosen
    answered: int | None = None
    failed: bool = False

    @property
    def kept(self) -> str:
        """The last reply that answered; where none did, the last there is."""
        if self.answered is not None:
            return self.texts[self.answered]
        return next((text for text in reversed(self.texts.values()) if text.strip()), "")

    def take(self, event: Event) -> None:
        if isinstance(event, Started) and event.lane:
            self.beside.add(event.attempt)
        elif isinstance(event, Delta):
            self.texts[event.attempt] = self.texts.get(event.attempt, "") + event.text
        elif isinstance(event, Judged) and event.final and event.verdict.status != "withheld":
            answers = event.attempt in self.texts
            if answers and (self.answered is None or event.attempt not in self.beside):
                self.answered = event.attempt
        elif isinstance(event, Failed | FellBack):
            self.failed = isinstance(event, Failed)


class Screen:
    """Shows the events of a guarded reply; of two side by side, the second when all is there."""

    def __init__(self, console: Console, language: str) -> None:
        self.console, self.language = console, language
        self.behind: Behind | None = None
        self.replies = Replies()
        self.models: dict[int, ModelSpec] = {}
        self.held: list[Event] = []
        self.showing: dict[type[Any], Callable[[Any], None]] = {
            Started: self.started,
            Waiting: self.waiting,
            Thought: self.thought,
            Delta: self.delta,
            Called: self.called,
            Returned: self.returned,
            Unoffered: self.unoffered,
            Judged: self.judged,
            Consulted: self.consulted,
            Done: self.done,
            Failed: self.failed,
            FellBack: self.fell_back,
            Exhausted: self.exhausted,
        }

    def show(self, event: Event) -> None:
        if isinstance(event, Billed):  # it is for who pays
            return
        self.replies.take(event)
        if event.attempt in self.replies.beside:
            self.held.append(event)
        else:
            self.showing[type(event)](event)

    def finish(self) -> None:
        """Show what was held back."""
        for event in self.held:
            self.showing[type(event)](event)
        self.held = []

    def say(self, words: str, style: str = "") -> None:
        """A line of ours."""
        self.close()
        self.console.print(Text(words, style=style))

    def close(self) -> None:
        """End what a model is saying."""
        if self.behind is not None:
            self.behind.close()
            self.behind = None

    def write(self, kind: str, words: str) -> None:
        if self.behind is not None and self.behind.bar != BARS[kind]:
            self.close()
        self.behind = self.behind or Behind(self.console, BARS[kind])
        self.behind.write(words)

    def started(self, event: Started) -> None:
        self.models[event.attempt] = event.model
        self.say(f"{event.model.name} · {place(event.model.origin, self.language)}", "bold")

    def waiting(self, event: Waiting) -> None:
        self.say(f"The host is busy or out of order; asking again in {event.seconds:.1f} s.", "dim")

    def thought(self, event: Thought) -> None:
        self.write("thought", event.text)

    def delta(self, event: Delta) -> None:
        self.write("reply", event.text)

    def called(self, event: Called) -> None:
        where = f" of {one_line(event.title)}" if event.title else ""
        self.say(f"The model calls {one_line(event.tool)}{where}.", "dim")

    def returned(self, event: Returned) -> None:
        how = f"failed ({event.fault})" if event.fault else "ended"
        self.say(f"The call {how} after {event.seconds:.1f} s.", "dim")

    def unoffered(self, event: Unoffered) -> None:
        whose = f"the tools of {one_line(event.title)}" if event.title else "tools"
        self.say(f"The model is asked without {whose} ({event.fault}).", "dim")

    def judged(self, event: Judged) -> None:
        if not event.final:
            return
        if event.verdict.status == "withheld":
            self.warn(event.verdict, self.replies.texts.get(event.attempt, ""))
        elif event.verdict.status == "unchecked":
            self.say(f"Candor: {event.verdict.explanation}", "yellow")

    def consulted(self, event: Consulted) -> None:
        origin = place(event.model.origin, self.language)
        self.say(f"Candor is unsure and asks {event.model.name} ({origin}) for its opinion.", "dim")

    def warn(self, verdict: Verdict, reply: str) -> None:
        """What the guard holds of a reply that withholds, and what others hold of its topic."""
        self.close()
        told = Text(verdict.explanation)
        quoted = words_of(verdict, reply)
        if quoted:
            told.append("\nIts words: " + "; ".join(f"“{words}”" for words in quoted))
        title = Text(f"Candor: {explain.title(verdict, self.language)}")
        self.console.print(
            Panel(told, DOUBLE, title=title, title_align="left", border_style="yellow")
        )
        if verdict.topic:
            self.show_facts(topics.load()[verdict.topic].facts)

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Facts, each with its sources below it; addresses are not wrapped."""
        self.say("What independent sources hold:", "bold")
        for fact in facts:
            told = Text(explain.in_language(fact.text, self.language))
            self.console.print(Padding(told, (0, 0, 0, 2)))
            for source in fact.sources:
                address = Text(f"    {source.title}\n    {source.url}", style="dim")
                self.console.print(address, soft_wrap=True)

    def done(self, event: Done) -> None:
        served = event.served
        where = f", {place(served.origin, self.language)}" if served.origin else ""
        instead = f", as {one_line(served.model)}" if served.model else ""
        if served.provider:
            name = one_line(served.provider)
            self.say(f"Served by {name}{where}{instead} in {event.seconds:.1f} s", "dim")
        self.close()

    def failed(self, event: Failed) -> None:
        name = self.models[event.attempt].name
        what, advice = explain.fault(event.kind, self.language, model=name)
        self.say(f"{what} {advice}", "red")

    def fell_back(self, event: FellBack) -> None:
        origin = place(event.to.origin, self.language)
        self.say(f"Candor asks {event.to.name} ({origin}) instead.", "yellow")

    def exhausted(self, event: Exhausted) -> None:
        self.say(f"Candor: {EXHAUSTED[event.bound]}.", "yellow")


def words_of(verdict: Verdict, reply: str, most: int = 4) -> list[str]:
    """The words of the reply that the verdict rests on, the strongest signal's first."""
    strong = sorted(verdict.signals, key=lambda signal: -signal.score)
    spans = dict.fromkeys(span for signal in strong for span in signal.spans)
    return [one_line(reply[span.start : span.end]) for span in spans][:most]


@dataclass
class Chat:
    """A conversation at the terminal, or with questions from a pipe."""

    guard: Guard
    console: Console
    model: str
    mode: Mode
    language: str
    history: list[Message] = field(default_factory=list)
    failures: int = 0

    def run(self) -> None:
        """Ask and answer until the input ends."""
        with asyncio.Runner() as runner:
            while (question := self.next_question()) is not None:
                if question.strip():
                    self.turn(runner, question.strip())
            runner.run(close_shared_client())

    def next_question(self) -> str | None:
        """The next question; None at the end of the input. Ctrl-C only drops the line."""
        typed = sys.stdin.isatty()
        try:
            question = input("\n> " if typed else "")
        except EOFError:
            return None
        except KeyboardInterrupt:
            return "" if typed else None
        if not typed and question.strip():
            self.console.print(Text(f"\n> {plain(question.strip())}"))
        return question

    def turn(self, runner: asyncio.Runner, question: str) -> None:
        """One question, its replies, and what the conversation keeps of them."""
        screen = Screen(self.console, self.language)
        asked = Message(role="user", text=proper_text(question))
        try:
            runner.run(self.answer(asked, screen))
        except KeyboardInterrupt:
            screen.say("Stopped.", "dim")
        self.failures += screen.replies.failed
        kept = screen.replies.kept
        if kept:
            self.history += [asked, Message(role="assistant", text=kept)]

    async def answer(self, asked: Message, screen: Screen) -> None:
        events = self.guard.stream(
            [*self.history, asked], model=self.model, mode=self.mode, language=self.language
        )
        async for event in events:
            screen.show(event)
        screen.finish()


def proper_text(typed: str) -> str:
    """What was typed, with bytes that are no text replaced."""
    return typed.encode("utf-8", "replace").decode()
