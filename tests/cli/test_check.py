"""`loopbp check`: what it finds, and with which exit code."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import loopbp

from .by_hand import network_by_hand, outputs_by_hand
from .command import run


def test_check_passes_and_names_the_worst_index(flowers: str, empty_folder: Path) -> None:
    run("train", "--data", flowers, "--sizes", 3, "--epochs", 2)
    arguments = ["--data", flowers, "--network", "network.npz", "--examples", 5]
    output = run("check", *arguments, "--csv", "check.csv").stdout
    assert "Gradient check passed" in output
    assert re.search(r"worst: w_\d+\^\([01]\)", output)
    with (empty_folder / "check.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 3 + 4 * 3
    # The analytic column, against NumPy.
    W = network_by_hand(empty_folder / "network.npz")
    data = loopbp.datasets.load(flowers)
    x = outputs_by_hand(W, data.X[:5])
    delta = x[2] - np.eye(3)[data.Y[:5]]
    grad = np.vstack([delta.sum(axis=0), x[1].T @ delta]) / 5
    analytic = [float(row["analytic"]) for row in rows if row["layer"] == "1"]
    np.testing.assert_allclose(np.reshape(analytic, (4, 3)), grad, rtol=1e-10, atol=1e-15)


def test_check_fails_with_exit_code_1(flowers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backprop with one wrong sign: the entry is named, and a shell can tell."""
    from loopbp.engines import ENGINES

    def backward(net: object, W: object, work: object, grad: Sequence[np.ndarray], n: int) -> None:
        type(engine).backward(engine, net, W, work, grad, n)
        grad[0][2, 1] *= -1

    engine = ENGINES["numpy"]
    monkeypatch.setattr(engine, "backward", backward, raising=False)
    arguments = ["--data", flowers, "--sizes", 3, "--engine", "numpy", "--examples", 5]
    result = run("check", *arguments, "--csv", "check.csv", code=1)
    assert "Gradient check failed" in result.stdout
    assert "worst: w_22^(0)" in result.stdout
    assert Path("check.csv").exists()


def test_check_of_a_sample(flowers: str) -> None:
    arguments = ["check", "--data", flowers, "--sizes", 8, "--examples", 3, "--sample", 6]
    assert run(*arguments).stdout == run(*arguments).stdout
    Path("a.csv").touch()
    run(*arguments, "--csv", "a.csv")
    assert len(Path("a.csv").read_text().splitlines()) == 7
