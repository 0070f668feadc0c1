"""Reading the Hub: a real server plays it, with recorded answers, malformed and hostile ones too.

Not covered: the Hub itself; no test goes online.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from guard import hub, snapshot
from guard.hub import Refreshed
from guard.snapshot import HubModel, Lineage, Offer, Parent, Snapshot
from tests import hub as playing
from tests.hub import Host

TODAY = date(2026, 11, 22)
EMPTY = Snapshot()


@pytest.fixture
def host() -> Iterator[Host]:
    with playing.running() as running:
        yield running


def refresh(
    host: Host,
    *models: str,
    before: Snapshot = EMPTY,
    keep: bool = False,
) -> Refreshed:
    return hub.refresh(models, before, hub=host.hub, today=TODAY, keep=keep)


def read(host: Host, model: str) -> tuple[HubModel, list[str]]:
    """One model, and what was told of it alone."""
    held = refresh(host, model).snapshot
    told = [said for said in held.warnings if said.startswith(f"{model}: ")]
    return held.models[model], told


def lineage_of(host: Host, model: str) -> tuple[Lineage, Refreshed]:
    done = refresh(host, model)
    return done.snapshot.lineage(model), done


def shown(lineage: Lineage) -> list[str]:
    return [f"{s.child} {s.relation} {s.parent}" for s in lineage.steps]


# What a card tells


def test_all_that_is_known_of_a_model(host: Host) -> None:
    model, told = read(host, "acme/Tuned-7B")
    assert told == []
    assert model == HubModel(
        id="acme/Tuned-7B",
        read=TODAY,
        author="acme",
        licence="apache-2.0",
        gated="no",
        created="2025-03-04",
        modified="2025-04-05",
        parameters=7_615_616_512,
        datasets=("acme/chats", "allenai/c4"),
        parents=(Parent(id="Qwen/Test-7B-Instruct", relation="finetune"),),
        offers=(
            Offer(
                provider="novita",
                model="acme/tuned-7b",
                context=32768,
                input_price=0.04,
                output_price=0.1,
                throughput=61.5,
            ),
            Offer(
                provider="scaleway",
                model="acme/Tuned-7B",
                context=16384,
                input_price=0.05,
                output_price=0.12,
            ),
            Offer(provider="together", model="acme/Tuned-7B-Turbo", live=False),
        ),
    )


def test_a_licence_of_its_own_has_a_name_and_an_address(host: Host) -> None:
    model, _ = read(host, "Qwen/Test-7B-Instruct")
    assert (model.licence, model.licence_name) == ("other", "qwen")
    assert model.licence_link == "https://huggingface.co/Qwen/Test-7B-Instruct/blob/main/LICENSE"


def test_the_first_day_of_the_hub_is_no_date(host: Host) -> None:
    model, _ = read(host, "Qwen/Test-7B")
    assert (model.created, model.modified) == (None, "2025-04-05")


# Lineage


def test_a_chain_of_fine_tunes_is_followed_to_its_root(host: Host) -> None:
    lineage, done = lineage_of(host, "acme/Tuned-7B")
    assert shown(lineage) == [
        "acme/Tuned-7B finetune Qwen/Test-7B-Instruct",
        "Qwen/Test-7B-Instruct finetune Qwen/Test-7B",
    ]
    assert lineage.origins == ("CN",)
    assert done.failed == ()


def test_a_merge_has_all_its_parents_even_one_that_is_gated_away(host: Host) -> None:
    lineage, done = lineage_of(host, "acme/Merged-7B")
    assert [(n.id, n.state) for n in lineage.nodes if n.steps == 1] == [
        ("acme/Tuned-7B", "known"),
        ("mistralai/Test-7B", "known"),
        ("meta-llama/Test-7B", "missing"),
    ]
    assert {s.relation for s in lineage.steps if s.child == "acme/Merged-7B"} == {"merge"}
    assert set(lineage.origins) == {"CN", "FR", "US"}
    assert done.snapshot.models["meta-llama/Test-7B"].gated == "yes"
    assert any("meta-llama/Test-7B" in said and "gated" in said for said in done.snapshot.warnings)
    assert done.failed == (), "what was asked for could be read"


@pytest.mark.parametrize(
    ("model", "step"),
    [
        ("acme/Adapter", "acme/Adapter adapter Qwen/Test-7B"),
        ("acme/Tuned-7B-GGUF", "acme/Tuned-7B-GGUF quantized acme/Tuned-7B"),
        ("acme/Card-only", "acme/Card-only None Qwen/Test-7B"),
        ("acme/No-card", "acme/No-card quantized Qwen/Test-7B"),
        ("acme/Broken-card", "acme/Broken-card finetune Qwen/Test-7B"),
    ],
    ids=["tags", "the card's own relation", "card", "no card", "broken card"],
)
def test_where_the_parent_is_told(host: Host, model: str, step: str) -> None:
    lineage, _ = lineage_of(host, model)
    assert shown(lineage)[0] == step


def test_a_circle_ends(host: Host) -> None:
    lineage, _ = lineage_of(host, "acme/Circle-A")
    assert [node.id for node in lineage.nodes] == ["acme/Circle-A", "acme/Circle-B"]
    assert [(s.child, s.parent) for s in lineage.cut] == [("acme/Circle-B", "acme/Circle-A")]


def test_missing_parents_survive_and_are_told(host: Host) -> None:
    lineage, done = lineage_of(host, "acme/Orphan")
    assert [(n.id, n.state) for n in lineage.ancestors] == [
        ("acme/Gone", "missing"),
        ("acme/Private", "missing"),
    ]
    assert [w.partition(": ")[0] for w in done.snapshot.warnings] == ["acme/Gone", "acme/Private"]
    assert done.failed == ()


def test_a_lineage_without_an_end_is_left_off(host: Host) -> None:
    done = refresh(host, "deep/Model-0")
    assert len(done.snapshot.models) == hub.DEEPEST + 1
    (said,) = done.snapshot.warnings
    assert said.startswith(f"deep/Model-{hub.DEEPEST + 1}: ")


def test_a_thousand_parents_are_bounded(host: Host) -> None:
    model, (said,) = read(host, "acme/Hydra")
    assert 0 < len(model.parents) < 100
    assert "1000" in said


def test_a_renamed_parent_is_found_by_either_name(host: Host) -> None:
    lineage, done = lineage_of(host, "acme/Heir")
    assert [node.id for node in lineage.nodes] == ["acme/Heir", "acme/New-name"]
    assert done.snapshot.models["acme/New-name"].renamed_from == ("acme/Old-name",)
    assert any("acme/New-name" in said for said in done.snapshot.warnings)


def test_two_names_of_one_model_are_one(host: Host) -> None:
    done = refresh(host, "acme/Old-name", "acme/New-name")
    assert list(done.snapshot.models) == ["acme/New-name"]
    assert done.snapshot.get("acme/OLD-name") is not None


# Malformed and hostile


@pytest.mark.parametrize(
    "model", ["acme/Broken-card", "acme/Broken-numbers", "acme/No-card", "acme/Odd-card"]
)
def test_a_malformed_card_gives_a_warning_that_names_it(host: Host, model: str) -> None:
    held, told = read(host, model)
    assert told
    assert not held.missing


def test_a_card_of_odd_kinds_leaves_what_is_sound(host: Host) -> None:
    model, told = read(host, "acme/Odd-card")
    assert (model.licence, model.licence_name, model.licence_link) == ("mit", None, None)
    assert (model.parents, model.datasets, model.parameters, model.gated) == ((), (), None, None)
    assert len(told) >= 3


def test_hostile_words_do_no_harm(host: Host) -> None:
    model, told = read(host, "acme/Hostile")
    assert [parent.id for parent in model.parents] == ["QWEN/test-7b"]
    assert model.author == "evil"
    assert model.licence_link is None
    assert [offer.provider for offer in model.offers if offer.live] == ["evil", "together"]
    everything = snapshot.written(refresh(host, "acme/Hostile").snapshot)
    assert all(ord(letter) >= 32 or letter == "\n" for letter in everything)
    assert not [odd for odd in ("\\u00", "\u202e", "\x9b") if odd in everything]
    assert len(everything) < 10_000
    assert any("etc/passwd" in said for said in told)
    assert any("names itself" in said for said in told)


def test_what_a_malformed_card_leaves_open_stays_as_it_was_known(host: Host) -> None:
    parents = (Parent(id="Qwen/Test-7B", relation="finetune"),)
    known = HubModel(id="acme/Broken-numbers", licence="mit", parameters=7, parents=parents)
    before = Snapshot(models={known.id: known})
    held = refresh(host, known.id, before=before).snapshot.models[known.id]
    assert (held.licence, held.parameters, held.parents) == ("mit", 7, parents)
    assert (held.read, held.author) == (TODAY, "acme")


def test_ten_megabytes_of_card_are_read_and_not_kept(host: Host) -> None:
    model, told = read(host, "acme/Large")
    assert (model.licence, told) == ("mit", [])
    assert len(model.model_dump_json()) < 1000


@pytest.mark.parametrize("model", ["acme/Not-json", "acme/Deep-json", "acme/A-list"])
def test_what_is_no_answer_is_a_failure(host: Host, model: str) -> None:
    done = refresh(host, model)
    assert done.failed == (model,)
    assert [said.partition(": ")[0] for said in done.snapshot.warnings] == [model]


# Busy and broken hosts


@pytest.mark.parametrize(("model", "requests"), [("busy/Later", 3), ("busy/Limited", 2)])
def test_a_busy_host_is_asked_again(host: Host, model: str, requests: int) -> None:
    done = refresh(host, model)
    assert done.failed == ()
    assert done.snapshot.models[model].licence == "mit"
    assert host.asked[model] == requests


@pytest.mark.parametrize("model", ["busy/Never", "acme/Wrong-key", "acme/Forbidden"])
def test_what_was_known_stays_where_the_hub_fails(host: Host, model: str) -> None:
    known = HubModel(id=model, licence="mit", parents=(Parent(id="Qwen/Test-7B"),))
    done = refresh(host, model, before=Snapshot(models={model: known}))
    assert done.snapshot.models[model] == known
    assert done.failed == (model,)
    assert "Qwen/Test-7B" in done.snapshot.models, "its lineage is followed as it was known"
    assert any(said.startswith(f"{model}: could not be read") for said in done.snapshot.warnings)


def test_a_host_that_stays_broken_is_let_be(host: Host) -> None:
    refresh(host, "busy/Never")
    assert host.asked["busy/Never"] == hub.ATTEMPTS


def test_a_key_that_is_refused_makes_no_model_missing(host: Host) -> None:
    done = refresh(host, "acme/Wrong-key")
    assert done.snapshot.models == {}
    assert host.asked["acme/Wrong-key"] == 1, "asking again would not help"


@pytest.mark.parametrize("model", ["acme/Gone", "acme/Private", "acme/Disabled"])
def test_a_model_that_is_gone_keeps_what_was_known(host: Host, model: str) -> None:
    known = HubModel(id=model, licence="mit", offers=(Offer(provider="groq", model="x"),))
    done = refresh(host, model, before=Snapshot(models={model: known}))
    held = done.snapshot.models[model]
    assert (held.missing, held.licence, held.offers) == (True, "mit", ())
    assert (done.failed, done.missing) == ((), (model,))


def test_nobody_there() -> None:
    away = hub.Hub(endpoint="http://127.0.0.1:9", router="http://127.0.0.1:9/v1")
    done = hub.refresh(["acme/Tuned-7B"], Snapshot(), hub=away, today=TODAY)
    assert done.failed == ("acme/Tuned-7B",)
    assert any("router" in said for said in done.snapshot.warnings)


# Renewing some


def test_only_what_is_asked_for_is_renewed(host: Host) -> None:
    models = {
        "acme/Tuned-7B": HubModel(id="acme/Tuned-7B", licence="old"),
        "Qwen/Test-7B-Instruct": HubModel(id="Qwen/Test-7B-Instruct", licence="kept"),
        "other/Model": HubModel(id="other/Model", licence="kept"),
    }
    warnings = ("other/Model: odd", "acme/Tuned-7B: was odd")
    before = Snapshot(models=models, warnings=warnings)
    held = refresh(host, "ACME/tuned-7b", before=before, keep=True).snapshot
    assert {id_: m.licence for id_, m in held.models.items()} == {
        "acme/Tuned-7B": "apache-2.0",
        "Qwen/Test-7B-Instruct": "kept",
        "other/Model": "kept",
    }
    assert held.warnings == ("other/Model: odd",)
    assert host.asked.keys() == {"router", "ACME/tuned-7b"}


def test_a_whole_reading_drops_what_nothing_leads_to(host: Host) -> None:
    before = Snapshot(models={"other/Model": HubModel(id="other/Model")})
    assert "other/Model" not in refresh(host, "acme/Adapter", before=before).snapshot.models


def test_each_model_is_read_once(host: Host) -> None:
    refresh(host, "acme/Merged-7B", "acme/Tuned-7B", "acme/tuned-7b", "acme/Adapter")
    assert set(host.asked.values()) == {1}


def test_progress_is_told(host: Host) -> None:
    seen: list[tuple[int, int]] = []
    hub.refresh(
        ["acme/Tuned-7B"],
        Snapshot(),
        hub=host.hub,
        today=TODAY,
        advance=lambda done, known: seen.append((done, known)),
    )
    assert seen == [(1, 1), (2, 2), (3, 3)]
