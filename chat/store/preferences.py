"""What readers have set for the page."""

from __future__ import annotations

from typing import Any

from .database import Database
from .tables import Preferences


class PreferenceStore(Database):
    """Keeps what readers have set."""

    async def preferences(self, owner: str) -> Preferences:
        """What the reader has set."""
        found = await self.read(lambda session: session.get(Preferences, owner))
        return found or Preferences(owner=owner)

    async def prefer(self, owner: str, **values: Any) -> None:
        """Set what a reader prefers: `mode`, `language`, `theme`, `model`."""
        made = self.upsert(Preferences, {"owner": owner}, values)
        await self.write(lambda session: session.execute(made))
