"""The page's files over a real socket: found early, kept as long as they are what they were."""

from __future__ import annotations

import re

import pytest
from served import Page

from chat import assets

LINKED = re.compile(r'(?:href|src)="(/candor/static/[^"]+)"')


def test_all_modules_are_named_in_the_pages_html(page: Page) -> None:
    html = page.http.get("/").raise_for_status().text
    named = set(re.findall(r'rel="modulepreload" href="([^"]+)"', html))
    script = (assets.STATIC / "candor.js").read_text(encoding="utf-8")
    written = set(re.findall(r"\./([a-z-]+\.js)", script))
    assert {"sidebar.js", "travel.js"} <= written
    assert {assets.address(name) for name in {"candor.js", *written}} <= named


def test_a_module_that_another_imports_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(assets, "STATIC", tmp_path)
    (tmp_path / "one.js").write_text('import { a } from "./two.js";\nimport "./three.js";')
    (tmp_path / "two.js").write_text("const b = await import(`./four.js${search}`);")
    (tmp_path / "three.js").write_text('import { a } from "./two.js"; // from "elsewhere.js"')
    (tmp_path / "four.js").write_text('import "./one.js";')
    assert assets.modules("one.js") == ["one.js", "two.js", "three.js", "four.js"]


def test_what_the_page_links_is_there_and_kept_for_good(page: Page) -> None:
    links = LINKED.findall(page.http.get("/").text)
    assert len(links) >= 5
    for link in set(links):
        answer = page.http.get(link)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, assets.KEPT), link


@pytest.mark.parametrize("path", ["candor.js", "0123456789ab/candor.js"])
def test_under_another_address_a_file_is_asked_for_anew(page: Page, path: str) -> None:
    answer = page.http.get(f"{assets.BASE}/{path}")
    assert answer.content == (assets.STATIC / "candor.js").read_bytes()
    assert answer.headers["cache-control"] == assets.ASKED_ANEW
    again = {"if-none-match": answer.headers["etag"]}
    assert page.http.get(f"{assets.BASE}/{path}", headers=again).status_code == 304


@pytest.mark.parametrize(
    "path", ["{version}/%2e%2e/app.py", "{version}/%2e%2e/%2e%2e/models.yaml", "{version}", "none"]
)
def test_nothing_but_the_files_is_served(page: Page, path: str) -> None:
    answer = page.http.get(f"{assets.BASE}/{path.format(version=assets.version())}")
    assert answer.status_code == 404


def test_a_file_that_is_not_there_has_no_address() -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.js"):
        assets.address("nothing.js")


@pytest.mark.parametrize("path", ["/", "/candor/state", "/candor/static/candor.css"])
def test_text_is_sent_compressed(page: Page, path: str) -> None:
    packed = page.http.get(path, headers={"accept-encoding": "gzip"})
    plain = page.http.get(path, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


def test_the_page_without_a_body_is_asked_for(page: Page) -> None:
    assert page.http.head("/").status_code == 200
