"""Browsers that sign in at `identity.py`'s provider, and the settings of an app that lets them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from identity import CLIENT, SECRET, Provider
from pydantic import SecretStr
from served import SOUP, client

from chat.settings import Settings

HTTPS = {"x-forwarded-proto": "https"}  # as a proxy on this machine tells, which uvicorn believes


@dataclass
class Browser:
    """A browser's cookies and no more: it sends all it has, and notes how each was set."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    http: httpx2.Client = field(default_factory=client, repr=False)

    def send(self, method: str, url: str, **values: Any) -> httpx2.Response:
        """One request to the app; redirects are not followed."""
        sent = {"x-candor": "1", "accept-language": "en", **self.headers}
        sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        whole = url if url.startswith("http") else self.url + url
        answer = self.http.request(method, whole, headers=sent, **values)
        self.http.cookies.clear()  # they are kept here, where a test can see them
        for line in answer.headers.get_list("set-cookie"):
            pair, _, flags = line.partition(";")
            name, _, value = pair.partition("=")
            self.flags[name] = flags.lower()
            if "1970" in flags or "max-age=0" in flags.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def get(self, url: str) -> httpx2.Response:
        return self.send("GET", url)

    def state(self) -> dict[str, Any]:
        return dict(self.get("/candor/state").raise_for_status().json())

    def to_the_provider(self, way: str = "oidc") -> str:
        """Begin to sign in; the address with which the provider sends the browser back."""
        there = self.get(f"/login/{way}")
        assert there.status_code == 302, there.headers.get("location")
        answer = self.http.get(there.headers["location"])
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"

    def sign_in(self, way: str = "oidc") -> httpx2.Response:
        return self.get(self.to_the_provider(way))

    @property
    def reader(self) -> str | None:
        return self.state()["reader"]

    def begin(self, question: str = SOUP) -> str:
        """A conversation of whoever this is."""
        mode, model = self.state()["mode"], self.state()["model"]
        body = {"question": question, "mode": mode, "model": model}
        return str(self.send("POST", "/candor/ask", json=body).json()["conversation"])

    def sees(self, conversation: str) -> bool:
        return bool(self.get(f"/candor/state?c={conversation}").json()["conversation"])


def set_up(provider: Provider, folder: Path, **values: Any) -> Settings:
    told: dict[str, Any] = {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(SECRET),
        "secret": SecretStr("a long word that signs"),
        "data": folder,
    }
    return Settings(**(told | values))


def on_a_space(provider: Provider) -> dict[str, Any]:
    """What the Hub tells a Space's app, with the provider in its place."""
    return {
        "space_id": "me/candor",
        "oauth_client_id": CLIENT,
        "oauth_client_secret": SecretStr(SECRET),
        "oauth_issuer": provider.issuer,
    }
