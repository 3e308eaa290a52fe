"""The MNIST benchmark, on digits made up in the format of MNIST."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopbp import datasets
from loopbp.benchmark import mnist
from loopbp.datasets import Dataset

COMPILED = pytest.mark.skipif(
    os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="minutes, unless the loops are compiled"
)

BITS = np.random.default_rng(0)


def digits(count: int) -> Dataset:
    """Ten patterns of 784 pixels with some noise: what a network learns in one epoch."""
    patterns = BITS.random((10, 784)) < 0.2
    Y = np.arange(count, dtype=np.int64) % 10
    X = np.clip(patterns[Y] + 0.05 * BITS.random((count, 784)), 0, 1)
    return Dataset(name="made up", X=X, Y=Y, classes=tuple("0123456789"), train_size=count - 100)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    made = digits(1_105)
    monkeypatch.setattr(datasets, "mnist", lambda: made)


@COMPILED
@pytest.mark.parametrize("name", mnist.RECIPES)
def test_both_libraries_learn_the_same(small: None, name: str) -> None:
    """1,005 examples: with batches of 100, 17 × 11 steps; chance is 0.1."""
    pytest.importorskip("torch")
    recipe = mnist.RECIPES[name]
    told: list[Any] = []
    found = mnist.train(recipe, 2, lambda kind, value: told.append((kind, value)))
    assert found["steps"] == {100: 17 * 11, 10: 30 * 101}[recipe.batch_size]
    assert [run["library"] for run in found["runs"]] == ["loopbp", "torch"]
    assert all(len(run["seconds"]) == 2 and run["accuracy"] > 0.8 for run in found["runs"])
    assert sum(value for kind, value in told if kind == "tell") == 4


@COMPILED
@pytest.mark.parametrize("name", mnist.RECIPES)
def test_both_libraries_take_the_same_steps(small: None, name: str) -> None:
    """After an epoch of the same batches the weights agree to float32 rounding."""
    pytest.importorskip("torch")
    recipe, data = mnist.RECIPES[name], datasets.mnist().split().train
    ours, theirs = (train(recipe, data, 1)[1] for train in mnist.LIBRARIES.values())
    start = recipe.network().theta
    assert np.abs(ours - start).max() > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_the_table_and_the_files(tmp_path: Path) -> None:
    """Medians 2 s and 5 s: 2.50; the absent library is named."""
    recipe = mnist.RECIPES["784-50-10"]
    runs = (
        mnist.Run("loopbp", "1", (1.0, 2.0, 4.0), 0.971),
        mnist.Run("torch", "2", (5.0, 5.0, 9.0), 0.97),
    )
    results = (
        mnist.Result(recipe, 10_200, runs, ()),
        mnist.Result(mnist.RECIPES["784-30-10"], 180_000, runs[:1], ("torch",)),
    )
    rows = mnist.table(results).rows
    assert rows[0] == ("784-50-10", "10,200", "loopbp", "2.00 s", "", "97.10 %")
    assert rows[1] == ("", "", "torch", "5.00 s", "2.50", "97.00 %")
    assert rows[3][2:4] == ("torch", "not installed")
    mnist.write(results, tmp_path, threads=1)
    page = (tmp_path / "mnist.md").read_text("utf-8")
    assert "| 784-50-10 | 10,200 | loopbp | 2.00 s |  | 97.10 % |" in page
    document = json.loads((tmp_path / "mnist.json").read_text("utf-8"))
    assert document["results"][0]["runs"][1]["seconds"] == [5.0, 5.0, 9.0]
