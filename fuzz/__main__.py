"""`python -m fuzz TARGET --seconds N`: run a target with atheris until it breaks or time is up.

The corpus stays in `fuzz/corpus/TARGET`; input that breaks it goes to `fuzz/found/`. libFuzzer
prints the executions and the coverage (edges of our own bytecode, and of what it imports).
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("text", "markdown", "topics", "stream", "body")
INSTRUMENTED = ("guard", "chat", "markdown_it", "mdit_py_plugins", "latex2mathml")
LONGEST = 8_192  # bytes of an input
SLOWEST = 20  # seconds of one


def main() -> None:
    """Seed the corpus, instrument what is imported, and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    try:
        import atheris
    except ImportError:
        parser.exit(2, "atheris is not installed: pip install -r requirements-fuzz.txt\n")
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=[*INSTRUMENTED]):
        from fuzz import targets
    corpus, found = HERE / "corpus" / given.target, HERE / "found"
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for seed in targets.SEEDS[given.target]:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [
        f"-max_total_time={given.seconds}",
        f"-max_len={LONGEST}",
        "-len_control=20",  # long input early: nesting needs it
        f"-timeout={SLOWEST}",
        f"-artifact_prefix={found}/{given.target}-",
        f"-dict={HERE / 'words.dict'}",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[given.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
