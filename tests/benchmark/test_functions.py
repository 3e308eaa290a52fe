"""The elementary functions beside NumPy's: what is timed agrees, and the table says what was."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from loopbp.benchmark import functions
from loopbp.benchmark.timing import Method
from loopbp.kernels import elementary
from loopbp.progress import Progress

COMPILED = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="minutes, unless the loops are compiled"
)
QUICK = Method(rounds=1, seconds=1e-4, patience=0.01)
EXP, LOG, *_ = functions.FUNCTIONS


@COMPILED
def test_every_function_agrees_and_is_timed() -> None:
    """18 rows, in the order of the page; a number takes between 0.01 ns and 10 µs."""
    told: list[Progress] = []
    found = functions.measure(QUICK, told.append)
    assert [(one.name, one.dtype) for one in found] == [
        (function.name, dtype)
        for dtype in ("float32", "float64")
        for function in functions.FUNCTIONS
    ]
    assert all(1e-11 < second < 1e-5 for one in found for second in (*one.ours, *one.numpy))
    assert told[0][:3] == ("exp in float32", 0, 18) and told[-1][1:3] == (18, 18)


def test_every_function_is_one_of_the_kernels() -> None:
    """And its range has no argument outside its domain."""
    for function in functions.FUNCTIONS:
        assert callable(getattr(elementary, function.name))
        x, out = np.linspace(function.low, function.high, 101), np.empty(101)
        function.numpy(x, out)
        assert np.isfinite(out).all()


@COMPILED
def test_another_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """log beside NumPy's exp."""
    wrong = dataclasses.replace(LOG, numpy=np.exp)
    monkeypatch.setattr(functions, "FUNCTIONS", (wrong,))
    with pytest.raises(ArithmeticError, match=r"log in float32: NumPy's result is .* ulps"):
        functions.measure(QUICK)


def test_the_table_and_the_files(tmp_path: Path) -> None:
    """Medians 0.5 and 1 ns: 2.00; a ratio of two rounds is not computed; – where nothing is."""
    results = (
        functions.Timed("exp", "float32", (5e-10,) * 10, (1e-9,) * 10),
        functions.Timed("exp", "float64", (1e-9, 3e-9), (1e-9, 1e-9)),
    )
    rows = functions.table(results).rows
    assert rows[0] == ("exp", "0.50", "2.00 [2.00, 2.00]", "2.00", "–")
    assert rows[1] == ("log", "–", "–", "–", "–")
    assert functions.table(results, interval=False).rows[0][2] == "2.00"
    functions.write(results, tmp_path)
    document = json.loads((tmp_path / "functions.json").read_text("utf-8"))
    assert document["version"] == 1 and document["results"][1]["ours"] == [1e-9, 3e-9]
    page = (tmp_path / "functions.md").read_text("utf-8")
    assert "| exp | 0.50 | 2.00 [2.00, 2.00] | 2.00 | – |" in page
    assert "10 interleaved rounds" in page
