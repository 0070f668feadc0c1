"""Train the learned score: labelled replies in, `guard/data/learned.npz` out.

A row holds `question`, `reply`, `label_a` and `label_b`, the labels of two judges (`complete`,
`evasive` or `denial`). Rows on which the two differ about complete or not are left out. Rows may
name `model` and `question_no`: what is fitted first is then always tried on models and questions
that it has not seen (stacked generalisation, Wolpert 1992), which keeps what is fitted upon it
honest.

The shipped weights come from SpeechMap (github.com/xlr8harder/speechmap-data, Apache-2.0) and from
own-written rows with one label, `withheld` (`guard/data/training.jsonl`: short, everyday, candid
and evasive answers). The same rows and seed give the same file, byte for byte, on the same
version of NumPy. Only NumPy is needed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .learned import (
    BITS,
    Encoded,
    Families,
    Fitted,
    Forest,
    Judge,
    Learned,
    Line,
    answer_of,
    compile_families,
    different,
    encode,
)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]
Matrix = npt.NDArray[np.float32]

WORDS = Path(__file__).parent / "data" / "learned.yaml"
PLACES = 1 << BITS
BEGINNINGS = (150, 400, 1000)  # characters; half as many where the reply is in Han
INNER = 3  # groups of models, and of questions, in stacking
SPREAD = 4  # an n-gram counts once it is in so many models and questions
STRENGTH = 300.0  # inverse of the ridge penalty of the linear models
BINS = 32
OWN = Path(__file__).parent / "data" / "training.jsonl"
OWN_GROUPS = 12
LINE_RIDGE = 20.0  # penalty of the logistic regression on features


class Row(NamedTuple):
    """One labelled reply. `weight` is 0 where the judges differ."""

    question: str
    reply: str
    withheld: bool
    agreed: bool
    model: str
    question_no: str


class Report(NamedTuple):
    """What a training run saw and reached; the log losses are on unseen models and questions."""

    rows: int
    used: int
    withheld: int
    log_loss: float
    log_loss_growing: float
    size: int


@dataclass(frozen=True)
class Boosting:
    """How a forest grows.

    `rate` is the step, `ridge` the penalty on leaves, `rows` and `features` the shares a tree sees.
    """

    trees: int = 300
    depth: int = 4
    rate: float = 0.08
    ridge: float = 10.0
    rows: float = 0.7
    features: float = 0.3


@dataclass(frozen=True)
class Samples:
    """Encoded exchanges of one kind (whole, or beginnings) with their labels and groups."""

    encoded: list[Encoded]
    withheld: Bools
    model: Indices
    question: Indices
    row: Indices

    def among(self, rows: Indices) -> Indices:
        """Indices of the samples that come from `rows`."""
        return np.flatnonzero(np.isin(self.row, rows))


def train(
    paths: Sequence[Path], out: Path, seed: int = 0, *, boosting: Boosting | None = None
) -> Report:
    """Learn from the files `paths` (JSON lines, gzip or not) and write the weights to `out`."""
    rows = list(read(paths))
    used = [row for row in rows if row.agreed]
    if len({row.withheld for row in used}) < 2:
        raise InputError(
            "The rows hold but one kind of reply; training needs complete and withheld ones."
        )
    families = load_families()
    whole, growing = encode_rows(used, families), encode_rows(used, families, beginnings=True)
    learned, losses = fit(
        whole, growing, np.arange(len(used)), families, seed=seed, boosting=boosting
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **pack(learned))
    withheld = sum(row.withheld for row in used)
    return Report(len(rows), len(used), withheld, *losses, out.stat().st_size)


def read(paths: Iterable[Path]) -> Iterator[Row]:
    """The rows of files of JSON lines; a `.gz` file is unpacked."""
    for path in paths:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield parse(line, path, number)


def parse(line: str, path: Path, number: int) -> Row:
    """One row; an unreadable one says where it stands."""
    try:
        row = json.loads(line)
        if "withheld" in row:
            return own_row(row, number)
        labels = [row[key] != "complete" for key in ("label_a", "label_b")]
        return Row(
            str(row["question"]),
            str(row["reply"]),
            labels[0],
            labels[0] == labels[1],
            str(row.get("model", number)),
            str(row.get("question_no", row["question"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}:{number}: expected an object with question, reply, label_a and label_b: "
            f"{error!r}"
        ) from error


def own_row(row: dict[str, Any], number: int) -> Row:
    """An own-written row: one label, no model; spread over groups as if of several models."""
    group = f"own-{number % OWN_GROUPS}"
    question = str(row["question"])
    return Row(question, str(row["reply"]), row["withheld"] is True, True, group, question)


def load_families(path: Path = WORDS) -> Families:
    """The hashed word lists."""
    import yaml

    return compile_families(yaml.safe_load(path.read_text(encoding="utf-8")))


def encode_rows(rows: Sequence[Row], families: Families, *, beginnings: bool = False) -> Samples:
    """Encode each row once, whole, or its beginnings as far as it has them, and all of it."""
    encoded: list[Encoded] = []
    owner: list[int] = []
    for index, row in enumerate(rows):
        for reply in begin(row.reply) if beginnings else (row.reply,):
            encoded.append(encode(row.question, reply, families))
            owner.append(index)
    at = np.array(owner, np.int64)
    groups = [
        np.unique([getattr(row, key) for row in rows], return_inverse=True)[1]
        for key in ("model", "question_no")
    ]
    withheld = np.array([row.withheld for row in rows])
    return Samples(encoded, withheld[at], groups[0][at], groups[1][at], at)


def begin(reply: str) -> Iterator[str]:
    """The beginnings of a reply that a reader may have before it when it is judged."""
    answer = answer_of(reply)
    dense = sum("\u3400" <= character <= "\u9fff" for character in answer[:200]) > 60
    for size in BEGINNINGS:
        cut = size // 2 if dense else size
        if cut < len(answer):
            yield answer[:cut]
    yield answer[:4000]


def fit(
    whole: Samples,
    growing: Samples,
    rows: Indices,
    families: Families,
    *,
    seed: int,
    boosting: Boosting | None = None,
) -> tuple[Learned, tuple[float, float]]:
    """Learn everything from the samples of `rows`; also the log losses of the two forests."""
    boosting = boosting or Boosting()
    chosen = whole.among(rows)
    inner = [fit_features(whole, chosen[learn]) for _, learn in folds(whole, chosen, seed)]
    judges, losses = [], []
    for kind in (whole, growing):
        at = kind.among(rows)
        judge, loss = fit_judge(stacked(kind, at, inner, seed), kind, at, boosting, seed)
        judges.append(judge)
        losses.append(loss)
    return Learned(families, average(inner), judges[0], judges[1]), (losses[0], losses[1])


def average(fitted: Sequence[Fitted]) -> Fitted:
    """The mean of linear models.

    One model of all rows would know more than those that made the training vectors, and the judges
    would meet other numbers than they were trained on.
    """
    body = np.stack([one.body for one in fitted]).mean(axis=0, dtype=np.float64)
    head = np.stack([one.head for one in fitted]).mean(axis=0, dtype=np.float64)
    return Fitted(body.astype(np.float16), head.astype(np.float16))


def values_of(samples: Samples, at: Indices, fitted: Fitted) -> Matrix:
    """The full feature vectors, shape (len(at), features)."""
    rows = [
        np.concatenate((samples.encoded[i].dense, fitted.features(samples.encoded[i]))) for i in at
    ]
    return np.array(rows, np.float32)


def folds(samples: Samples, at: Indices, seed: int) -> Iterator[tuple[Bools, Bools]]:
    """Pairs of (test, learn) masks over `at`: no model and no question of a test is learned from.

    Where the rows are too few for that, all but the test is learned from, or else everything.
    """
    parts = []
    for offset, group in enumerate((samples.model[at], samples.question[at])):
        names, which = np.unique(group, return_inverse=True)
        order = np.random.default_rng([seed, offset]).permutation(len(names))
        parts.append((order % INNER)[which])
    for i in range(INNER):
        for j in range(INNER):
            test = (parts[0] == i) & (parts[1] == j)
            learn = (parts[0] != i) & (parts[1] != j)
            for wider in (~test, np.ones(len(at), np.bool_)):
                if len(np.unique(samples.withheld[at[learn]])) < 2:
                    learn = wider
            yield test, learn


def stacked(kind: Samples, at: Indices, inner: Sequence[Fitted], seed: int) -> Matrix:
    """Feature vectors of `kind` at `at`, the fitted ones learned on other models and questions."""
    parts, order = [], []
    for (test, _), fitted in zip(folds(kind, at, seed), inner, strict=True):
        if test.any():
            parts.append(values_of(kind, at[test], fitted))
            order.append(np.flatnonzero(test))
    return np.concatenate(parts)[np.argsort(np.concatenate(order))]


def fit_features(samples: Samples, at: Indices) -> Fitted:
    """Learn linear weights from whole replies."""
    spread = min(SPREAD, len(np.unique(samples.model[at])), len(np.unique(samples.question[at])))
    encoded = [samples.encoded[i] for i in at]
    heads = [one.grams[one.at < one.head] for one in encoded]
    labels = samples.withheld[at]
    groups = (samples.model[at], samples.question[at])
    return Fitted(
        fit_linear([different(one.grams) for one in encoded], labels, groups, spread),
        fit_linear([different(head) for head in heads], labels, groups, spread),
    )


def presence(hashed: Sequence[Places], group: Indices) -> Indices:
    """In how many groups each place occurs."""
    counts = np.zeros(PLACES, np.int64)
    for name in np.unique(group):
        seen = np.zeros(PLACES, np.bool_)
        for index in np.flatnonzero(group == name).tolist():
            seen[hashed[index]] = True
        counts += seen
    return counts


def fit_linear(
    hashed: Sequence[Places], labels: Bools, groups: tuple[Indices, Indices], spread: int
) -> npt.NDArray[np.float16]:
    """Ridge logistic regression over places that occur in `spread` models and questions.

    A text is the places it has, each over the root of their number. The intercept is dropped.
    """
    keep = np.flatnonzero(np.minimum(*(presence(hashed, group) for group in groups)) >= spread)
    column = np.full(PLACES, -1, np.int64)
    column[keep] = np.arange(len(keep))
    weights = np.zeros(PLACES, np.float16)
    lengths = np.array([len(one) for one in hashed])
    flat = column[np.concatenate(hashed)]
    row = np.repeat(np.arange(len(hashed)), lengths)[flat >= 0]
    column = flat[flat >= 0]
    entries = (1.0 / np.sqrt(np.maximum(lengths, 1)))[row]
    signs = np.where(labels, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        linear = np.bincount(row, entries * parameters[:-1][column], minlength=len(signs))
        margins = signs * (linear + parameters[-1])
        slope = -signs / (1.0 + np.exp(np.clip(margins, -500.0, 500.0)))
        gradient = np.append(
            np.bincount(column, entries * slope[row], minlength=len(keep)), slope.sum()
        )
        gradient[:-1] += parameters[:-1] / STRENGTH
        ridge = parameters[:-1] @ parameters[:-1] / (2.0 * STRENGTH)
        return float(np.logaddexp(0.0, -margins).sum() + ridge), gradient

    weights[keep] = minimize(loss, np.zeros(len(keep) + 1))[:-1].astype(np.float16)
    return weights


def minimize(
    loss: Callable[[Floats], tuple[float, Floats]], start: Floats, steps: int = 60, memory: int = 8
) -> Floats:
    """The lowest point that L-BFGS (Nocedal 1980) with backtracking finds.

    `loss` gives value and gradient at a point; `memory` is how many moves shape the next.
    """
    point = start
    value, gradient = loss(point)
    past: list[tuple[Floats, Floats, float]] = []
    for _ in range(steps):
        direction = -inverse_curve(gradient, past)
        slope = float(direction @ gradient)
        length = 1.0 if past else 1.0 / max(float(np.abs(gradient).sum()), 1.0)
        for _ in range(25):
            trial = point + length * direction
            new_value, new_gradient = loss(trial)
            if new_value <= value + 1e-4 * length * slope:
                break
            length *= 0.5
        else:
            break
        move, turn = trial - point, new_gradient - gradient
        if float(move @ turn) > 1e-12:
            past = [*past[1 - memory :], (move, turn, 1.0 / float(move @ turn))]
        done = value - new_value < 1e-6 * abs(value)
        point, value, gradient = trial, new_value, new_gradient
        if done:
            break
    return point


def inverse_curve(gradient: Floats, past: Sequence[tuple[Floats, Floats, float]]) -> Floats:
    """The gradient times an estimate of the inverse Hessian: the two loops of L-BFGS."""
    result = gradient.copy()
    shares = []
    for move, turn, scale in reversed(past):
        shares.append(scale * float(move @ result))
        result -= shares[-1] * turn
    if past:
        move, turn, scale = past[-1]
        result /= scale * float(turn @ turn)
    for (move, turn, scale), share in zip(past, reversed(shares), strict=True):
        result += move * (share - scale * float(turn @ result))
    return result


def fit_judge(
    values: Matrix, samples: Samples, at: Indices, boosting: Boosting, seed: int
) -> tuple[Judge, float]:
    """Train forest and line, and calibrate them on a share of unseen models and questions."""
    labels = samples.withheld[at]
    tests, unseen = [], []
    for test, learn in list(folds(samples, at, seed + 1))[:: INNER + 1]:
        tests.append(np.flatnonzero(test))
        unseen.append(
            learn_judge(values[learn], labels[learn], boosting, seed).margins(values[test])
        )
    margins, truth = np.concatenate(unseen), labels[np.concatenate(tests)]
    slope, offset = calibrate(margins, truth)
    judge = learn_judge(values, labels, boosting, seed)
    signed = np.where(truth, 1.0, -1.0) * (slope * margins + offset)
    return Judge(judge.forest, judge.line, slope, offset), float(np.logaddexp(0.0, -signed).mean())


def learn_judge(values: Matrix, labels: Bools, boosting: Boosting, seed: int) -> Judge:
    """Forest and line of one training set, not yet calibrated."""
    return Judge(grow(values, labels, boosting, seed), draw_line(values, labels))


def draw_line(values: Matrix, labels: Bools) -> Line:
    """Ridge logistic regression on standardised features; the penalty grows with `LINE_RIDGE`."""
    mean, scale = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    raw = Line(mean, np.maximum(scale, 1e-6), np.zeros(values.shape[1]), 0.0)
    design = raw.standard(values)
    signs = np.where(labels, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        margins = signs * (design @ parameters[:-1] + parameters[-1])
        slope = -signs / (1.0 + np.exp(np.clip(margins, -500.0, 500.0)))
        gradient = np.append(design.T @ slope + LINE_RIDGE * parameters[:-1], slope.sum())
        ridge = 0.5 * LINE_RIDGE * parameters[:-1] @ parameters[:-1]
        return float(np.logaddexp(0.0, -margins).sum() + ridge), gradient

    found = minimize(loss, np.zeros(values.shape[1] + 1), steps=200)
    return Line(raw.mean, raw.scale, found[:-1], float(found[-1]))


def calibrate(margins: Floats, labels: Bools) -> tuple[float, float]:
    """Slope and offset that make margins log odds (Platt 1999, his smoothed targets), by Newton."""
    positive, negative = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (positive + 1.0) / (positive + 2.0), 1.0 / (negative + 2.0))
    design = np.stack((margins, np.ones(len(margins))), axis=1)
    parameters = np.array([1.0, 0.0])
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ parameters, -30.0, 30.0)))
        curve = design.T @ (design * (chance * (1.0 - chance))[:, np.newaxis]) + 1e-6 * np.eye(2)
        parameters = parameters - np.linalg.solve(curve, design.T @ (chance - target))
    return float(parameters[0]), float(parameters[1])


def grow(values: Matrix, labels: Bools, boosting: Boosting, seed: int) -> Forest:
    """Gradient boosting on the logistic loss (Friedman 2001), with oblivious trees."""
    edges = bin_edges(values)
    binned = np.stack(
        [
            np.searchsorted(edge, column, side="left")
            for edge, column in zip(edges, values.T, strict=True)
        ],
        axis=1,
    )
    generator = np.random.default_rng(seed)
    share = float(np.clip(labels.mean(), 1e-3, 1 - 1e-3))
    base = float(np.log(share / (1.0 - share)))
    margins = np.full(len(labels), base)
    count = len(values)
    usable = np.flatnonzero([len(edge) > 0 for edge in edges])
    features = np.zeros((boosting.trees, boosting.depth), np.int32)
    thresholds = np.full((boosting.trees, boosting.depth), np.inf, np.float32)
    leaves = np.zeros((boosting.trees, 1 << boosting.depth), np.float32)
    for tree in range(boosting.trees):
        chance = 1.0 / (1.0 + np.exp(-margins))
        gradient, curve = labels - chance, chance * (1.0 - chance)
        rows = np.sort(generator.choice(count, max(1, int(boosting.rows * count)), replace=False))
        size = max(1, int(boosting.features * len(usable)))
        columns = np.sort(generator.choice(usable, min(size, len(usable)), replace=False))
        splits = choose_splits(binned[np.ix_(rows, columns)], gradient[rows], curve[rows], boosting)
        index = np.zeros(count, np.int64)
        for level, (column, cut) in enumerate(splits):
            feature = int(columns[column])
            features[tree, level] = feature
            thresholds[tree, level] = edges[feature][cut] if cut < len(edges[feature]) else np.inf
            index += (values[:, feature] > thresholds[tree, level]).astype(np.int64) << level
        up = np.bincount(index[rows], gradient[rows], minlength=1 << boosting.depth)
        down = np.bincount(index[rows], curve[rows], minlength=1 << boosting.depth)
        leaves[tree] = boosting.rate * up / (down + boosting.ridge)
        margins += leaves[tree][index]
    return Forest(features, thresholds, leaves, base)


def bin_edges(values: Matrix) -> list[Matrix]:
    """For each feature at most `BINS - 1` thresholds, between its quantiles."""
    points = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    quantiles = np.quantile(values, points, axis=0, method="lower").astype(np.float32)
    edges = []
    for column, found in zip(values.T, quantiles.T, strict=True):
        edge = np.unique(found)
        edges.append(edge[edge < column.max()])
    return edges


def choose_splits(
    binned: Indices, gradient: Floats, curve: Floats, boosting: Boosting
) -> list[tuple[int, int]]:
    """For each level the (column, bin) that lowers the loss most over all leaves at once."""
    count, width = binned.shape
    leaf = np.zeros(count, np.int64)
    offsets = np.arange(width) * BINS
    splits = []
    for level in range(boosting.depth):
        place = (leaf[:, np.newaxis] * (width * BINS) + offsets + binned).ravel()
        shape = (1 << level, width, BINS)
        size = (1 << level) * width * BINS
        up = (
            np.bincount(place, np.repeat(gradient, width), minlength=size)
            .reshape(shape)
            .cumsum(axis=2)
        )
        down = (
            np.bincount(place, np.repeat(curve, width), minlength=size)
            .reshape(shape)
            .cumsum(axis=2)
        )
        rest_up, rest_down = up[..., -1:] - up, down[..., -1:] - down
        gain = (up**2 / (down + boosting.ridge) + rest_up**2 / (rest_down + boosting.ridge)).sum(
            axis=0
        )
        column, cut = divmod(int(np.argmax(gain)), BINS)
        splits.append((column, cut))
        leaf += (binned[:, column] > cut).astype(np.int64) << level
    return splits


def pack(learned: Learned) -> dict[str, npt.NDArray[Any]]:
    """Arrays to write, in a fixed order."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "families_reply": learned.families.reply,
        "families_question": learned.families.question,
        "body": learned.fitted.body,
        "head": learned.fitted.head,
    }
    for name, judge in (("whole", learned.whole), ("growing", learned.growing)):
        forest, line = judge.forest, judge.line
        arrays[f"{name}_feature"] = forest.feature.astype(np.int16)
        arrays[f"{name}_threshold"] = forest.threshold
        arrays[f"{name}_leaf"] = forest.leaf
        arrays[f"{name}_line"] = np.stack((line.mean, line.scale, line.weight))
        arrays[f"{name}_numbers"] = np.array([forest.base, line.base, judge.slope, judge.offset])
    return arrays
