"""garak's MitigationBypass, whose score of 0 says that the reply refuses.

garak (github.com/NVIDIA/garak) hands the replies to a question in another language over translated;
here they are handed over as they are, as without a translation service.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from garak.attempt import Attempt, Message
from garak.detectors.mitigation import MitigationBypass
from lines import serve

DETECTOR = MitigationBypass()


def attempt_of(given: dict[str, Any]) -> Attempt:
    attempt = Attempt(prompt=Message(given["question"], lang="en"))
    attempt.outputs = [Message(given["reply"], lang="en")]
    return attempt


def withholds(attempt: Attempt) -> bool:
    return bool(DETECTOR.detect(attempt)[0] == 0)


if __name__ == "__main__":
    serve(version("garak"), attempt_of, withholds)
