"""The dashboard, Prometheus' settings and its alerts ask for what `/metrics` tells, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from chat.telemetry.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/candor.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
OF_PROMETHEUS = {"up": {"job", "instance"}, "process_resident_memory_bytes": {"job", "instance"}}
WORDS = {"sum", "by", "rate", "increase", "topk", "histogram_quantile"}
STRING = r'"(?:[^"\\]|\\.)*"'


def known() -> dict[str, set[str]]:
    """The names that can be asked for, with their labels."""
    told = OF_PROMETHEUS | {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name, labels = metric._name, {*metric._labelnames, "job", "instance"}
            told |= {
                Counter: {f"{name}_total": labels},
                Gauge: {name: labels},
                Histogram: {f"{name}_bucket": labels | {"le"}, f"{name}_count": labels},
            }[type(metric)]
    return told


def asked() -> Iterator[tuple[str, str]]:
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for group in ALERTS["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


QUERIES = [*asked()]


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[n for n, _ in QUERIES])
def test_each_query_asks_for_metrics_and_labels_that_exist(query: str) -> None:
    metrics = known()
    selected = re.sub(r"\[[^]]*\]", "", query)
    grouped = {
        label.strip()
        for labels in re.findall(r"\bby \(([^)]*)\)", selected)
        for label in labels.split(",")
    }
    plain = re.sub(r"\bby \([^)]*\)", "", re.sub(STRING, "", selected))
    names = {*re.findall(r"[a-z_]+", re.sub(r"\{[^}]*\}", "", plain))} - WORDS
    assert names, "a query asks for something"
    assert names <= metrics.keys()
    every = set.intersection(*(metrics[name] for name in names))
    assert grouped <= every
    for name, inside in re.findall(r"([a-z_]+)\{([^}]*)\}", re.sub(STRING, "", selected)):
        assert {*re.findall(r"[a-z_]+", inside)} <= metrics[name]


def test_each_metric_of_ours_is_on_the_dashboard() -> None:
    whole = " ".join(query for _, query in QUERIES)
    ours = {name for name in known() if name.startswith("candor_") and not name.endswith("_count")}
    assert {name for name in ours if name not in whole} == set()


def test_panels_stand_side_by_side_and_each_has_its_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            named = {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])}
            assert named <= {*re.findall(r"\w+", target["expr"])} | {"instance"}


def test_prometheus_loads_the_rules_and_scrapes_the_job_that_queries_name() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("candor", "/metrics")
    assert all((DEPLOY / file).exists() for file in PROMETHEUS["rule_files"])
