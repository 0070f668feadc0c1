"""From a verdict to an action, and whom to ask next: all combinations."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import policy
from guard.provenance import aligned
from guard.types import Action, BaseModelRef, Mode, ModelSpec, Status, Verdict

ORIGINS = ["CN", "US", "FR", "DE", "RU", "CH"]


def verdict(status: Status, own: bool | None) -> Verdict:
    return Verdict(conduct="refused", status=status, score=0.9, aligned=own)


@pytest.mark.parametrize(
    ("mode", "status", "own", "action"),
    [
        ("fall back", "withheld", True, "fall back"),
        ("fall back", "withheld", False, "warn"),
        ("fall back", "withheld", None, "warn"),
        ("warn", "withheld", True, "warn"),
        ("warn", "withheld", False, "warn"),
        ("warn", "withheld", None, "warn"),
    ],
)
def test_what_is_done_about_a_withheld_reply(
    mode: Mode, status: Status, own: bool | None, action: Action
) -> None:
    assert policy.decide(verdict(status, own), mode) == action


@pytest.mark.parametrize("status", ["clean", "unchecked"])
@pytest.mark.parametrize("own", [True, False, None])
@pytest.mark.parametrize("mode", ["off", "warn", "fall back"])
def test_nothing_is_done_about_others(status: Status, own: bool | None, mode: Mode) -> None:
    assert policy.decide(verdict(status, own), mode) == "pass"


@pytest.mark.parametrize("own", [True, False, None])
def test_off_does_nothing(own: bool | None) -> None:
    assert policy.decide(verdict("withheld", own), "off") == "pass"


def spec(number: int, origin: str, bases: tuple[tuple[str, str], ...] = ()) -> ModelSpec:
    return ModelSpec(
        id=f"m/{number}",
        name=str(number),
        developer="Test",
        origin=origin,
        licence="MIT",
        base=tuple(BaseModelRef(id=f"m/{id_}", origin=o) for id_, o in bases),
        context=1,
        card="https://example.org",
    )


SPECS = st.builds(
    spec,
    st.integers(0, 30),
    st.sampled_from(ORIGINS),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(ORIGINS)), max_size=2).map(tuple),
)


@given(
    first=SPECS,
    others=st.lists(SPECS, max_size=8),
    jurisdiction=st.sampled_from([None, "EU", *ORIGINS]),
)
def test_successors_are_independent_and_keep_their_order(
    first: ModelSpec, others: list[ModelSpec], jurisdiction: str | None
) -> None:
    found = policy.successors(first, others, jurisdiction)
    for spec_ in found:
        assert spec_.id != first.id
        assert not {*spec_.origins} & {*first.origins}
        assert not {b.id for b in spec_.base} & {first.id, *(b.id for b in first.base)}
        assert spec_.id not in {b.id for b in first.base}
        assert aligned(spec_.origins, jurisdiction) is not True
    places = [next(i for i, o in enumerate(others) if o is f) for f in found]
    assert all(a < b for a, b in itertools.pairwise(places))
    unrelated = spec(99, "NZ")
    assert policy.successors(first, [*others, unrelated], jurisdiction)[-1] == unrelated


def test_a_member_of_the_union_has_a_stake_in_the_unions_topics() -> None:
    french, swiss = spec(1, "FR"), spec(2, "CH")
    assert policy.successors(spec(0, "DE"), [french, swiss], "EU") == (swiss,)
    assert policy.successors(spec(0, "DE"), [french, swiss], "CN") == (french, swiss)
