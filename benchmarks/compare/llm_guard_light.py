"""LLM Guard's NoRefusalLight, which reports a reply as not valid where it refuses.

Importing the package (github.com/protectai/llm-guard) imports what all its scanners need, torch and
transformers among it; here only the module with this scanner is, with its code unchanged. Its lines
of log, one for each reply it reports, are not written, which makes it faster than it comes.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import structlog
from lines import serve


def bare(name: str, root: Path) -> None:
    """Have `name` be a package whose `__init__` is not run."""
    package = ModuleType(name)
    package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = package


def scanner() -> Any:
    """The scanner, with nothing beside it imported."""
    found = importlib.util.find_spec("llm_guard")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("llm_guard")
    root = Path(found.origin).parent
    for name in ("llm_guard", "llm_guard.input_scanners", "llm_guard.output_scanners"):
        bare(name, root)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    from llm_guard import util

    util.device = lambda: "cpu"  # torch is asked for it, by a scanner beside this one
    from llm_guard.output_scanners.no_refusal import NoRefusalLight

    return NoRefusalLight()


SCANNER = scanner()


def texts_of(given: dict[str, Any]) -> tuple[str, str]:
    return given["question"], given["reply"]


def withholds(texts: tuple[str, str]) -> bool:
    return not SCANNER.scan(*texts)[1]


if __name__ == "__main__":
    serve(version("llm-guard"), texts_of, withholds)
