"""Where the processes that this package starts find it, wherever it was imported from."""

from __future__ import annotations

import os
from pathlib import Path


def with_loopbp(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with this loopbp to be found."""
    root = str(Path(__file__).parents[1])
    path = environment.get("PYTHONPATH")
    return {**environment, "PYTHONPATH": root if not path else os.pathsep.join([root, path])}
