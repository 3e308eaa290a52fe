"""An error names the option that was typed, whatever the library calls what came of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

import loopbp
from loopbp.cli.naming import named

from .command import files, run


def test_the_argument_at_the_beginning_is_replaced_and_nothing_else() -> None:
    for problem, told in (
        (ValueError("n: expected n from 0 to 0: n: 3"), "example: expected n from 0 to 0: n: 3"),
        (TypeError("n[2][0]: expected an integer"), "example[2][0]: expected an integer"),
        (FileNotFoundError("n: there is none"), "example: there is none"),
        (ValueError("nn: expected"), "nn: expected"),
        (ValueError("f.n: expected"), "f.n: expected"),
        (ValueError("expected n: 3"), "expected n: 3"),
        (ValueError("n, expected"), "n, expected"),
        (ValueError(), ""),
    ):
        with pytest.raises(type(problem)) as raised, named(n="example"):
            raise problem
        assert raised.value is problem
        assert str(raised.value) == told


def test_what_the_system_says_stays_as_it_is() -> None:
    with pytest.raises(FileNotFoundError) as raised, named(n="example"):
        Path("n").read_text()
    assert (raised.value.filename, raised.value.strerror) == ("n", "No such file or directory")


@pytest.fixture
def tables(empty_folder: Path) -> Path:
    """Targets from 0 to 3, for which binary cross-entropy has no value, and labels from 0 to 5."""
    X = np.arange(24).reshape(12, 2) / 24
    lines = [f"{a},{b},{3 * b}" for a, b in X]
    (empty_folder / "tall.csv").write_text("\n".join(["a,b,tall", *lines]) + "\n")
    np.savez("labels.npz", X=X, Y=np.arange(12) % 6)
    np.savez("wide.npz", X=np.ones((4, 3)), Y=np.zeros(4, int))
    loopbp.Network([2, 3], seed=0).save("net.npz")
    loopbp.Network([9, 3], seed=0).save("large.npz")
    loopbp.Network([2, 1], output="sigmoid", loss="binary_cross_entropy", seed=0).save("one.npz")
    np.savez("theirs.npz", dW0=np.zeros((2, 3)))
    return empty_folder


NO_LOSS = "data: expected targets from 0 to 1 for binary_cross_entropy; got ("
BY = "--data tall.csv --loss binary_cross_entropy"
THEIRS = "diagnose --network net.npz theirs.npz"

WRONG = [
    (f"check {BY}", NO_LOSS),
    (f"train {BY}", NO_LOSS),
    (f"report {BY}", NO_LOSS),
    (f"explain {BY} --example 11", NO_LOSS),
    ("report --compare a b", "compare: expected a folder with a report.json; got a"),
    (f"per-example {BY}", NO_LOSS),
    (f"sensitivity {BY}", NO_LOSS),
    ("report --network one.npz --data tall.csv", NO_LOSS),
    ("explain --network net.npz --data labels.npz --example 12", "network: expected 2-…-6 for"),
    ("explain --data labels.npz --example 12", "example: expected an integer from 0 to 11; got 12"),
    ("sensitivity --data labels.npz --example 12", "example: expected an integer from 0 to 11; "),
    (f"{THEIRS} --data labels.npz", "data: expected labels from 0 to 2; got 3 in row 3"),
    (f"{THEIRS} --data wide.npz", "data: expected shape (N, 2), one row per example; got (4, 3)"),
    (f"{THEIRS} --data wide.npz --no-header", "no-header: only a .csv file has one; got wide.npz"),
    (f"{THEIRS} --data tall.csv --separator :", "separator: expected a comma, ';', '|' or the wo"),
    ("page --targets 1,1 --output softmax", "targets: expected each row ≥ 0 with sum 1 for"),
    ("page --sizes 9-2", "sizes: expected at most 6 layers of at most 8 nodes, "),
    ("page --network large.npz", "network: expected at most 6 layers of at most 8 nodes, "),
    ("convert net.npz net.foo", "OUT: the extension: expected one of .npz, "),
    ("convert net.foo net.npz", "IN: the extension: expected one of .npz, "),
    ("study memory --data labels.npz --no-header", "no-header: only a .csv file has one; got "),
    ("study memory --data tall.csv --separator :", "separator: expected a comma, ';', '|' or "),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_the_option_is_named(tables: Path, line: str, message: str) -> None:
    before = files(tables)
    result = run(*shlex.split(line), code=2)
    assert " ".join(result.stderr.split()).startswith(f"Error: {message}")
    assert result.stdout == ""
    assert files(tables) == before


def test_the_options_of_how_a_submission_is_stored(tables: Path) -> None:
    """--examples, how many there are, is another option than --examples-as."""
    np.savez("batch.npz", X=np.ones((4, 2)), Y=np.zeros(4, int))
    for option in ("weights-as", "examples-as"):
        result = run(*THEIRS.split(), "--data", "batch.npz", f"--{option}", "foo", code=2)
        assert result.stderr.startswith(f"Error: {option}: expected one of auto, ")
    result = run(*THEIRS.split(), "--data", "batch.npz", "--examples", "0", code=2)
    assert result.stderr.startswith("Error: examples: expected an integer ≥ 1; got 0")


def test_the_part_that_is_kept_for_the_test_is_data_too(empty_folder: Path) -> None:
    """One label of 3 among 0 and 1, in whichever part it is."""
    for row in range(6):
        Y = np.zeros((6, 1))
        Y[row] = 3
        np.savez("one.npz", X=np.ones((6, 2)) * np.arange(6)[:, None], Y=Y)
        line = "train --data one.npz --task regression --output sigmoid --test 0.3 --epochs 1"
        result = run(*line.split(), "--loss", "binary_cross_entropy", code=2)
        assert result.stderr.startswith("Error: data: expected targets from 0 to 1")
