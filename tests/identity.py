"""A small real OpenID Connect provider: authorization code with PKCE, signed tokens.

    with identity.running() as provider: provider.issuer, provider.subject = "ada"

It lets in whoever comes as `subject`, without asking; a code is taken once. What a broken or a
hostile one would send is set on it: `claims` replace those of the token, `described` what it says
of itself, `signing` how the token is signed, `tokens` the answer with it, and `answers_as` is the
`iss` that comes with the code. Not covered: consent, refresh, sign-out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import replies
import uvicorn
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "candor", "a-secret-of-the-client"
MINUTE = 60
Signing = Literal["RS256", "none", "HS256", "another key"]


@dataclass
class Code:
    """What a code was given for."""

    challenge: str
    redirect_uri: str
    nonce: str


@dataclass
class Provider:
    """The provider, and how it behaves now."""

    issuer: str = ""
    subject: str = "ada"
    claims: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    signing: Signing = "RS256"
    answers_as: str | None = None
    codes: dict[str, Code] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))

    def behave(self) -> None:
        """As a good one again."""
        self.subject, self.signing, self.answers_as = "ada", "RS256", None
        for one in (self.claims, self.described, self.tokens, self.codes):
            one.clear()
        self.asked.clear()
        self.refused.clear()

    # --- routes -----------------------------------------------------------------------------------

    def app(self) -> Starlette:
        routes = [
            Route("/.well-known/openid-configuration", self.configuration),
            Route("/authorize", self.authorize),
            Route("/token", self.token, methods=["POST"]),
            Route("/keys", self.keys),
        ]
        return Starlette(routes=routes)

    async def configuration(self, _: Request) -> Response:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }
        return JSONResponse(told | self.described)

    async def keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False) | {"use": "sig"}]})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.asked.append(asked)
        wanted = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256"}
        if any(asked.get(name) != value for name, value in wanted.items()):
            return JSONResponse({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(asked["code_challenge"], asked["redirect_uri"], asked["nonce"])
        back = {"code": code, "state": asked["state"]}
        back |= {"iss": self.answers_as} if self.answers_as else {}
        joint = "&" if "?" in asked["redirect_uri"] else "?"
        return RedirectResponse(f"{asked['redirect_uri']}{joint}{urlencode(back)}", 302)

    async def token(self, request: Request) -> Response:
        form = dict(await request.form())
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return self.refuse("invalid_client", 401)
        code = self.codes.pop(str(form.get("code")), None)
        if code is None or code.redirect_uri != form.get("redirect_uri"):
            return self.refuse("invalid_grant")
        hashed = hashlib.sha256(str(form.get("code_verifier")).encode()).digest()
        if base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() != code.challenge:
            return self.refuse("invalid_grant")
        told = {
            "access_token": "hf_accessAccessAccess",
            "token_type": "Bearer",
            "expires_in": 60 * MINUTE,
            "id_token": self.id_token(code.nonce),
        } | self.tokens
        return JSONResponse({key: value for key, value in told.items() if value is not None})

    def refuse(self, error: str, status: int = 400) -> Response:
        self.refused.append(error)
        return JSONResponse({"error": error}, status)

    def id_token(self, nonce: str) -> str:
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": moment,
            "exp": moment + 5 * MINUTE,
            "nonce": nonce,
            "preferred_username": f"{self.subject} of the tests",
        } | self.claims
        claims = {key: value for key, value in claims.items() if value is not None}
        if self.signing == "none":
            parts = ({"alg": "none", "typ": "JWT"}, claims)
            packed = (base64.urlsafe_b64encode(json.dumps(one).encode()) for one in parts)
            return ".".join(one.rstrip(b"=").decode() for one in packed) + "."
        if self.signing == "HS256":  # with the public key as the secret
            public = OctKey.import_key(self.key.as_pem(private=False))
            return jwt.encode({"alg": "HS256"}, claims, public, algorithms=["HS256"])
        key = self.key
        if self.signing == "another key":
            key = RSAKey.generate_key(2048, {"kid": "one"})
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


@contextmanager
def running() -> Iterator[Provider]:
    provider = Provider()
    config = uvicorn.Config(provider.app(), port=0, log_level="critical")
    with replies.in_a_thread(uvicorn.Server(config)) as port:
        provider.issuer = f"http://127.0.0.1:{port}"
        yield provider
