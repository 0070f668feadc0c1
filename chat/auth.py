"""Who the reader is: a Hugging Face account where they signed in, else a cookie of their own."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from fastapi import Request, Response

from . import texts

COOKIE = "candor_reader"
ZONE = "candor_zone"  # set by the page: the name of the reader's time zone
LANGUAGE = "candor_language"
YEAR = 365 * 24 * 3600
TOKEN = re.compile(r"[0-9a-f]{32}")


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

    def __repr__(self) -> str:
        return f"Reader(language={self.language!r})"


async def reader(request: Request, response: Response) -> Reader:
    """The reader behind a request; a new one is given a cookie."""
    language = page_language(request)
    zone = zone_of(unquote(request.cookies.get(ZONE, "")))
    session = request.scope.get("session") or {}
    oauth = session.get("oauth_info") or {}
    user = oauth.get("userinfo") or {}
    if user.get("sub"):
        return Reader(
            owner=f"hf:{user['sub']}",
            language=language,
            token=oauth.get("access_token"),
            name=user.get("preferred_username") or user.get("name"),
            zone=zone,
            accounts=account("hf", user.get("preferred_username")),
        )
    cookie = request.cookies.get(COOKIE, "")
    if not TOKEN.fullmatch(cookie):
        cookie = secrets.token_hex(16)
        give_cookie(request, response, COOKIE, cookie)
    return Reader(owner=f"cookie:{cookie}", language=language, zone=zone)


def is_admin(who: Reader, request: Request) -> bool:
    """Whether `CANDOR_ADMINS` lists the reader; who has not signed in is nobody there."""
    admins: frozenset[str] = request.app.state.settings.admin_accounts
    return not admins.isdisjoint(who.accounts)


def account(issuer: str, name: str | None) -> frozenset[str]:
    """A name that an issuer vouches for, as `CANDOR_ADMINS` has it; none where it gives none."""
    return frozenset({f"{issuer}:{name}".casefold()} if name else ())


def zone_of(name: str) -> tzinfo:
    """The time zone of that name, as the IANA writes it; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):  # it looks for a file of that name
        return UTC


def page_language(request: Request) -> str:
    """The language that the reader chose, by their cookie; else what their browser asks for."""
    chosen = request.cookies.get(LANGUAGE, "")
    return chosen if chosen in texts.languages() else browsers(request)


def browsers(request: Request) -> str:
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
