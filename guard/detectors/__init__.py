"""What a reply does, one file a signal.

A detector is a function `(Exchange) -> Signal`, registered by `@detector`. It looks at one
exchange, knows nothing of the model, and never raises; should it, the verdict is `unchecked`.
"""

from __future__ import annotations

from .registry import DETECTORS, Detector, detector

from . import canned, deflection, denial, learned, narrative, omission, refusal, structure  # isort: skip

__all__ = ["DETECTORS", "Detector", "detector"]

del canned, deflection, denial, learned, narrative, omission, refusal, structure
