"""What the pages beside the chat have in common: their frame, filters of templates, and answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_skeleton
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader

from guard.plain import plain

from .. import view
from ..auth import page_language


async def answered(request: Request, html: Callable[[str], str], status: int = 200) -> HTMLResponse:
    """A page in the reader's language, drawn off the event loop."""
    language = page_language(request)
    content = await asyncio.to_thread(html, language)
    headers = {
        "vary": "accept-language, cookie",
        "content-language": language,
        "cache-control": "no-cache",
    }
    return HTMLResponse(content, status, headers=headers)


def templates(folder: Path, **filters: Callable[..., Any]) -> Environment:
    """The chat's templates and filters, and a page's own."""
    loader = FileSystemLoader([folder, view.TEMPLATES])
    environment = view.templates().overlay(loader=loader, finalize=tame)
    environment.filters = {**environment.filters, **filters}
    return environment


def tame(value: Any) -> Any:
    """Outside words can turn neither the order of those beside them nor a terminal's cursor."""
    return plain(value) if type(value) is str else value


def day(when: date | str, language: str) -> str:
    """A day, or a month where no day is known: `2025-03` is March 2025."""
    locale = Locale.parse(language, sep="-")
    if isinstance(when, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", when):
        return format_skeleton("yMMMM", date.fromisoformat(f"{when}-01"), locale=locale)
    return format_date(date.fromisoformat(str(when)), "long", locale=locale)
