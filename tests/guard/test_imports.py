"""Imports run one way, as docs say: `types, errors` at the bottom, the command line on top."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

GUARD = Path(__file__).parents[2] / "guard"
FILES = sorted(GUARD.rglob("*.py"))
FOREIGN = {"chat", "app", "gradio", "sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn"}
BOTTOM = {"guard.types", "guard.errors"}
LAYERS = [  # none imports from one below it in this list
    ("types", "errors"),
    ("text",),
    ("topics", "detectors", "provenance", "providers"),
    ("verdict", "policy", "asking", "judge", "probes", "anchors"),
    ("pipeline",),
    ("audit", "evaluate", "scan", "cli", "terminal", "__main__"),
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def name_of(path: Path) -> str:
    parts = ["guard", *path.relative_to(GUARD).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, tree: ast.AST) -> set[str]:
    """All modules that `tree` imports, by their whole names."""
    package = name_of(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {module_of(base, alias.name) for alias in node.names}
    return found


def module_of(base: str, name: str) -> str:
    """`from base import name`: a module of ours of that name, else what it is taken from."""
    path = GUARD.parent.joinpath(*base.split("."), name)
    ours = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
    return f"{base}.{name}" if ours else base


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def ours(path: Path) -> set[str]:
    return {name for name in imported(path, parsed(path)) if name.split(".")[0] == "guard"}


INSIDE = [path for path in FILES if path != GUARD / "__main__.py"]  # an entry, as app.py is


@pytest.mark.parametrize("path", INSIDE, ids=name_of)
def test_the_guard_knows_no_page_and_no_database(path: Path) -> None:
    assert not FOREIGN & {name.split(".")[0] for name in imported(path, parsed(path))}


@pytest.mark.parametrize("name", sorted(BOTTOM))
def test_the_bottom_imports_nothing_of_ours(name: str) -> None:
    path = GUARD / f"{name.removeprefix('guard.')}.py"
    assert ours(path) <= BOTTOM - {name}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_layer_imports_one_above_it(path: Path) -> None:
    rank = rank_of(name_of(path))
    above = {
        name for name in ours(path) if (rank_of(name) or 0) > (rank if rank is not None else 9)
    }
    assert not above


def rank_of(module: str) -> int | None:
    parts = module.split(".")
    return RANK.get(parts[1]) if len(parts) > 1 else None


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name_of(path): ours(path) - {"guard", name_of(path)} for path in FILES}
    for path in FILES:
        if path.name == "__init__.py":  # a package imports its parts, and they what it registers
            graph[name_of(path)] = set()
    list(TopologicalSorter(graph).static_order())


def test_the_rules_can_tell() -> None:
    tree = ast.parse("from ..providers import demo\nfrom . import text\nimport gradio.blocks\n")
    found = imported(GUARD / "detectors" / "x.py", tree)
    assert found == {"guard.providers.demo", "guard.detectors", "gradio.blocks"}
