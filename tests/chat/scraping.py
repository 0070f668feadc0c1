"""What `/metrics` tells, as values by name and labels."""

from __future__ import annotations

import httpx2
from prometheus_client.parser import text_string_to_metric_families


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """The samples of one look at the metrics."""

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have these labels."""
        wanted = frozenset(labels.items())
        return sum(value for (found, has), value in self.items() if found == name and wanted <= has)

    def since(self, before: Scraped) -> Scraped:
        """What has been added since an earlier look."""
        return Scraped({key: value - before.get(key, 0.0) for key, value in self.items()})

    def values_of(self, label: str) -> set[str]:
        return {dict(has)[label] for _, has in self if label in dict(has)}


def scraped(url: str) -> Scraped:
    answer = httpx2.get(f"{url}/metrics", trust_env=False, timeout=30).raise_for_status()
    return Scraped(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }
    )
