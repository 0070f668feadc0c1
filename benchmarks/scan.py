"""How many replies a scan judges in a second, how that grows with workers, and in what memory.

    python benchmarks/scan.py [--rows 100000] [--data ROWS.jsonl.gz] [--out JSON]

The replies are the guard's own training rows, over and over, each with a number of its own, or
those of `--data`. Prints a table and writes JSON. The parts:

- growth: the same rows by one process and by two, in short rounds by turns, so that other work of
  the machine hits both alike; the median of the rounds' ratios. A round's clock runs from when all
  workers have done a part until they begin on the last ones: what they cost to start is told by the
  whole scan. Beside it the processor's time that all processes took for a reply, and what two
  processes that share nothing gain on this machine (a loop that counts): more cannot be had;
- whole: `python -m guard scan` on all rows, as one would start it, and the memory of all its
  processes (PSS) sampled on the way: the peak up to 10 %, 50 % and 100 % of the rows.

Not covered: several machines, and disks slower than the guard.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from guard import scan as looks
from guard.checkpoint import Journal
from guard.scan import Part, Work
from guard.sources import Chunk, Columns, Source, find
from guard.train import OWN
from guard.workers import AHEAD, here, spread

COLUMNS = Columns(id="id")
MODEL = "Qwen/QwQ-32B"
SHARES = (0.1, 0.5, 1.0)
LOOP = """
import time
end, count = time.perf_counter() + 1, 0
while time.perf_counter() < end:
    count += 1
print(count)
"""
LAST = 2 * AHEAD  # parts that two workers hold at once
WANTED = 1.8  # times as many replies by two workers as by one


class Round(NamedTuple):
    """Replies a second by the clock, and processor seconds that a reply took."""

    speed: float
    processor: float


def main() -> None:
    arguments = parse()
    with TemporaryDirectory() as folder:
        source = Path(folder) / "rows.jsonl"
        write(source, arguments.data, arguments.rows)
        short = Path(folder) / "short.jsonl"
        write(short, arguments.data, arguments.round_rows)
        result = {
            "cores": os.cpu_count(),
            "load before": os.getloadavg()[0],
            "rows": arguments.rows,
            "growth": growth(find(str(short), COLUMNS), arguments.rounds),
            "whole": whole(source, Path(folder) / "out.jsonl", arguments.rows, arguments.workers),
            "load after": os.getloadavg()[0],
        }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    print(shown(result))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round-rows", type=int, default=6_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path, default=OWN, help="JSON lines; `.gz` by name")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/scan.json")
    return parser.parse_args()


def write(target: Path, data: Path, count: int) -> None:
    """So many rows, over and over those there are."""
    opened = gzip.open if data.suffix == ".gz" else open
    with opened(data, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    # some kinds of rows take twice as long: each part is to hold all of them
    random.Random(1).shuffle(rows)  # noqa: S311 - only an order
    with target.open("w", encoding="utf-8") as file:
        for number, row in enumerate(islice(cycle(rows), count)):
            told = {"question": row["question"], "reply": f"{row['reply']} ({number})"}
            file.write(json.dumps({"id": number, "model": MODEL, **told}) + "\n")


def growth(source: Source, rounds: int) -> dict[str, Any]:
    """One process and two by turns."""
    pairs = [(one_round(source, 1), one_round(source, 2)) for _ in range(rounds)]
    alone, both = zip(*pairs, strict=True)
    bare = [loops(2) / loops(1) for _ in range(rounds)]
    return {
        "replies a second, one": statistics.median(each.speed for each in alone),
        "replies a second, two": statistics.median(each.speed for each in both),
        "ratio": statistics.median(two.speed / one.speed for one, two in pairs),
        "ratios": [two.speed / one.speed for one, two in pairs],
        "ratio of a bare loop": statistics.median(bare),
        "processor ms a reply, one": 1000 * statistics.median(each.processor for each in alone),
        "processor ms a reply, two": 1000 * statistics.median(each.processor for each in both),
    }


class Signed:
    """The work on a part, signed with the process that did it."""

    def __init__(self, work: Work[Any]) -> None:
        self.work, self.prepare = work, work.prepare

    def __call__(self, chunk: Chunk) -> tuple[int, Part]:
        return os.getpid(), self.work(chunk)


def one_round(source: Source, workers: int) -> Round:
    """A scan between its first parts, while which workers start, and its last, when some rest."""
    work: Any = Signed(looks.scan(COLUMNS))
    work.prepare()
    chunks = [*source.chunks()]
    done = here(work, chunks) if workers == 1 else spread(work, chunks, workers)
    at_it: set[int] = set()
    parts = 0
    while len(at_it) < workers:
        at_it.add(next(done).part[0])
        parts += 1
    if len(chunks) - LAST <= parts:
        raise SystemExit("the rounds are too short: more --round-rows")
    begun, before, rows = time.perf_counter(), processor(os.getpid()), 0
    for each in islice(done, len(chunks) - LAST - parts):
        rows += each.part[1].rows
    ended, used = time.perf_counter(), processor(os.getpid()) - before
    deque(done, maxlen=0)
    return Round(rows / (ended - begun), used / rows)


def loops(processes: int) -> int:
    """How far so many processes count in a second, together."""
    command = [sys.executable, "-c", LOOP]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    return sum(int(process.communicate()[0]) for process in running)


def processor(process: int) -> float:
    """Seconds that a process and those below it have computed."""
    told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    below = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor(int(child)) for child in below)


def whole(source: Path, target: Path, rows: int, workers: int) -> dict[str, Any]:
    """The command itself, and its memory on the way."""
    command = [sys.executable, "-m", "guard", "scan", source, "-o", target]
    begun = time.perf_counter()
    with subprocess.Popen([*command, "--workers", str(workers)], cwd=ROOT) as process:
        samples = list(watched(process, target))
        assert process.wait() == 0
    seconds = time.perf_counter() - begun
    with target.open("rb") as lines:
        assert sum(1 for _ in lines) == rows
    return {
        "seconds": seconds,
        "replies a second and core": rows / seconds / workers,
        "peak memory (MiB)": {
            f"{share:.0%}": max(size for done, size in samples if done <= share * rows) / 2**20
            for share in SHARES
        },
    }


def watched(process: subprocess.Popen[bytes], target: Path) -> Iterator[tuple[int, int]]:
    """Rows that are done, and bytes of all processes, several times a second."""
    journal = Journal(target)
    while process.poll() is None:
        found = journal.found()
        yield found.rows if found else 0, memory(process.pid)
        time.sleep(0.2)


def memory(process: int) -> int:
    """Bytes of a process and those below it; what they share counts once."""
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text()
        below = Path(f"/proc/{process}/task/{process}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    own = next(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
    return own * 2**10 + sum(memory(int(child)) for child in below.split())


def shown(result: dict[str, Any]) -> str:
    """The figures as a table of Markdown."""
    grown, all_rows = result["growth"], result["whole"]
    memory = ", ".join(f"{size:.0f} at {at}" for at, size in all_rows["peak memory (MiB)"].items())
    verdict = "reached" if grown["ratio"] >= WANTED else "missed"
    return f"""| figure | |
| --- | --- |
| replies a second by one process | {grown["replies a second, one"]:.0f} |
| replies a second by two workers | {grown["replies a second, two"]:.0f} |
| growth from one to two (wanted {WANTED}: {verdict}) | {grown["ratio"]:.2f} |
| growth of a loop that shares nothing | {grown["ratio of a bare loop"]:.2f} |
| processor ms a reply, one and two | {grown["processor ms a reply, one"]:.2f}, \
{grown["processor ms a reply, two"]:.2f} |
| {result["rows"]:,} replies, start and end counted (s) | {all_rows["seconds"]:.0f} |
| replies a second and core | {all_rows["replies a second and core"]:.0f} |
| peak memory of all processes (MiB) | {memory} |
| load of the machine, before and after | {result["load before"]:.1f}, \
{result["load after"]:.1f} |"""


if __name__ == "__main__":
    main()
