"""Sign-in at OpenID Connect providers: Hugging Face on a Space, and one that the operator names.

The authorization code flow with PKCE, `state` and `nonce` (authlib), which wait in the browser's
signed session. The identity is what the provider's signed `id_token` says, and nobody is signed in
unless all of it holds: signature, issuer, audience, time, nonce. Who signs in begins a new session.
Not covered: signing out at the provider, and ending a session from elsewhere before it is over.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from pydantic import SecretStr
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from guard.errors import ConfigError
from guard.plain import one_line

from .auth import FAILED, SESSION, SignedIn
from .routes import from_our_page
from .settings import Settings

if TYPE_CHECKING:  # a tenth of a second to import, and few pages need it
    from authlib.integrations.starlette_client import StarletteOAuth2App

log = logging.getLogger(__name__)

COOKIE = "candor_session"
LASTS = 7 * 24 * 3600  # seconds; a token of the Hub's ends it sooner
LEEWAY = 60  # seconds by which clocks may differ
PATIENCE = 10  # seconds to wait for a provider
ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"}
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
LONGEST = 255  # characters of a subject, as OpenID Connect bounds it


class NotSignedIn(Exception):
    """A sign-in failed; says why, for the log."""


@dataclass(frozen=True)
class Provider:
    """Where one can sign in.

    `way` names its routes, `label` its button, and `owner` what its accounts are called in the
    store. `pays`: its access token is the reader's own, with which their replies are paid.
    """

    way: Literal["huggingface", "oidc"]
    label: str
    owner: str
    issuer: str
    client_id: str
    client_secret: SecretStr | None
    scopes: str = "openid profile"
    pays: bool = False

    @cached_property
    def client(self) -> StarletteOAuth2App:
        from authlib.integrations.starlette_client import OAuth

        from guard.tls import trusted

        client: StarletteOAuth2App = OAuth().register(
            name=self.way,
            client_id=self.client_id,
            client_secret=self.client_secret.get_secret_value() if self.client_secret else None,
            server_metadata_url=f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": self.scopes,
                "code_challenge_method": "S256",
                "timeout": PATIENCE,
                "verify": trusted(),
            },
        )
        return client

    async def begin(self, request: Request, back: str) -> RedirectResponse:
        """Send the browser to the provider, which sends it `back`.

        Raises:
            NotSignedIn: the provider's description of itself is wrong.
        """
        await self.metadata()
        answer: RedirectResponse = await self.client.authorize_redirect(request, back)
        return answer

    async def end(self, request: Request) -> SignedIn:
        """Who has signed in, as the answer that the browser brings proves.

        Raises:
            NotSignedIn: it does not.
        """
        described = await self.metadata()
        self.refuse_other(request.query_params.get("iss"), described)
        token = await self.client.authorize_access_token(
            request,
            claims_options={
                "iss": {"essential": True, "value": described["issuer"]},
                "aud": {"essential": True, "value": self.client_id},
            },
            leeway=LEEWAY,
        )
        user = token.get("userinfo")
        if not user:
            raise NotSignedIn("it sent no id_token")
        subject = user["sub"]
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST:
            raise NotSignedIn("it names no subject")
        until = time.time() + LASTS
        if self.pays:
            until = min(until, float(token.get("expires_at") or until))
        named = (user.get(key) for key in ("preferred_username", "name", "email"))
        name = next((one for one in named if isinstance(one, str) and one.strip()), subject)
        return SignedIn(
            owner=f"{self.owner}:{subject}",
            name=one_line(name, 60),
            token=str(token["access_token"]) if self.pays else None,
            until=until,
            accounts=self.accounts(user),
        )

    def accounts(self, user: Mapping[str, Any]) -> frozenset[str]:
        """What `CANDOR_ADMINS` calls this account: names that no other one of the provider has.

        At the Hub that is the user's name; elsewhere the subject, and a verified address.
        """
        if self.way == "huggingface":
            return frozenset({f"hf:{user.get('preferred_username')}".casefold()})
        names = [user["sub"], user.get("email") if user.get("email_verified") is True else None]
        return frozenset(f"oidc:{name}".casefold() for name in names if name)

    async def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself; the algorithms are those that only it can sign with.

        Raises:
            NotSignedIn: it says that it is another.
        """
        described: dict[str, Any] = await self.client.load_server_metadata()
        if str(described.get("issuer")).rstrip("/") != self.issuer.rstrip("/"):
            raise NotSignedIn(f"it calls itself {one_line(str(described.get('issuer')), 200)!r}")
        scheme = urlsplit(self.issuer).scheme
        if scheme == "https" and any(
            not str(described.get(one)).startswith("https://") for one in ENDPOINTS
        ):
            raise NotSignedIn("it names an address without https")
        told = set(described.get("id_token_signing_alg_values_supported") or ())
        described["id_token_signing_alg_values_supported"] = sorted(told & ALGORITHMS) or ["RS256"]
        return described

    def refuse_other(self, issuer: str | None, described: Mapping[str, Any]) -> None:
        """Refuse an answer that comes from another provider than was asked (RFC 9207).

        Raises:
            NotSignedIn: it does, or does not say.
        """
        says = described.get("authorization_response_iss_parameter_supported")
        if issuer is None and not says:
            return
        if issuer != described["issuer"]:
            raise NotSignedIn("the answer names another issuer")


def providers(settings: Settings) -> dict[str, Provider]:
    """Where one can sign in, by the name of its routes.

    Raises:
        ConfigError: a variable is missing.
    """
    found = [hugging_face(settings), own(settings)]
    known: dict[str, Provider] = {one.way: one for one in found if one}
    if settings.anonymous == "no" and not known:
        raise ConfigError(
            "CANDOR_ANONYMOUS=no lets nobody in: set CANDOR_OIDC_ISSUER and CANDOR_OIDC_CLIENT_ID",
            key="CANDOR_ANONYMOUS",
        )
    return known


def hugging_face(settings: Settings) -> Provider | None:
    """The Hub, as a Space whose README says `hf_oauth: true` is told of it."""
    if not settings.oauth_client_id or not settings.on_a_space:
        return None
    return Provider(
        way="huggingface",
        label="Hugging Face",
        owner="hf",
        issuer=settings.oauth_issuer,
        client_id=settings.oauth_client_id,
        client_secret=settings.oauth_client_secret,
        scopes=settings.oauth_scopes,
        pays=True,
    )


def own(settings: Settings) -> Provider | None:
    """The operator's provider. Its whole address is in its owners: a host may have several."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        key = "CANDOR_OIDC_CLIENT_ID"
        raise ConfigError(f"CANDOR_OIDC_ISSUER is set: set {key} too", key=key)
    parts = urlsplit(settings.oidc_issuer)
    host = parts.netloc.rpartition("@")[2]
    place = quote(f"{host}{parts.path}".rstrip("/"), safe="/")  # no colon but ours
    return Provider(
        way="oidc",
        label=settings.oidc_name or host,
        owner=f"oidc:{place}",
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
    )


# --- routes ---------------------------------------------------------------------------------------


def sign_in_router(known: Sequence[Provider], space_host: str | None) -> APIRouter:
    """The routes by which readers sign in at these providers, and out."""
    router = APIRouter(include_in_schema=False)
    for provider in known:
        add_routes(router, provider, space_host)

    @router.post("/candor/sign-out", dependencies=[Depends(from_our_page)])
    async def sign_out(request: Request) -> dict[str, Any]:
        """End the session in this browser."""
        request.session.clear()
        return {}

    return router


def add_routes(router: APIRouter, provider: Provider, space_host: str | None) -> None:
    path = "/login/callback" if provider.way == "huggingface" else f"/login/{provider.way}/callback"

    @router.get(f"/login/{provider.way}")
    async def begin(request: Request) -> RedirectResponse:
        """Go to the provider."""
        # a Space is known to the Hub by its own address, under whatever name it is visited
        host = (space_host or "").split(",")[0].strip()
        back = f"https://{host}{path}" if host else str(request.base_url.replace(path=path))
        try:
            return await provider.begin(request, back)
        except Exception as error:
            return failed(request, provider, error)

    @router.get(path)
    async def end(request: Request) -> RedirectResponse:
        """Come back from it."""
        try:
            signed_in = await provider.end(request)
        except Exception as error:
            return failed(request, provider, error)
        request.session.clear()
        request.session[SESSION] = signed_in.model_dump(mode="json") | {"id": secrets.token_hex(8)}
        return RedirectResponse("/", 303)


def failed(request: Request, provider: Provider, error: Exception) -> RedirectResponse:
    """Back to the page, which says that it failed; whatever went wrong, nobody is signed in."""
    why = one_line(f"{type(error).__name__}: {error}", 300)
    log.warning("a sign-in at %s failed: %s", provider.label, why)
    request.session[FAILED] = True
    return RedirectResponse("/", 303)


# --- the session ----------------------------------------------------------------------------------


class Sessions:
    """ASGI middleware: a signed cookie, `Secure` wherever the page is.

    On https its name makes browsers refuse one that another host of the domain has set.
    """

    def __init__(self, app: ASGIApp, secret: str, on_a_space: bool = False) -> None:
        same_site: Literal["lax", "none"] = "none" if on_a_space else "lax"
        self.plain = SessionMiddleware(app, secret, COOKIE, LASTS, same_site=same_site)
        self.secure = SessionMiddleware(
            app, secret, f"__Host-{COOKIE}", LASTS, same_site=same_site, https_only=True
        )
        self.on_a_space = on_a_space

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        secure = self.on_a_space or scope.get("scheme") in ("https", "wss")
        await (self.secure if secure else self.plain)(scope, receive, send)


def secret_of(settings: Settings) -> str:
    """What signs sessions: the same on all replicas and after a restart, where it is set."""
    given = settings.secret or settings.oauth_client_secret
    if given is None:
        log.warning(
            "CANDOR_SECRET is not set: a restart signs everyone out, and replicas do not know each"
            " other's sessions. Set it to a long random word, such as `openssl rand -hex 32` prints"
        )
        return secrets.token_hex(32)
    return hashlib.sha256(b"candor session " + given.get_secret_value().encode()).hexdigest()
