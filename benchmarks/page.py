"""How soon the page can be used, beside a bare Gradio ChatInterface, in headless Chromium.

    python benchmarks/page.py                # 9 loads of each, cold and warm, in turn
    python benchmarks/page.py --loads 3      # a quick look

Both are served on this machine, each by a process of its own, in front of the benchmark's host. A
page is usable when a question that is typed into its box and sent is accepted: it stands in the
thread. The clock runs from the navigation's start (`performance.timeOrigin`) to the moment at which
the box takes what is typed, which is tried from the first moment on; that what was typed is also
accepted is checked after the clock has stopped, and a load in which it is not is a failure. Cold is
a new context with an empty cache; warm is the next visit in the same context. Bytes are those of
all responses as they were sent, with their headers.

Not covered: networks, other browsers, and phones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from beside import servers
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from rich.console import Console

ROOT = Path(__file__).parents[1]
ERRORS = Console(stderr=True)
CANDOR, GRADIO = "Candor", "Gradio ChatInterface"
WANTED = {"cold, of Gradio's": 1.2, "warm, of Gradio's": 1.2, "bytes, cold": 600_000}
QUESTION = "How do historians count? [page]"
FLAGS = ["--disable-gpu", "--no-sandbox", "--disable-background-networking", "--no-first-run"]
PATIENCE = 120_000  # milliseconds; a page that is not usable by then has failed
# A page that stands but does not listen yet would lose what is sent: Candor's says `…` until then.
READY = {
    CANDOR: """() => {
        const mode = document.querySelector('#candor [data-region="mode"]')?.textContent;
        return Boolean(mode) && mode !== "…" && document.querySelector("#candor-question");
    }""",
    GRADIO: """() => document.querySelector('textarea[data-testid="textbox"]')""",
}
BOX = {CANDOR: "#candor-question", GRADIO: 'textarea[data-testid="textbox"]'}
ACCEPTED = {CANDOR: ".turn .user", GRADIO: ".message.user, [data-testid='user']"}


class Load(NamedTuple):
    """One visit: milliseconds until it was usable, requests, and bytes that came over the wire."""

    usable: float
    requests: int
    bytes: int


def visit(context: BrowserContext, name: str, url: str) -> Load:
    """Open the page, wait until it can be used, and make sure that it can.

    Raises:
        TimeoutError: of Playwright: it cannot.
    """
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    traffic = Traffic(page)
    page.goto(url, wait_until="commit")
    page.wait_for_function(READY[name], polling=5)
    usable = float(page.evaluate("performance.now()"))
    load = Load(usable, traffic.requests, traffic.bytes)
    page.fill(BOX[name], QUESTION)
    page.press(BOX[name], "Enter")
    page.wait_for_selector(ACCEPTED[name])
    page.close()
    return load


class Traffic:
    """What comes to a page, as Chromium counts it; what its cache holds counts nothing."""

    def __init__(self, page: Page) -> None:
        self.requests, self.bytes = 0, 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.loadingFinished", self.note)

    def note(self, finished: dict[str, Any]) -> None:
        self.bytes += int(finished["encodedDataLength"])
        self.requests += finished["encodedDataLength"] > 0


def measured(
    browser: Browser, urls: dict[str, str], loads: int
) -> dict[str, dict[str, list[Load]]]:
    """So many visits of each page, in turn: in a new context, then once more in the same."""
    found: dict[str, dict[str, list[Load]]] = {name: {"cold": [], "warm": []} for name in urls}
    for number in range(loads + 1):
        for name in list(urls)[:: 1 if number % 2 else -1]:  # neither is always the first
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            pair = [visit(context, name, urls[name]) for _ in range(2)]
            context.close()
            if number:  # the first visits compile what each server needs
                for kind, load in zip(("cold", "warm"), pair, strict=True):
                    found[name][kind].append(load)
        ERRORS.print(f"{number} of {loads}")
    return found


def chromium(playwright: Playwright) -> Browser:
    """The machine's own Chromium or Chrome, else Playwright's."""
    names = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
    found = next(filter(None, map(shutil.which, names)), None)
    return playwright.chromium.launch(executable_path=found, args=FLAGS)


def figures(found: dict[str, dict[str, list[Load]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Medians over the visits."""
    return {
        name: {kind: medians(loads) for kind, loads in kinds.items()}
        for name, kinds in found.items()
    }


def medians(loads: Sequence[Load]) -> dict[str, float]:
    return {key: statistics.median(getattr(load, key) for load in loads) for key in Load._fields}


def seen(told: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """What was wanted, as it came out."""
    ours, theirs = told[CANDOR], told[GRADIO]
    return {
        "cold, of Gradio's": round(ours["cold"]["usable"] / theirs["cold"]["usable"], 2),
        "warm, of Gradio's": round(ours["warm"]["usable"] / theirs["warm"]["usable"], 2),
        "bytes, cold": ours["cold"]["bytes"],
    }


def table(told: dict[str, dict[str, dict[str, float]]]) -> str:
    """A Markdown table, and what was wanted."""
    head = "| | usable (ms, median) | requests | kB |\n| --- | --- | --- | --- |"
    lines = [
        f"| {name}, {kind} | {of['usable']:.0f} | {of['requests']:.0f} | {of['bytes'] / 1000:.0f} |"
        for name, kinds in told.items()
        for kind, of in kinds.items()
    ]
    wanted = [
        f"- {key}: {value:g} (wanted: at most {WANTED[key]:g})" for key, value in seen(told).items()
    ]
    return "\n".join([head, *lines, "", *wanted])


def main() -> None:
    """Measure, print the table and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--loads", type=int, default=9, help="of each page, cold and warm")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/page.json")
    arguments = parser.parse_args()
    before = os.getloadavg()
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.host(rate=1000, tokens=20) as models,
        servers.candor(models, Path(folder)) as ours,
        servers.gradio(models, "--interface") as theirs,
        sync_playwright() as playwright,
    ):
        browser = chromium(playwright)
        found = measured(browser, {CANDOR: ours.url, GRADIO: theirs.url}, arguments.loads)
        version = browser.version
        browser.close()
    told = figures(found)
    result = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "chromium": version,
        "load before and after": [before, os.getloadavg()],
        "loads": {
            n: {k: [x._asdict() for x in v] for k, v in of.items()} for n, of in found.items()
        },
        "medians": told,
        "wanted": WANTED,
        "seen": seen(told),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(told))


if __name__ == "__main__":
    main()
