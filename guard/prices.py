"""What a reply costs: tokens as the host counts them, or as they can be told from what it sent.

Prices are those of the snapshot (`snapshot.py`); without one a cost is not known. Not covered:
discounts, caches, and what a host charges for a reply that was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .snapshot import Offer
from .types import Message

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

LONG, CHARACTERS_A_TOKEN = 16, 4  # a piece that is longer than any word holds several tokens
MILLION = 1_000_000


@dataclass
class Spent:
    """Tokens of one reply; a host that tells its count of a request has the last word.

    `earlier` are prompt and completion of requests before the one that runs.
    """

    prompt: int = 0
    completion: int = 0
    told: bool = False
    earlier: tuple[int, int] = (0, 0)

    @classmethod
    def asking(cls, messages: Sequence[Message]) -> Self:
        """What putting the conversation to a model takes, roughly."""
        return cls(prompt=sum(len(message.text) for message in messages) // CHARACTERS_A_TOKEN)

    def ask_again(self, characters: int) -> None:
        """Begin a further request; `characters` are those that the model is put in all."""
        self.earlier = self.prompt, self.completion
        self.prompt += characters // CHARACTERS_A_TOKEN
        self.told = False

    def take(self, usage: UsageMetadata | None) -> None:
        """Note the host's own count."""
        if usage and usage["output_tokens"]:
            prompt, completion = self.earlier
            self.prompt = prompt + usage["input_tokens"]
            self.completion = completion + usage["output_tokens"]
            self.told = True

    def read(self, piece: str) -> None:
        """Count a piece of the stream, which is one token as a rule."""
        if piece and not self.told:
            self.completion += 1 if len(piece) <= LONG else len(piece) // CHARACTERS_A_TOKEN

    def dollars(self, offer: Offer | None) -> float | None:
        """What the tokens cost by this offer; None where it is unknown or names no prices."""
        if offer is None or offer.input_price is None or offer.output_price is None:
            return None
        return (self.prompt * offer.input_price + self.completion * offer.output_price) / MILLION
