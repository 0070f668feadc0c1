"""A detector as a process: a row a line in, what it says and how long it took a line out.

The first line out is `{"version": …}`, the last, when no more rows come, `{"memory": …}` (peak, in
MiB). Only the call of the detector is timed, not what prepares its input. Python's standard library
alone is imported here, as the detectors live in environments of their own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

P = TypeVar("P")


def serve(
    version: str, prepare: Callable[[dict[str, Any]], P], withholds: Callable[[P], bool]
) -> None:
    """Answer rows until there are no more.

    Args:
        version: of the detector.
        prepare: makes its input of a row; not timed.
        withholds: what it says of that input; timed.
    """
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not come between the answers
    print(json.dumps({"version": version}), file=out, flush=True)
    for line in sys.stdin:
        prepared = prepare(json.loads(line))
        began = time.perf_counter_ns()
        said = withholds(prepared)
        took = time.perf_counter_ns() - began
        print(json.dumps({"withheld": said, "ns": took}), file=out, flush=True)
    print(json.dumps({"memory": peak_memory()}), file=out, flush=True)


def peak_memory() -> float:
    """The most memory this program has held, in MiB.

    Linux keeps in `getrusage` what the parent held when this process was started; `VmHWM` is the
    program's own.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    own = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return (own[0] if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024
