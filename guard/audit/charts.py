"""What a run shows, as pictures: findings in, SVG text out.

Text stays text; the same findings give the same bytes. A picture has a ground of its own, since it
may stand on any page: it turns dark where the reader's screen is, and white on paper. matplotlib
draws in light colours, which a style within the picture replaces.
Not covered: titles and captions, which stand beside a picture and not in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from itertools import cycle
from textwrap import shorten
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree as Tree

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .. import explain
from ..plain import one_line
from .cells import Cell
from .countries import Country
from .findings import Finding, ModelFindings

PAPER, INK, MUTED, LINE = "#fbfaf8", "#1d1b18", "#6d6860", "#e4e0d8"
ON_MIDDLE, ON_STRONG = "#1f1d1a", "#fffdf9"  # numbers, where the dark has a light ground, and both
MARKS = {  # of languages: colours that all tell apart, on paper as in the dark, each with a shape
    "#2f5d8a": ("o", "#7fb4e6"),
    "#b35806": ("D", "#ee9a3f"),
    "#00785a": ("s", "#3cc79b"),
    "#a5447c": ("^", "#e79bc6"),
    "#7a6a00": ("v", "#d8c640"),
    "#3f8fbf": ("P", "#9fd6f2"),
    "#5a5650": ("X", "#b8b2a7"),
}
DARK = {
    **{PAPER: "#161513", INK: "#ece9e3", MUTED: "#a39d92", LINE: "#33302b"},
    **{ON_MIDDLE: "#161412", ON_STRONG: "#161412"},
    **{colour: dark for colour, (_, dark) in MARKS.items()},
}
# purple, nothing, orange, as in ColorBrewer's PuOr: told apart by all, and darker as they grow
GAPS = LinearSegmentedColormap.from_list("gaps", ["#5e4fa2", "#f2f0eb", "#b35806"])
DARK_GAPS = LinearSegmentedColormap.from_list("dark gaps", ["#a99ae0", "#211f1c", "#ee9a3f"])
SCALE = [step / 10 for step in range(-10, 11)]
MIDDLE, STRONG = 0.6, 0.88  # gaps from which on a cell's ground is light in the dark, dark on paper

ROW, WIDEST_CELL, NARROWEST_CELL, ALL_CELLS = 18.0, 46.0, 23.0, 540.0  # points
PLOT, MARK_ROW, BETWEEN, APART = 420.0, 11.0, 9.0, 9.0
SIZE, SMALL, TINY = 9.0, 8.0, 7.5  # of letters
LONGEST_MODEL, LONGEST_TOPIC = 38, 56  # characters

SVG, XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
MEASURED_IN = "DejaVu Sans"  # comes with matplotlib, and is wider than what it stands for
FONTS = (
    "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK SC', "
    "sans-serif"
)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "candor",
    "font.family": MEASURED_IN,
    "font.size": SIZE,
    "text.color": INK,
    "text.parse_math": False,
}
Key = tuple[str, str]  # a model and its host
Side = Literal["left", "center", "right"]


class Picture(NamedTuple):
    """`name` is that of its file, without the ending, and of its element on a page."""

    name: str
    svg: str


def key(model: ModelFindings) -> Key:
    return model.model, model.host


def short_names(found: Sequence[ModelFindings]) -> dict[Key, str]:
    """What each model is called where there is little room; no two are called the same."""
    short: dict[Key, str] = {}
    for each in found:
        bare = each.model.rpartition("/")[2]
        alike = {one.model for one in found if one.model.rpartition("/")[2] == bare}
        name = bare if len(alike) == 1 else each.model
        host = each.host.partition("://")[2].partition("/")[0] or each.host
        words = drawable(f"{name} · {host}" if host else name)
        words = cut_within(words, LONGEST_MODEL)
        taken = sum(one.rpartition(" #")[0] == words or one == words for one in short.values())
        short[key(each)] = f"{words} #{taken + 1}" if taken else words
    return short


def drawable(words: str) -> str:
    """Foreign words as one line, without what XML cannot hold."""
    return one_line(words, len(words) + 1).replace("\ufffe", "").replace("\uffff", "")


def cut_within(words: str, most: int) -> str:
    """Names of models differ at their ends, so that what is too long loses its middle."""
    half = most // 2
    return words if len(words) <= most else f"{words[:half]}…{words[-half + 1 :]}"


def in_file_name(code: str) -> str:
    """A country's code, which a run from elsewhere may hold as it likes."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in code)


# Models by topics


@rc_context(STYLE)
def topics(
    country: Country,
    short: Mapping[Key, str],
    links: Mapping[tuple[str, str, str], str],
    *,
    title: str,
    first: int = 0,
    most: int = 1000,
) -> Picture:
    """A heat map of a country's topics, `most` of them from the `first` on, by models.

    Args:
        short: what each model is called.
        links: where a model, its host and a topic lead to, where they lead anywhere.
        title: for those who cannot see it.
    """
    rows = country.rows[first : first + most]
    wide = min(max(ALL_CELLS / len(country.models), NARROWEST_CELL), WIDEST_CELL)
    figure, axes = sheet(wide * len(country.models), ROW * len(rows))
    tilt = 42 if len(country.models) > 1 else 0
    for x, model in enumerate(country.models):
        place = ((x + 0.45) * wide, -7)
        axes.text(*place, short[key(model)], rotation=tilt, rotation_mode="anchor")
    tips = {}
    for y, row in enumerate(rows):
        label = shorten(row.name, LONGEST_TOPIC, placeholder="…")
        write(axes, -APART, (y + 0.5) * ROW, label, "right")
        for x, (model, cell) in enumerate(zip(country.models, row.cells, strict=True)):
            box = Rectangle((x * wide, y * ROW), wide, ROW, gid=f"cell-{y}-{x}")
            box.set_url(links.get((*key(model), row.topic)))
            draw_cell(axes, box, cell)
            tips[f"cell-{y}-{x}"] = f"{short[key(model)]}, {row.name}: {told(cell)}"
    draw_scale(axes)
    gaps = {cell.gap for row in rows for cell in row.cells if cell}.union(SCALE)
    name = f"topics-{in_file_name(country.code)}" + (f"-{first + 1}" if first else "")
    dark = DARK | {shade(gap): to_hex(DARK_GAPS((gap + 1) / 2)) for gap in sorted(gaps)}
    return Picture(name, finished(figure, name, title, tips, dark))


def told(cell: Cell | None) -> str:
    """A cell in words."""
    if cell is None:
        return "no pair of replies"
    return (
        f"{explain.points(cell.gap)} points; withheld {cell.probes} of {cell.pairs} probes "
        f"and {cell.controls} of {cell.pairs} controls"
    )


def shade(gap: float) -> str:
    return to_hex(GAPS((gap + 1) / 2))


def draw_cell(axes: Axes, box: Rectangle, cell: Cell | None) -> None:
    strength = abs(cell.gap) if cell else 0.0
    box.set(facecolor=shade(cell.gap) if cell else PAPER, edgecolor=PAPER, linewidth=1.5)
    axes.add_artist(box)
    colours = ((STRONG, ON_STRONG), (MIDDLE, ON_MIDDLE), (0.0, INK))
    colour = next((colour for least, colour in colours if strength > least), MUTED)
    number = explain.points(cell.gap).lstrip("+") if cell else "–"
    x, y = box.get_center()
    write(axes, x, y, number, "center", size=SMALL, colour=colour)


def draw_scale(axes: Axes) -> None:
    """The key to the colours, in the corner over the topics."""
    wide, y = 6.0, -30.0
    left = -APART - len(SCALE) * wide
    for step, gap in enumerate(SCALE):
        box = Rectangle((left + step * wide, y), wide + 0.3, 7, facecolor=shade(gap), linewidth=0)
        axes.add_artist(box)
    marks: tuple[tuple[float, str, Side], ...] = (
        (left, "−100", "left"),
        ((left - APART) / 2, "0", "center"),
        (-APART, "+100", "right"),
    )
    for x, words, side in marks:
        write(axes, x, y + 14, words, side, size=TINY, colour=MUTED)
    write(axes, -APART, y - 7, "gap in points", "right", size=TINY, colour=MUTED)


# Models by languages


@rc_context(STYLE)
def languages(
    country: Country, short: Mapping[Key, str], *, title: str, lowest: float = -1.0
) -> Picture:
    """The gap of each model in each language of a country, with its interval.

    Args:
        short: what each model is called.
        title: for those who cannot see it.
        lowest: the share at which the scale begins; it ends at 100 points.
    """
    marks = dict(zip(country.languages, cycle(MARKS), strict=False))
    tall = len(marks) * MARK_ROW + BETWEEN
    figure, axes = sheet(PLOT, tall * len(country.models))
    draw_grid(axes, len(country.models), tall, lowest)
    tips = {}
    for y, model in enumerate(country.models):
        write(axes, -APART, (y + 0.5) * tall, short[key(model)], "right")
        for found in country.findings(model):
            at = country.languages.index(found.language)
            place = y * tall + BETWEEN / 2 + (at + 0.5) * MARK_ROW
            draw_mark(axes, found, place, marks[found.language], lowest).set_gid(f"mark-{y}-{at}")
            tips[f"mark-{y}-{at}"] = f"{short[key(model)]}, {worded(found)}"
    draw_key(axes, marks)
    name = f"languages-{in_file_name(country.code)}"
    return Picture(name, finished(figure, name, title, tips, DARK))


def along(gap: float, lowest: float) -> float:
    """Where a gap lies on the scale, in points of length."""
    return (gap - lowest) / (1 - lowest) * PLOT


def worded(found: Finding) -> str:
    gap = found.gap
    sure = "beyond chance" if gap.withholds else "may be chance"
    asked = explain.spoken(found.language)
    between = f"{explain.points(gap.low)} to {explain.points(gap.high)}"
    return f"in {asked}: {explain.points(gap.gap)} points ({between}), {sure}"


def draw_grid(axes: Axes, models: int, tall: float, lowest: float) -> None:
    bottom = models * tall
    for percent in range(round(100 * lowest), 101, 25):
        x = along(percent / 100, lowest)
        axes.plot([x, x], [0, bottom], color=LINE if percent else MUTED, linewidth=0.8, zorder=1)
        write(
            axes, x, bottom + 9, explain.points(percent / 100), "center", size=SMALL, colour=MUTED
        )
    for y in range(models + 1):
        axes.plot([0, PLOT], [y * tall] * 2, color=LINE, linewidth=0.8, zorder=1)


def draw_mark(axes: Axes, found: Finding, y: float, colour: str, lowest: float) -> Line2D:
    low, middle, high = (along(x, lowest) for x in (found.gap.low, found.gap.gap, found.gap.high))
    axes.plot([low, high], [y, y], color=colour, linewidth=1.6, solid_capstyle="round")
    return mark(axes, middle, y, colour, filled=found.gap.withholds)


def mark(axes: Axes, x: float, y: float, colour: str, *, filled: bool) -> Line2D:
    shape, _ = MARKS.get(colour, ("o", ""))
    (drawn,) = axes.plot(x, y, shape, markersize=6.2, markeredgewidth=1.5, zorder=3)
    drawn.set(markeredgecolor=colour, markerfacecolor=colour if filled else PAPER)
    return drawn


def draw_key(axes: Axes, marks: Mapping[str, str]) -> None:
    """Which mark is which language, and what a hollow one means, over the marks."""
    entries = [
        (colour, True, cut_within(explain.spoken(tag), LONGEST_MODEL))
        for tag, colour in marks.items()
    ]
    entries += [(MUTED, True, "beyond chance"), (MUTED, False, "may be chance")]
    x, line, places = 4.0, 0, []
    for _, _, words in entries:
        if x + 6 * len(words) > PLOT:
            x, line = 4.0, line + 1
        places.append((x, line))
        x += 30 + 5.2 * len(words)
    for (x, above), (colour, filled, words) in zip(places, entries, strict=True):
        y = -13 - 15.0 * (line - above)
        mark(axes, x, y, colour, filled=filled)
        write(axes, x + 9, y, words, "left", size=SMALL)


# Drawing


def sheet(wide: float, tall: float) -> tuple[Figure, Axes]:
    """An empty drawing, measured in points from its upper left; what stands out is not cut."""
    figure = Figure(figsize=(wide / 72, tall / 72), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, wide), ylim=(tall, 0))
    axes.set_axis_off()
    return figure, axes


def write(
    axes: Axes,
    x: float,
    y: float,
    words: str,
    side: Side,
    *,
    size: float = SIZE,
    colour: str = INK,
) -> None:
    style: dict[str, Any] = {"ha": side, "va": "center_baseline", "fontsize": size}
    axes.text(x, y, drawable(words), color=colour, **style)


def finished(
    figure: Figure, name: str, title: str, tips: Mapping[str, str], dark: Mapping[str, str]
) -> str:
    """The drawing as SVG that a page can hold: ids of its own, a name, words for its parts."""
    for part in figure.axes[0].get_children():
        part.set_clip_on(False)
    written = BytesIO()
    silent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's fonts have it
        figure.savefig(written, format="svg", bbox_inches="tight", pad_inches=0.1, metadata=silent)
    root = Tree.fromstring(written.getvalue())  # noqa: S314 (drawn here, not taken from elsewhere)
    kept = {*tips, *(each.get(f"{XLINK}href", "")[1:] for each in root.iter(f"{SVG}use"))}
    for element in list(root.iter()):
        adapt(element, name, kept)
        if tip := tips.get(element.get("id", "").removeprefix(f"{name}-")):
            Tree.SubElement(element, f"{SVG}title").text = drawable(tip)
        recolour(element, dark)
    root.attrib |= {"id": name, "role": "img", "aria-label": drawable(title), "font-family": FONTS}
    next(root.iter(f"{SVG}style")).text = style(name, dark)
    Tree.register_namespace("", SVG.strip("{}"))
    return Tree.tostring(root, encoding="unicode")


def adapt(element: Tree.Element, name: str, kept: Collection[str]) -> None:
    """Give an element an id that no other drawing has, or none; and our fonts."""
    at = element.attrib
    if target := at.pop(f"{XLINK}href", ""):
        own = element.tag == f"{SVG}use"
        at["href"] = f"#{name}-{target[1:]}" if own else target
    if (id_ := at.pop("id", "")) in kept and id_:
        at["id"] = f"{name}-{id_}"
    if "style" in at:
        at["style"] = at["style"].replace(f"font-family: '{MEASURED_IN}'; ", "")


def recolour(element: Tree.Element, dark: Mapping[str, str]) -> None:
    """Let the style replace an element's colours; where it cannot, its attributes hold."""
    for declared in element.get("style", "").split("; "):
        part, _, colour = declared.partition(": ")
        if part in {"fill", "stroke"} and colour in dark:
            element.set(part, colour)
            variable = f"{part}: var(--{colour[1:]}, {colour})"
            element.set("style", element.attrib["style"].replace(declared, variable))


def style(name: str, dark: Mapping[str, str]) -> str:
    """The colours of a drawing in the dark, and on paper."""
    colours = ";".join(f"--{old[1:]}:{new}" for old, new in dark.items())
    return (
        f"#{name}{{stroke-linejoin:round}}#{name} text{{pointer-events:none}}"
        f"@media screen and (prefers-color-scheme:dark){{#{name}{{{colours}}}}}"
        f"@media print{{#{name}{{--{PAPER[1:]}:#ffffff}}}}"
    )
