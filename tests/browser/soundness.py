"""axe-core looks at the page as it stands: nothing critical, serious or moderate is found.

Not asked for: `aria-allowed-role` (minor) on Gradio's own `main`, which the page's script takes out
of the way, as a page has one `main`; and the order of headings inside a model's text, which are the
model's own (they stand below the reply's).
"""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
IN_MODEL_TEXT = 'aria-level="'


CONTRAST = {"runOnly": ["color-contrast"]}  # all that another theme can change


def sound(
    page: Page, state: str, *, within: str | None = None, options: dict[str, Any] = OPTIONS
) -> None:
    """Nothing is found in this state of the page, or within what a selector finds in it."""
    found: list[dict[str, Any]] = Axe().run(page, within, options).response["violations"]
    told = [
        f"{state}: {rule['impact']} {rule['id']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
        if rule["impact"] != "minor"
        and not (rule["id"] == "heading-order" and IN_MODEL_TEXT in node["html"])
    ]
    assert told == []
