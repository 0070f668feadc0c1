"""Who the reader is: an account where they signed in (`sign_in.py`), else a cookie of their own.

Where the operator asks for a sign-in (`CANDOR_ANONYMOUS=no`), who has none is nobody: a reader
whom nothing belongs to, and who gets no further than the page that tells them so.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Annotated, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request, Response
from pydantic import ValidationError
from starlette.requests import HTTPConnection

from guard.types import Value

from . import texts

COOKIE = "candor_reader"
ZONE = "candor_zone"  # set by the page: the name of the reader's time zone
LANGUAGE = "candor_language"
YEAR = 365 * 24 * 3600
SESSION, FAILED = "reader", "failed"  # keys of the session: who has signed in; that it failed
NOBODY = "nobody:"
STATE = "/candor/state"
TOKEN = re.compile(r"[0-9a-f]{32}")


class SignedIn(Value):
    """A reader who has signed in, as their session holds it.

    `token` is their own for the Hub, `until` the moment (seconds since 1970) when it ends. `id`
    makes each session another; `accounts` are those of the `Reader`.
    """

    owner: str
    name: str
    token: str | None = None
    until: float
    id: str = ""
    accounts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reader:
    """A reader: whose conversations are shown, in which language and zone, and whose token pays.

    `name` is what they call themselves. `accounts` are the names that who signed them in vouches
    for, each behind its issuer: `hf:ada`.
    """

    owner: str
    language: str
    token: str | None = None
    name: str | None = None
    zone: tzinfo = UTC
    accounts: frozenset[str] = frozenset()

    @property
    def nobody(self) -> bool:
        """Whether they are to sign in first."""
        return self.owner.startswith(NOBODY)

    @property
    def anonymous(self) -> bool:
        """Whether nobody has signed in: who clears their cookies is another reader."""
        return self.owner.startswith("cookie:")

    def __repr__(self) -> str:
        return f"Reader(language={self.language!r})"


async def reader(request: Request, response: Response) -> Reader:
    """The reader behind a request; a new one is given a cookie."""
    language = page_language(request)
    zone = zone_of(unquote(request.cookies.get(ZONE, "")))
    known = signed_in(request)
    if known:
        return Reader(known.owner, language, known.token, known.name, zone, known.accounts)
    if request.app.state.settings.anonymous == "no":
        return Reader(f"{NOBODY}{secrets.token_hex(16)}", language, zone=zone)
    cookie = request.cookies.get(COOKIE, "")
    if not TOKEN.fullmatch(cookie):
        cookie = secrets.token_hex(16)
        give_cookie(request, response, COOKIE, cookie)
    return Reader(owner=f"cookie:{cookie}", language=language, zone=zone)


def is_admin(who: Reader, request: Request) -> bool:
    """Whether `CANDOR_ADMINS` lists the reader; who has not signed in is nobody there."""
    admins: frozenset[str] = request.app.state.settings.admin_accounts
    return not admins.isdisjoint(who.accounts)


def signed_in(request: HTTPConnection) -> SignedIn | None:
    """Who has signed in, while it lasts; of an older form of the session, nobody."""
    session = request.scope.get("session") or {}
    try:
        known = SignedIn.model_validate(session[SESSION])
    except (KeyError, TypeError, ValidationError):
        return None
    return known if known.until > time.time() else None


async def let_in(request: Request, who: Annotated[Reader, Depends(reader)]) -> None:
    """Refuse who is to sign in first; all that they may see is the page that tells them so."""
    if who.nobody and request.url.path != STATE:
        say: Any = texts.texts(who.language)
        raise HTTPException(401, say.sign_in_needed)


def zone_of(name: str) -> tzinfo:
    """The time zone of that name, as the IANA writes it; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):  # it looks for a file of that name
        return UTC


def page_language(request: HTTPConnection) -> str:
    """The language that the reader chose, by their cookie; else what their browser asks for."""
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in texts.languages() else browsers(request)


def browsers(request: HTTPConnection) -> str:
    return texts.accepted(request.headers.get("accept-language", ""))


def speaking(who: Reader, request: Request, response: Response, chosen: str | None) -> Reader:
    """The reader in the language that they chose, None for the browser's; their cookie follows.

    What is stored for them leads: a cookie may be of another reader of the same browser.
    """
    known = chosen if chosen in texts.languages() else None
    if request.cookies.get(LANGUAGE) != known:
        give_cookie(request, response, LANGUAGE, known)
    return replace(who, language=known or browsers(request))


def give_cookie(request: Request, response: Response, name: str, value: str | None) -> None:
    """Set a cookie, or take it back where there is no value.

    On a Space the page stands in a frame of another site: only a `None` cookie reaches it.
    """
    framed = request.app.state.settings.on_a_space
    response.set_cookie(
        name,
        value or "",
        max_age=YEAR if value else 0,
        httponly=True,
        secure=framed or request.url.scheme == "https",
        samesite="none" if framed else "lax",
        path="/",
    )
