"""What a reply costs: tokens as the host counts them, or as they can be told from what it sent.

Prices are those of the snapshot (`snapshot.py`); without one a cost is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .types import ModelSpec

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

LONG, CHARACTERS_A_TOKEN = 16, 4  # a piece that is longer than any word holds several tokens
MILLION = 1_000_000


@dataclass
class Spent:
    """Tokens of one request; a host that tells its count has the last word."""

    prompt: int = 0
    completion: int = 0
    told: bool = False

    def take(self, usage: UsageMetadata | None) -> None:
        """Note the host's own count."""
        if usage and usage["output_tokens"]:
            self.prompt, self.completion = usage["input_tokens"], usage["output_tokens"]
            self.told = True

    def read(self, piece: str) -> None:
        """Count a piece of the stream, which is one token as a rule."""
        if not self.told:
            self.completion += 1 if len(piece) <= LONG else len(piece) // CHARACTERS_A_TOKEN

    def dollars(self, model: ModelSpec, provider: str) -> float | None:
        """What the tokens cost there; None where no price is known."""
        return None
