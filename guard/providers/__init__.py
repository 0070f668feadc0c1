"""Who serves: from a `ModelSpec` to a langchain-core chat model.

Which provider serves, the first that applies: a `base_url` (of the model, of `models.yaml` or
`CANDOR_BASE_URL`), a Hugging Face token, else the scripted demo.
"""

from __future__ import annotations

from .connect import Connection, connect

__all__ = ["Connection", "connect"]
