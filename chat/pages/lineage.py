"""A lineage as a drawing: one row a model, its ancestors below it, and a line for each step.

Rows are set as text by the page; only the lines are drawn, in the lanes beside them, so that names
of any length fit a phone. A lineage of more than `MOST` models is drawn as far as it is near.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from guard.snapshot import Ancestor, Descent, Lineage

MOST = 12  # models
ROW, FIRST, LANE = 70, 24, 16  # pixels: between rows, to the middle of the first, between lanes
BEND = ROW // 2


class Row(NamedTuple):
    """A model of the lineage, and what was made from it; `x` and `y` are its dot's, in pixels."""

    node: Ancestor
    steps: tuple[Descent, ...]
    x: int
    y: int


class Line(NamedTuple):
    """A step as an SVG path; `broken` where it leads to a model that the Hub does not show."""

    path: str
    broken: bool


class Drawing(NamedTuple):
    """What to draw; `left_out` counts the models that are too far away."""

    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    width: int
    height: int
    left_out: int


@dataclass
class Lanes:
    """Where each model's dot stands: its row by id, and its lane."""

    row: Mapping[str, int]
    of: dict[str, int] = field(default_factory=dict)
    most: int = 0

    def clear(self, lane: int, above: int, below: int) -> bool:
        """Whether no dot stands in `lane` strictly between two rows."""
        placed = (self.row[id_] for id_, at in self.of.items() if at == lane)
        return not any(above < row < below for row in placed)

    def place(self, model: str, children: list[str]) -> None:
        """Straight below the nearest child where that lane is free, else in the first that is."""
        below = self.row[model]
        nearest = sorted(children, key=lambda child: -self.row[child])
        straight = (self.of[c] for c in nearest if self.clear(self.of[c], self.row[c], below))
        top = min((self.row[child] for child in children), default=below)
        spare = (lane for lane in range(self.most + 2) if self.clear(lane, top, below))
        self.of[model] = next(chain(straight, spare))
        self.most = max(self.most, self.of[model])

    def path(self, child: str, parent: str) -> str:
        """A line down from the child, along a lane where no other dot stands."""
        above, below = self.row[child], self.row[parent]
        ends = (self.of[parent], self.of[child])
        along = next((lane for lane in ends if self.clear(lane, above, below)), self.most + 1)
        self.most = max(self.most, along)
        (x, y), (to_x, to_y) = spot(self.of[child], above), spot(self.of[parent], below)
        via, _ = spot(along, 0)
        drawn = f"M{x} {y}" + (bend(x, y, via) if via != x else "")
        if via == to_x:
            return f"{drawn}V{to_y}"
        return f"{drawn}V{to_y - BEND}{bend(via, to_y - BEND, to_x)}"


def bend(x: int, y: int, to_x: int) -> str:
    """A curve down into another lane."""
    middle = y + BEND // 2
    return f"C{x} {middle} {to_x} {middle} {to_x} {y + BEND}"


def draw(lineage: Lineage) -> Drawing:
    """Lay a lineage out, each model below all that were made from it."""
    all_steps = respelt(lineage)
    nodes = in_order(lineage.nodes, all_steps)
    shown = nodes[:MOST]
    row = {node.id: number for number, node in enumerate(shown)}
    steps = [step for step in all_steps if step.child in row and step.parent in row]
    lanes = Lanes(row)
    children = {id_: [step.child for step in made_from(id_, steps)] for id_ in row}
    for id_ in row:
        lanes.place(id_, children[id_])
    states = {node.id: node.state for node in shown}
    lines = [Line(lanes.path(s.child, s.parent), states[s.parent] == "missing") for s in steps]
    return Drawing(
        rows=tuple(
            Row(node, made_from(node.id, steps), *spot(lanes.of[node.id], row[node.id]))
            for node in shown
        ),
        lines=tuple(lines),
        width=spot(lanes.most + 1, 0)[0],
        height=spot(0, len(shown) - 1)[1] + FIRST,
        left_out=len(nodes) - len(shown),
    )


def spot(lane: int, row: int) -> tuple[int, int]:
    return LANE // 2 + LANE * lane, FIRST + ROW * row


def respelt(lineage: Lineage) -> list[Descent]:
    """The steps with each model's id as its node has it: two cards may spell one differently."""
    spelt = {node.id.casefold(): node.id for node in lineage.nodes}
    return [
        Descent(
            child=spelt[step.child.casefold()],
            parent=spelt[step.parent.casefold()],
            relation=step.relation,
        )
        for step in lineage.steps
    ]


def in_order(nodes: Sequence[Ancestor], steps: Sequence[Descent]) -> list[Ancestor]:
    """Each model after all that were made from it: by the longest way down to it."""
    depth = {node.id: 0 for node in nodes}
    for _ in nodes:  # no way is longer than that, since no step closes a circle
        deeper = [step for step in steps if depth[step.parent] <= depth[step.child]]
        for step in deeper:
            depth[step.parent] = max(depth[step.parent], depth[step.child] + 1)
        if not deeper:
            break
    return sorted(nodes, key=lambda node: depth[node.id])


def made_from(model: str, steps: list[Descent]) -> tuple[Descent, ...]:
    return tuple(step for step in steps if step.parent == model)
