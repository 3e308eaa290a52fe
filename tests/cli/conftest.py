"""An empty folder for every test of the command, and two small tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .command import ROOT


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder, in a terminal of 80 columns."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("LOOPBP_DEBUG", "LOOPBP_DATA", "FORCE_COLOR", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def flowers(tmp_path: Path) -> str:
    """A table of 60 flowers of three kinds, easy to tell apart, the kind as a word."""
    random = np.random.default_rng(7)
    kinds = np.arange(60) % 3
    X = random.normal(size=(60, 2)) * 0.1 + np.array([[0, 0], [1, 0], [0, 1]])[kinds]
    names = np.array(["iris", "rose", "tulip"])[kinds]
    path = tmp_path / "flowers.csv"
    lines = [f"{a:.6f},{b:.6f},{name}" for (a, b), name in zip(X, names, strict=True)]
    path.write_text("\n".join(["width,length,kind", *lines]) + "\n")
    return str(path)


@pytest.fixture
def heights(tmp_path: Path) -> str:
    """A table with two numbers to predict."""
    random = np.random.default_rng(8)
    X = random.random((40, 3))
    Y = X @ [[1, 0], [2, -1], [0, 0.5]]
    path = tmp_path / "heights.csv"
    rows = "\n".join(",".join(f"{v:.6f}" for v in row) for row in np.hstack([X, Y]))
    path.write_text(f"a,b,c,low,high\n{rows}\n")
    return str(path)
