"""Gradio without what it writes at each import: type stubs beside its components.

It parses every component's source for them, which takes longer than all else of its import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

MODULE = "gradio.component_meta"


class WithoutStubs(SourceFileLoader):
    """Loads the module that makes components, where writing a stub then does nothing."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.create_or_modify_pyi = lambda *_: None  # type: ignore[attr-defined]


class Finder(MetaPathFinder):
    """Finds that one module, and leaves the others to those who come after."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found and isinstance(found.loader, SourceFileLoader):
            found.loader = WithoutStubs(fullname, found.loader.path)
        return found


def install() -> None:
    """From here on; before Gradio is imported."""
    if not any(isinstance(one, Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, Finder())
