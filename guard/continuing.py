"""A reply that was cut goes on: what its model is told, and the seam between the two parts.

Many hosts of OpenAI's protocol refuse or ignore a reply that is begun for the model. So it is shown
what it has said, and asked in words to go on. Where it says the end of that again, the repetition
is taken out; where it thinks anew, that joins its other thoughts. Not covered: what is repeated in
another wording or from farther back than `REACH`, and a space that the model leaves out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from .errors import ProviderError
from .exchange import HAN_WEIGHT
from .piece import Piece
from .text import CLOSED, OPENED, UNSPACED, joins_word, script_of, split_thinking
from .types import Message

if TYPE_CHECKING:
    from .asking import Chunk

GO_ON = (
    "Your reply above was cut off. Continue it exactly where it ends, in the same language and "
    "form, without any remark of your own. "
)
REPEAT_NOTHING = "Repeat nothing of it."
REPEAT_A_WORD = (  # which tells a word that was cut from one that a space follows
    "Begin with its last word, written out in full, and repeat nothing before that word."
)
REACH = 2_000  # characters of the first part's end in which a repetition is looked for
REPEATED = 10.0  # Latin letters; less may follow itself by chance, unless it is the last word
BETWEEN = "\n\n"  # two stretches of thoughts


def continued(messages: Sequence[Message], reply: str) -> list[Message]:
    """The conversation, what the model has said of its reply, and the request to go on."""
    said = split_thinking(reply).answer
    how = REPEAT_A_WORD if joins_word(said[-1:]) else REPEAT_NOTHING
    asked = Message(role="user", text=GO_ON + how)
    return [*messages, Message(role="assistant", text=said), asked]


class Seam:
    """Where the second part joins the first: holds back what may yet repeat the first's end."""

    def __init__(self, reply: str) -> None:
        self.tail = reply[-REACH:]
        self._letters = squeezed(self.tail)
        self._held: str | None = ""  # None: it is past

    def take(self, text: str) -> str:
        """What may be shown of the second part, now that it has come this far."""
        if self._held is None:
            return text
        self._held += text
        return "" if squeezed(self._held) in self._letters else self.rest()

    def rest(self) -> str:
        """What is held back, without the repetition."""
        held, self._held = self._held or "", None
        fresh = held[repetition(self.tail, held) :]
        return fresh.lstrip() if fresh != held and self.tail[-1:].isspace() else fresh


def repetition(before: str, after: str) -> int:
    """How many of the first characters of `after` say the end of `before` again.

    Spaces and line ends are not compared.
    """
    letters, own = squeezed(before), squeezed(after)
    for size in range(min(len(letters), len(own)), 0, -1):
        shared = own[:size]
        if letters.endswith(shared) and (
            weight(shared) >= REPEATED or last_word_again(before, after, shared)
        ):
            return [at for at, sign in enumerate(after) if not sign.isspace()][size - 1] + 1
    return 0


def last_word_again(before: str, after: str, shared: str) -> bool:
    """Whether `shared` is the last word, or what was cut of it, and `after` begins with it.

    Behind a space it must be the whole word: `be` and ` better` are two.
    """
    begins = len(before) - len(shared)
    follows = after.lstrip()[len(shared) :][:1]
    return (
        before.endswith(shared)
        and all(map(joins_word, shared))
        and not (begins and joins_word(before[begins - 1]))
        and not (after[:1].isspace() and follows and joins_word(follows))
    )


def weight(text: str) -> float:
    """Letters and digits, counted as Latin ones: lines and tables of signs repeat themselves."""
    return sum(
        HAN_WEIGHT if script_of(sign) in UNSPACED else 1.0 for sign in text if sign.isalnum()
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


class ThinkingBlock:
    """Parts a leading `<think>…</think>` from a text that comes in pieces."""

    def __init__(self) -> None:
        self._held = ""
        self._at: Literal["before", "inside", "behind", "past"] = "before"

    def take(self, piece: str) -> tuple[str, str]:
        """What a piece adds to the thoughts, and to the text behind them."""
        self._held += piece
        if self._at == "before":
            self._look_for_it()
        thought = self._thought() if self._at == "inside" else ""
        if self._at == "behind":
            self._held = self._held.lstrip()
            self._at = "past" if self._held else "behind"
        text = self._take(len(self._held)) if self._at == "past" else ""
        return thought, text

    def rest(self) -> tuple[str, str]:
        """What is held back."""
        held = self._take(len(self._held))
        return (held, "") if self._at == "inside" else ("", held)

    def _look_for_it(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(OPENED):
            self._at, self._held = "inside", begun.removeprefix(OPENED)
        elif not OPENED.startswith(begun):
            self._at = "past"

    def _thought(self) -> str:
        end = self._held.find(CLOSED)
        if end < 0:  # its last characters may be the beginning of the sign that closes it
            return self._take(max(len(self._held) - len(CLOSED), 0))
        thought = self._take(end)
        self._at, self._held = "behind", self._held.removeprefix(CLOSED)
        return thought

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken


async def joined(
    chunks: AsyncGenerator[Chunk, None], reply: str, thoughts: str | None
) -> AsyncGenerator[Chunk, None]:
    """The chunks of the second part as they join the first, whose text and thoughts are given.

    Raises:
        ProviderError: the host failed; what was held back has come before.
    """
    block, seam = ThinkingBlock(), Seam(reply)
    apart = BETWEEN if thoughts else ""

    def told(chunk: Chunk, thought: str, text: str) -> Chunk:
        nonlocal apart
        extra: dict[str, Any] = dict(chunk.additional_kwargs)
        thought = (extra.get("reasoning_content") or "") + thought
        if thought:
            extra["reasoning_content"], apart = apart + thought, ""
        if isinstance(chunk, Piece):
            return chunk._replace(text=text, additional_kwargs=extra)
        return chunk.model_copy(update={"content": text, "additional_kwargs": extra})

    def ending() -> Iterator[Chunk]:
        thought, text = block.rest()
        text = seam.take(text) + seam.rest()
        if thought or text:
            yield told(Piece(()), thought, text)

    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                thought, text = block.take(chunk.text)
                yield told(chunk, thought, seam.take(text))
        except ProviderError:
            for chunk in ending():
                yield chunk
            raise
    for chunk in ending():
        yield chunk
