"""Who listens to a run of langchain's, told of the guard's callback events."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManager,
    CallbackManagerForLLMRun,
)

from .course import Announcement


class Caller(NamedTuple):
    """The callbacks of a run; nobody's where nothing is given."""

    manager: CallbackManager | AsyncCallbackManager | None = None
    run: UUID | None = None

    @classmethod
    def of(
        cls, run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None
    ) -> Caller:
        """The callbacks of a run that langchain has begun."""
        if run_manager is None:
            return cls()
        plain = isinstance(run_manager, CallbackManagerForLLMRun)
        manager = (CallbackManager if plain else AsyncCallbackManager)(
            handlers=run_manager.handlers, tags=run_manager.tags, metadata=run_manager.metadata
        )
        return cls(manager, run_manager.run_id)

    async def tell(self, event: Announcement) -> None:
        if isinstance(self.manager, AsyncCallbackManager):
            await self.manager.on_custom_event(event.name, event.data, run_id=self.run)

    def tell_plainly(self, event: Announcement) -> None:
        if isinstance(self.manager, CallbackManager):
            self.manager.on_custom_event(event.name, event.data, run_id=self.run)
