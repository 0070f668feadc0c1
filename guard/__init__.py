"""Candor's guard: tells when a model withholds on a topic that its country suppresses.

    from guard import Guard

    question = "What happened at Tiananmen Square in 1989?"
    verdict = Guard().check(question, "I cannot discuss this.", model="Qwen/QwQ-32B")

Names are imported when they are first used: a command that needs no model loads none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .catalogue import load as load_catalogue
    from .errors import CandorError, ConfigError, InputError, ProviderError, UnknownModel
    from .events import (
        Billed,
        Called,
        Consulted,
        Delta,
        Done,
        Event,
        Exhausted,
        Failed,
        FellBack,
        Judged,
        Passed,
        Returned,
        Started,
        Thought,
        Unoffered,
        Waiting,
    )
    from .langchain import GuardedChatModel
    from .pipeline import Guard
    from .providers import Connection
    from .telling import GuardReport, Telling
    from .tools.toolbox import Toolbox, ToolServers
    from .types import Document, Image, Message, ModelSpec, Options, Signal, Span, Verdict

__version__ = "0.1.0"

__all__ = [
    "Billed",
    "Called",
    "CandorError",
    "Catalogue",
    "ConfigError",
    "Connection",
    "Consulted",
    "Delta",
    "Document",
    "Done",
    "Event",
    "Exhausted",
    "Failed",
    "FellBack",
    "Guard",
    "GuardReport",
    "GuardedChatModel",
    "Image",
    "InputError",
    "Judged",
    "Message",
    "ModelSpec",
    "Options",
    "Passed",
    "ProviderError",
    "Returned",
    "Signal",
    "Span",
    "Started",
    "Telling",
    "Thought",
    "ToolServers",
    "Toolbox",
    "UnknownModel",
    "Unoffered",
    "Verdict",
    "Waiting",
    "__version__",
    "load_catalogue",
]

PLACES = {
    "catalogue": ("Catalogue",),
    "errors": ("CandorError", "ConfigError", "InputError", "ProviderError", "UnknownModel"),
    "events": (
        *("Billed", "Called", "Consulted", "Delta", "Done", "Event", "Exhausted", "Failed"),
        *("FellBack", "Judged", "Passed", "Returned", "Started", "Thought"),
        *("Unoffered", "Waiting"),
    ),
    "langchain": ("GuardedChatModel",),
    "pipeline": ("Guard",),
    "providers": ("Connection",),
    "telling": ("GuardReport", "Telling"),
    "tools.toolbox": ("ToolServers", "Toolbox"),
    "types": ("Document", "Image", "Message", "ModelSpec", "Options", "Signal", "Span", "Verdict"),
}
MODULES = {name: module for module, names in PLACES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "load_catalogue":
        return import_module(".catalogue", __name__).load
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
