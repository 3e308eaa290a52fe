from __future__ import annotations

import pytest

from loopbp.engines import tiled


@pytest.fixture
def blocks_of_100(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many examples go through all layers together; otherwise thousands, in a small network."""
    for name, value in (("BLOCK_EXAMPLES", 100), ("BLOCK_BYTES", 0), ("BLOCK_WEIGHTS", 0)):
        monkeypatch.setattr(tiled, name, value)
