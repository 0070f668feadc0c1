"""Lineages as drawings: nothing crosses a dot, whatever a snapshot holds."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from chat.pages.lineage import FIRST, LANE, MOST, ROW, Drawing, draw
from guard.snapshot import HubModel, Lineage, Parent, Snapshot

NAMES = [f"acme/{letter}" for letter in "ABCDEFGHIJKLMNOPQR"]


def lineage(**parents: str) -> Lineage:
    """Of `acme/A`, from letters: `A="BC"` was made from B and C."""
    models = {
        f"acme/{child}": HubModel(
            id=f"acme/{child}",
            parents=tuple(Parent(id=f"acme/{parent}", relation="merge") for parent in made_from),
        )
        for child, made_from in parents.items()
    }
    return Snapshot(models=models).lineage("acme/A")


def dots(drawing: Drawing) -> dict[str, tuple[int, int]]:
    return {row.node.id[-1]: (row.x, row.y) for row in drawing.rows}


def crossed(drawing: Drawing) -> list[str]:
    """Dots that stand on a line which neither begins nor ends there."""
    found = []
    places = dots(drawing)
    for line in drawing.lines:
        numbers = [int(n) for n in re.findall(r"\d+", line.path)]
        (x, y), end = (numbers[0], numbers[1]), numbers[-1]
        for command, *at in re.findall(r"([CV])([\d ]+)", line.path):
            to = [int(n) for n in at[0].split()]
            if command == "C":
                x, y = to[4], to[5]
                continue
            found += [
                name for name, (dot, row) in places.items() if dot == x and y < row < to[0] != row
            ]
            y = to[0]
        assert y == end
    return found


def test_a_chain_runs_straight_down() -> None:
    drawing = draw(lineage(A="B", B="C"))
    assert dots(drawing) == {"A": (8, FIRST), "B": (8, FIRST + ROW), "C": (8, FIRST + 2 * ROW)}
    assert [line.path for line in drawing.lines] == ["M8 24V94", "M8 94V164"]
    assert drawing.height == FIRST * 2 + 2 * ROW


def test_each_parent_of_a_merge_has_a_lane_of_its_own() -> None:
    drawing = draw(lineage(A="BCD"))
    lanes = [row.x for row in drawing.rows]
    assert lanes == [8, 8, 8 + LANE, 8 + 2 * LANE]
    assert len(drawing.lines) == 3
    assert crossed(drawing) == []


def test_a_model_stands_below_all_that_were_made_from_it() -> None:
    drawing = draw(lineage(A="BC", B="D", C="B"))
    assert [row.node.id[-1] for row in drawing.rows] == ["A", "C", "B", "D"]
    assert [step.child[-1] for step in drawing.rows[2].steps] == ["A", "C"]
    assert crossed(drawing) == []


def test_two_cards_may_spell_a_parent_differently() -> None:
    models = {
        "acme/A": HubModel(
            id="acme/A", parents=(Parent(id="acme/B"), Parent(id="else/Root", relation="merge"))
        ),
        "acme/B": HubModel(id="acme/B", parents=(Parent(id="Else/ROOT"),)),
    }
    drawing = draw(Snapshot(models=models).lineage("acme/A"))
    assert len(drawing.rows) == 3
    assert len(drawing.lines) == 3


def test_what_is_too_far_is_counted() -> None:
    chain = {NAMES[n][-1]: NAMES[n + 1][-1] for n in range(len(NAMES) - 1)}
    drawing = draw(lineage(**chain))
    assert len(drawing.rows) == MOST
    assert drawing.left_out == len(NAMES) - MOST


def test_a_missing_parents_line_is_broken() -> None:
    models = {
        "acme/A": HubModel(id="acme/A", parents=(Parent(id="acme/B"), Parent(id="acme/C"))),
        "acme/B": HubModel(id="acme/B", missing=True),
    }
    drawing = draw(Snapshot(models=models).lineage("acme/A"))
    assert [line.broken for line in drawing.lines] == [True, False]


PARENTS = st.dictionaries(
    st.sampled_from("ABCDEFGHIJ"), st.text("ABCDEFGHIJ", max_size=4), min_size=1
)


@given(PARENTS)
def test_no_line_runs_through_a_dot(parents: dict[str, str]) -> None:
    drawing = draw(lineage(**parents))
    below = {row.node.id: row.y for row in drawing.rows}
    for row in drawing.rows:
        assert all(below[step.child] < row.y for step in row.steps)
    assert crossed(drawing) == []
    assert len({(row.x, row.y) for row in drawing.rows}) == len(drawing.rows)
    assert max(row.x for row in drawing.rows) < drawing.width
