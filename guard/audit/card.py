"""The card of a dataset that holds runs: no word of a model's stands in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .findings import ModelFindings
from .record import OPINIONS, TABLE
from .report import rendered
from .whole import RunFindings

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))
LARGEST = "1M<n<10M"


def card(dataset: str, found: RunFindings, name: str, runs: Mapping[str, bool]) -> str:
    """The card's text.

    Args:
        found: the run that is told in full, of that `name`.
        runs: of all runs in the dataset by name, whether their replies are there.
    """
    newest_first = dict(sorted(runs.items(), reverse=True))
    front = front_matter(found.models, [each for each in newest_first if runs[each]])
    text = rendered(
        "card.md",
        found,
        dataset=dataset,
        name=name,
        runs=newest_first,
        table=TABLE,
        opinions=OPINIONS,
    )
    return f"---\n{front}\n---\n\n{text}"


def front_matter(found: Sequence[ModelFindings], tables: Sequence[str]) -> str:
    """What the Hub reads, as YAML; `tables` are the runs whose replies are there, newest first."""
    from huggingface_hub import DatasetCardData

    languages = {each.language for model in found for each in model.findings}
    configs: list[dict[str, Any]] = [
        {"config_name": each, "data_files": f"runs/{each}/{TABLE}"} for each in tables
    ]
    if configs:
        configs[0]["default"] = True
    return DatasetCardData(
        pretty_name="An audit with Candor: do the models withhold?",
        license="other",
        license_name="terms-of-the-models",
        language=codes(languages) or None,
        size_categories=[size(sum(model.asked for model in found))],
        tags=["candor", "audit", "censorship", "refusals"],
        configs=configs or None,
        viewer=None if configs else False,
    ).to_yaml()


def codes(languages: Collection[str]) -> list[str]:
    """ISO 639 codes, which is what the Hub takes: without scripts."""
    return sorted({language.partition("-")[0] for language in languages})


def size(rows: int) -> str:
    return next((name for most, name in SIZES if rows < most), LARGEST)
