"""The page's own files, under addresses that name their content: a browser may keep them for good.

`/candor/static/<version>/candor.js`: the version comes from the content of all files, so what one
of them names beside itself (`./travel.js`, `fonts/…`) has a new address whenever any file changes.
Under an older version's address, or none, a browser is given what there is now and keeps nothing.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
BASE = "/candor/static"
KEPT = "public, max-age=31536000, immutable"
ASKED_ANEW = "no-cache"
DIGEST = re.compile("[0-9a-f]{12}")
IMPORTED = re.compile(r"""(?:\bfrom|\bimport)\s*\(?\s*["'`]\./([\w-]+\.js)""")


@cache
def version() -> str:
    """A short digest of all files and their names."""
    digest = hashlib.sha256()
    for file in sorted(file for file in STATIC.rglob("*") if file.is_file()):
        digest.update(file.relative_to(STATIC).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]  # as `DIGEST` has it


def address(name: str) -> str:
    """Where a browser finds a file, as long as it is what it is now.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not (STATIC / name).is_file():
        raise FileNotFoundError(name)
    return f"{BASE}/{version()}/{name}"


def modules(script: str) -> list[str]:
    """A script and all that it imports, and so on, each once."""
    found = [script]
    for name in found:
        imported = IMPORTED.findall((STATIC / name).read_text(encoding="utf-8"))
        found += [one for one in dict.fromkeys(imported) if one not in found]
    return found


class Assets(StaticFiles):
    """Serves the files: for good where the address names their content."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        first, _, rest = path.partition("/")
        name = rest if DIGEST.fullmatch(first) else path
        response = await super().get_response(name, scope)
        response.headers["cache-control"] = KEPT if first == version() else ASKED_ANEW
        return response
