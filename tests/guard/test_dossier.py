"""What is told of a model by whatever name it is asked for, and what is owned not to be known."""

from __future__ import annotations

from datetime import date

import pytest
from specs import spec

from guard.catalogue import Catalogue, joined
from guard.catalogue import load as load_catalogue
from guard.dossier import Dossier, dossier
from guard.snapshot import HubModel, Offer, Parent, Snapshot

QWEN = "Qwen/Qwen2.5-72B-Instruct"


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def own() -> Catalogue:
    """A merge of a Chinese and a French model, one of which the Hub has renamed."""
    merge = HubModel(
        id="mistralai/Merge-7B",
        licence="other",
        licence_name="llama3.1",
        datasets=("a set",),
        parameters=7_000_000_000,
        parents=(Parent(id="Qwen/Old-7B", relation="merge"),),
        offers=(Offer(provider="novita", model="m"), Offer(provider="unheard-of", model="m")),
    )
    root = HubModel(id="Qwen/New-7B", renamed_from=("Qwen/Old-7B",))
    held = Snapshot(taken=date(2026, 11, 1), models={each.id: each for each in (merge, root)})
    listed = spec("someone/Own-7B", "FI").model_copy(update={"base_url": "http://u:pass@host/v1"})
    return joined(Catalogue(default=listed.id, models=(listed,)), held)


@pytest.mark.parametrize("name", [QWEN, QWEN.upper(), "Qwen2.5-72B-Instruct", f"{QWEN}:novita"])
def test_a_model_is_known_by_each_of_its_names(shipped: Catalogue, name: str) -> None:
    found = dossier(name, shipped)
    assert (found.id, found.asked, found.on_offer) == (QWEN, name, True)
    assert (found.made_by, found.origins) == ("Alibaba (Qwen)", ("CN",))
    assert found.taken == shipped.snapshot.taken


def test_a_lineage_is_told_to_its_root_with_licence_and_providers(own: Catalogue) -> None:
    found = dossier("mistralai/merge-7b", own)
    assert (found.on_offer, found.name, found.context) == (False, None, None)
    assert found.developer is not None
    assert (found.developer.name, found.origins) == ("Mistral AI", ("FR", "CN"))
    (parent,) = found.ancestors
    assert (parent.id, parent.origin, found.steps[0].relation) == ("Qwen/New-7B", "CN", "merge")
    assert (found.stated_licence, found.licence and found.licence.name) == ("llama3.1", "Llama 3.1")
    assert found.licence is not None
    assert "700 million" in found.licence.condition
    assert [(each.offer.provider, each.origin) for each in found.providers] == [
        ("novita", "US"),
        ("unheard-of", None),
    ]
    assert found.card == "https://huggingface.co/mistralai/Merge-7B"
    assert found.not_known == ()


def test_a_former_name_finds_the_model(own: Catalogue) -> None:
    found = dossier("Qwen/Old-7B", own)
    assert (found.id, found.asked) == ("Qwen/New-7B", "Qwen/Old-7B")
    assert found.not_known == ("lineage", "licence", "training data", "providers")


def test_where_a_model_is_reached_is_nobodys_business(own: Catalogue) -> None:
    found = dossier("someone/own-7b", own)
    assert found.on_offer
    assert (found.developer, found.made_by, found.origins) == (None, "Test", ("FI",))
    assert "developer" not in found.not_known
    assert "pass" not in found.model_dump_json()


def test_of_a_stranger_what_its_owner_says_is_known(shipped: Catalogue) -> None:
    found = dossier("Qwen/Never-Heard-Of-It", shipped)
    assert (found.id, found.origins) == (None, ("CN",))
    assert found.developer is not None
    assert found.not_known == ("lineage", "licence", "training data", "providers")


@pytest.mark.parametrize("name", ["nobody/Nothing-1B", "\x1b[2J\u202e\n", "?" * 10_000])
def test_of_a_stranger_nothing_is_made_up(shipped: Catalogue, name: str) -> None:
    found = dossier(name, shipped)
    empty = Dossier(asked=found.asked, taken=found.taken, not_known=found.not_known)
    assert found == empty
    assert len(found.not_known) == 6
    assert len(found.asked) <= 200
    assert not {*found.asked} & {"\x1b", "\u202e", "\n"}


def test_a_slip_of_the_pen_finds_what_may_be_meant(shipped: Catalogue) -> None:
    found = dossier("Qwen/Qwen2.5-72B-Instuct", shipped)
    assert found.id is None
    assert QWEN in found.may_be


def test_a_name_that_two_models_have_is_not_decided(own: Catalogue) -> None:
    twins = {id_: HubModel(id=id_) for id_ in ("one/Twin-7B", "two/Twin-7B")}
    found = dossier("Twin-7B", joined(own, Snapshot(models=twins)))
    assert (found.id, found.may_be) == (None, ("one/Twin-7B", "two/Twin-7B"))
