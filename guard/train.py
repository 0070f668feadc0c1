"""Train the learned score: labelled replies in, `guard/data/learned.npz` out.

A row holds `question`, `reply`, `label_a` and `label_b`, the labels of two judges (`complete`,
`evasive` or `denial`). Rows on which the two differ about complete or not are left out. Rows may
name `model` and `question_no`: only words that several models use, on several questions, count.

The shipped weights come from SpeechMap (github.com/xlr8harder/speechmap-data, Apache-2.0) and from
own-written rows with one label, `withheld` (`guard/data/training.jsonl`: short, everyday, candid
and evasive answers). The same rows give the same file, byte for byte, on the same versions of
NumPy, SciPy and scikit-learn. Only training needs the latter two.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import text
from .errors import ConfigError, InputError
from .learned import (
    BITS,
    Encoded,
    Families,
    Judge,
    Learned,
    compile_families,
    encode,
    standard,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

WORDS = Path(__file__).parent / "data" / "learned.yaml"
OWN = Path(__file__).parent / "data" / "training.jsonl"
PLACES = 1 << BITS
BEGINNINGS = (150, 400, 1000, 4000)  # characters; half as many where the reply is in Han
SPREAD = 4  # a place counts once it is in so many models and questions
STRENGTH = 25.0  # inverse of the ridge penalty
COUNTED = 0.07  # of a standard deviation of a count, beside the one place of a text of one word
OWN_GROUPS = 12


class Row(NamedTuple):
    """One labelled reply. `agreed` is false where the judges differ.

    `own` rows were written for training: they teach, but say nothing about how common anything is.
    """

    question: str
    reply: str
    withheld: bool
    agreed: bool
    model: str
    question_no: str
    own: bool = False


class Report(NamedTuple):
    """What a training run read (`used`: where the judges agree) and wrote (`size` in bytes)."""

    rows: int
    used: int
    withheld: int
    size: int


@dataclass(frozen=True)
class Samples:
    """Encoded exchanges of one kind (whole, or beginnings) with their labels and groups.

    `counts` has shape (samples, features), `body` and `head` (samples, `PLACES`).
    """

    counts: Floats
    body: csr_matrix
    head: csr_matrix
    withheld: Bools
    model: Indices
    question: Indices
    own: Bools


def train(paths: Sequence[Path], out: Path) -> Report:
    """Learn from the files `paths` (JSON lines, gzip or not) and write the weights to `out`.

    Raises:
        InputError: a file cannot be read, or its rows hold but one kind of reply.
        ConfigError: scikit-learn is not installed.
    """
    rows = list(read(paths))
    used = [row for row in rows if row.agreed]
    if len({row.withheld for row in used}) < 2:
        raise InputError(
            "The rows hold but one kind of reply; training needs complete and withheld ones."
        )
    learned = learn_all(used)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **pack(learned))
    withheld = sum(row.withheld for row in used)
    return Report(len(rows), len(used), withheld, out.stat().st_size)


def learn_all(rows: Sequence[Row]) -> Learned:
    """What `rows` teach about whole replies and about beginnings."""
    families = load_families()
    whole, growing = (
        learn(samples, np.arange(len(samples.withheld)))
        for samples in (encode_rows(rows, families, beginnings=part) for part in (False, True))
    )
    return Learned(families, whole, growing)


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
    return Row(
        question, str(row["reply"]), row["withheld"] is True, True, group, question, own=True
    )


def load_families(path: Path = WORDS) -> Families:
    """The hashed word lists."""
    import yaml

    return compile_families(yaml.safe_load(path.read_text(encoding="utf-8")))


def encode_rows(rows: Sequence[Row], families: Families, *, beginnings: bool = False) -> Samples:
    """Encode each row once, whole, or its beginnings as far as it has them."""
    encoded: list[Encoded] = []
    owner: list[int] = []
    for index, row in enumerate(rows):
        answer = text.split_thinking(row.reply).answer
        for part in begin(answer) if beginnings else (answer,):
            encoded.append(encode(row.question, part, families))
            owner.append(index)
    at = np.array(owner, np.intp)
    withheld = np.array([row.withheld for row in rows])
    model, question = (
        np.unique([getattr(row, key) for row in rows], return_inverse=True)[1]
        for key in ("model", "question_no")
    )
    return Samples(
        np.array([one.counts for one in encoded]),
        spelled([one.places for one in encoded]),
        spelled([one.places[:, : one.head] for one in encoded]),
        withheld[at],
        model[at],
        question[at],
        np.array([row.own for row in rows])[at],
    )


def begin(answer: str) -> Iterator[str]:
    """The beginnings of an answer that a reader may have before it when it is judged."""
    dense = text.main_script(answer[:200]) in text.UNSPACED
    for size in BEGINNINGS:
        cut = size // 2 if dense else size
        yield answer[:cut]
        if cut >= len(answer):
            return


def spelled(places: Sequence[Indices]) -> csr_matrix:
    """One row a text: how often it has each place, over the root of the number of all."""
    from scipy.sparse import csr_matrix

    sizes = np.array([one.size for one in places])
    values = np.repeat(1.0 / np.sqrt(np.maximum(sizes, 1)), sizes)
    columns = np.concatenate([one.ravel() for one in places])
    rows = np.repeat(np.arange(len(places)), sizes)
    kept = columns > 0  # place 0 stands for no group
    matrix = csr_matrix((values[kept], (rows[kept], columns[kept])), shape=(len(places), PLACES))
    matrix.sum_duplicates()
    return matrix


def learn(samples: Samples, at: Indices) -> Judge:
    """Ridge logistic regression on the samples `at`."""
    linear = sklearn_linear()
    mean, scale = samples.counts[at].mean(axis=0), samples.counts[at].std(axis=0)
    scale = np.where(scale > 1e-6, scale, np.inf)
    body, head = common(samples, samples.body, at), common(samples, samples.head, at)
    regression = linear.LogisticRegression(C=STRENGTH, max_iter=400)
    matrix = design(samples, at, (mean, scale), (body, head))
    regression.fit(matrix, samples.withheld[at], sample_weight=weights_of(samples, at))
    found = regression.coef_[0]
    return Judge(
        at_places(found[: len(body)], body),
        at_places(found[len(body) : len(body) + len(head)], head),
        mean,
        scale,
        COUNTED * found[len(body) + len(head) :],
        float(regression.intercept_[0]),
    )


def weights_of(samples: Samples, at: Indices) -> Floats:
    """Own-written rows count as if withheld ones were as rare among them as among real replies."""
    own, withheld = samples.own[at], samples.withheld[at]
    if own.all() or not own.any():
        return np.ones(len(at))
    odds = [withheld[of].sum() / max((~withheld[of]).sum(), 1) for of in (~own, own)]
    rare = odds[0] / odds[1] if odds[1] else 1.0
    return np.where(own & withheld, rare, 1.0)


def sklearn_linear() -> Any:
    """scikit-learn's linear models, which only training needs."""
    try:
        from sklearn import linear_model
    except ImportError as error:
        raise ConfigError(
            "training needs scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    return linear_model


def design(
    samples: Samples, at: Indices, spread: tuple[Floats, Floats], kept: tuple[Indices, Indices]
) -> csr_matrix:
    """What the regression reads: the `kept` places of body and head, then counts.

    `spread` holds the counts' means and standard deviations.
    """
    from scipy.sparse import csr_matrix, hstack

    counts = csr_matrix(COUNTED * standard(samples.counts[at], *spread))
    parts = [samples.body[at][:, kept[0]], samples.head[at][:, kept[1]], counts]
    return hstack(parts, format="csr")


def common(samples: Samples, texts: csr_matrix, at: Indices) -> Indices:
    """The places that occur in at least `SPREAD` models and questions."""
    from scipy.sparse import csr_matrix

    counts = np.full(PLACES, len(at))
    there = (texts[at] > 0).astype(np.int32)
    for group in (samples.model[at], samples.question[at]):
        names, which = np.unique(group, return_inverse=True)
        gather = csr_matrix((np.ones(len(at), np.int32), (which, np.arange(len(at)))))
        seen = np.asarray(((gather @ there) > 0).sum(axis=0)).ravel()
        counts = np.minimum(counts, np.where(seen >= min(SPREAD, len(names)), seen, 0))
    return np.flatnonzero(counts)


def at_places(weights: Floats, at: Indices) -> npt.NDArray[np.float32]:
    """Weights spread over all places, as coarse as they are stored."""
    spread = np.zeros(PLACES, np.float32)
    spread[at] = weights.astype(np.float16)
    return spread


def pack(learned: Learned) -> dict[str, npt.NDArray[Any]]:
    """Arrays to write, in a fixed order."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "families_reply": learned.families.reply,
        "families_question": learned.families.question,
    }
    for name, judge in (("whole", learned.whole), ("growing", learned.growing)):
        arrays[f"{name}_body"] = judge.body.astype(np.float16)
        arrays[f"{name}_head"] = judge.head.astype(np.float16)
        arrays[f"{name}_counts"] = np.stack((judge.mean, judge.scale, judge.weight))
        arrays[f"{name}_base"] = np.array([judge.base])
    return arrays
