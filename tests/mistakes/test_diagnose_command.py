"""`loopbp diagnose`."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from problems import Problem
from students import compute, possible
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app
from loopbp.mistakes import CATALOGUE

PROBLEM = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 8, "float64", 3)
GIVEN = ("--network", "net.npz", "--data", "batch.npz")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, a batch and a class of students; 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", str(Path(loopbp.__file__).parents[1]))
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    net.save("net.npz")
    np.savez("batch.npz", X=X, Y=Y)
    Path("class").mkdir()
    for name in ("slope-left-out", "sum-instead-of-mean", "bias-not-updated"):
        made = {name: possible(net, PROBLEM.N, 0.5)[name]}
        arrays = compute(net, X, Y, made, eta=0.5).arrays("delta grad db W_new b_new")
        np.savez(f"class/{name}.npz", **arrays)
    right = compute(net, X, Y, eta=0.5).arrays("delta grad db W_new b_new")
    np.savez("class/right.npz", **right)
    return tmp_path


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["diagnose", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_one_submission_is_explained():
    text = run(*GIVEN, "--eta", "0.5", "class/slope-left-out.npz", code=1).stdout
    assert text.startswith("g′ is left out in layer 0: that explains all numbers.")
    assert "delta0[0, 0]" in text and "wrong     δ_j = Σ_k δ_k w_jk" in text
    assert max(map(len, text.splitlines())) <= 80
    text = run(*GIVEN, "--eta", "0.5", "class/right.npz").stdout
    assert text.startswith("Nothing is wrong")


def test_the_readme_shows_what_is_printed():
    """A student of a 4-6-3 network whose dz1 = dz2 @ W2.T, summed in a fixed order."""
    net = loopbp.Network([4, 6, 3], seed=0)
    X, Y = (np.arange(20).reshape(5, 4) % 7 - 3) / 4, np.array([0, 2, 1, 1, 0])
    net.save("net.npz")
    np.savez("batch.npz", X=X, Y=Y)
    dz2 = net.backprop(X, Y).delta[1]
    dz1 = sum(dz2[:, k : k + 1] * net.W[1][1:, k] for k in range(3))
    np.savez("student.npz", dz1=dz1, dz2=dz2)
    printed = run(*GIVEN, "student.npz", code=1).stdout.splitlines()
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    assert f"those of {len(CATALOGUE)} classic" in readme
    block = readme.split("$ loopbp diagnose --network net.npz --data batch.npz student.npz\n")[1]
    quoted = [line for line in block.split("```")[0].splitlines() if line != "…"]
    assert len(quoted) >= 7
    assert [line for line in quoted if line not in printed] == [], "\n".join(printed)


def test_a_class_is_a_line_each():
    Path("class/bad.npz").write_bytes(b"no")
    result = run(*GIVEN, "--eta", "0.5", "class", "--csv", "marks.csv", code=1)
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("  ")]
    assert [line[:2] for line in lines] == [
        ["class/bad.npz", "not"],
        ["class/bias-not-updated.npz", "bias-not-updated"],
        ["class/right.npz", "agrees"],
        ["class/slope-left-out.npz", "slope-left-out"],
        ["class/sum-instead-of-mean.npz", "sum-instead-of-mean"],
    ]
    assert "1 of 5 submissions agree within rounding" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    with open("marks.csv", encoding="utf-8", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert rows["class/sum-instead-of-mean.npz"]["mistakes"] == "sum-instead-of-mean"
    assert rows["class/bad.npz"]["verdict"] == "not read"


def test_what_is_left_out_and_what_does_not_fit_in_a_line_is_told_in_full():
    """x.npy and notes.txt are no submissions; a reason of more than a line stands below."""
    np.save("class/x.npy", np.zeros(3))
    Path("class/notes.txt").write_text("no")
    Path("class/.hidden").write_text("no")
    np.savez("class/odd.npz", dW1=np.zeros((3, 3)))
    np.savez("class/name.npz", detla0=np.zeros((8, 6)), dW1=np.zeros((4, 6)))
    result = run(*GIVEN, "--eta", "0.5", "class", code=1)
    assert max(map(len, result.stdout.splitlines())) <= 80
    text = " ".join(result.stdout.split())
    assert "not read: class/notes.txt, class/x.npy (expected an npz or a CSV file)" in text
    assert "hidden" not in text
    below = text.split("class/odd.npz: not read: ")[1]
    assert "or (7, 3) with the row of the biases; got (3, 3)" in below
    assert "not compared: detla0" in text
    lines = [line for line in result.stdout.splitlines() if line.startswith("  class/odd.npz")]
    assert len(lines) == 1 and lines[0].endswith("…")
    assert "not read" not in run(*GIVEN, "--eta", "0.5", "class/right.npz").stdout


def test_rounded_submissions_of_a_class():
    """To 3 decimals right and wrong; 5 times a gradient is no mistake of the catalogue."""
    for name in ("right", "slope-left-out"):
        arrays = np.load(f"class/{name}.npz")
        np.savez(f"class/{name}.npz", **{k: np.round(arrays[k], 3) for k in arrays})
    arrays = dict(np.load("class/right.npz"))
    np.savez("class/five.npz", **(arrays | {"grad1": 5 * arrays["grad1"]}))
    result = run(*GIVEN, "--eta", "0.5", "class", "--csv", "marks.csv", code=1)
    with open("marks.csv", encoding="utf-8", newline="") as file:
        rows = {row["submission"]: row for row in csv.DictReader(file)}
    assert rows["class/right.npz"]["verdict"] == "agrees"
    assert rows["class/slope-left-out.npz"]["mistakes"] == "slope-left-out"
    assert rows["class/five.npz"]["verdict"] == "unexplained"
    assert "1 of 5 submissions agree within rounding" in result.stdout


def test_one_that_cannot_be_read_is_told_in_full():
    np.savez("odd.npz", dW1=np.zeros((3, 3)))
    output = " ".join(run(*GIVEN, "odd.npz", code=1).stdout.split())
    assert output.startswith("odd.npz: not read: dW1: expected shape ")
    assert output.endswith("got (3, 3)")


def test_what_is_observed_where_nothing_fits_has_a_column():
    """Two arrays, each of them another multiple of what it should be."""
    arrays = dict(np.load("class/right.npz"))
    np.savez(
        "class/odd.npz", **(arrays | {"grad1": 7 * arrays["grad1"], "db0": -3 * arrays["db0"]})
    )
    run(*GIVEN, "--eta", "0.5", "class", "--csv", "marks.csv", code=1)
    with open("marks.csv", encoding="utf-8", newline="") as file:
        rows = {row.pop("submission"): row for row in csv.DictReader(file)}
    odd = rows.pop("class/odd.npz")
    assert (odd["verdict"], odd["mistakes"]) == ("unexplained", "")
    assert odd["observations"].split(" | ") == [
        "grad1 is 7 times the expected, entry by entry",
        "db0 is −3 times the expected, entry by entry",
    ]
    assert {row["observations"] for row in rows.values()} == {""}


def test_a_batch_without_a_header_between_other_separators():
    """The same numbers as in batch.npz, so that the same mistake is found."""
    rows = np.hstack(PROBLEM.data())
    Path("batch.csv").write_text("\n".join(";".join(map(str, row)) for row in rows.tolist()))
    given = ("--network", "net.npz", "--data", "batch.csv", "--separator", ";", "--no-header")
    targets = ("--target", "4", "--target", "5", "--target", "6")
    text = run(*given, *targets, "--eta", "0.5", "class/slope-left-out.npz", code=1).stdout
    assert text.startswith("g′ is left out in layer 0: that explains all numbers.")
    message = " ".join(run(*given[:-1], "class", code=2).stderr.split())
    assert "batch.csv: expected column names in the first line; got numbers" in message
    message = " ".join(run(*given[:4], "--no-header", "class", code=2).stderr.split())
    assert "batch.csv: expected at least two columns separated by commas" in message


def test_options_reach_the_diagnosis():
    path = "class/sum-instead-of-mean.npz"
    np.savez("sums.npz", **{k: v for k, v in np.load(path).items() if "new" not in k})
    run(*GIVEN, "sums.npz", code=1)
    run(*GIVEN, "--reduction", "sum", "sums.npz")
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    np.savez("decayed.npz", **compute(net, X, Y, weight_decay=0.01).arrays("grad db"))
    run(*GIVEN, "--weight-decay", "0.01", "decayed.npz")
    text = " ".join(run(*GIVEN, "decayed.npz", code=1).stdout.split())
    assert "Observed: grad1, grad0 are the expected plus 0.01 w, but for the biases" in text
    half = compute(PROBLEM.network(), *(part[:4] for part in PROBLEM.data()))
    np.savez("half.npz", **half.arrays("delta"))
    run(*GIVEN, "--examples", "4", "half.npz")
    assert "delta0: expected shape (8, 6)" in run(*GIVEN, "half.npz", code=1).stdout


def test_the_columns_of_a_table_are_said():
    """Both say it, and a table with these columns and indices is read."""
    said = (
        "columns quantity, l, n, i, j and value, as Trace.to_frame writes them: x goes by i, S and"
    )
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    assert said in " ".join(readme.replace("`", "").split())
    assert said in " ".join(run("--help").stdout.split())
    net = loopbp.Network([4, 6, 3], seed=0)
    X, Y = np.ones((5, 4)), np.array([0, 2, 1, 1, 0])
    net.save("small.npz")
    np.savez("five.npz", X=X, Y=Y)
    frame = net.backprop(X, Y).to_frame()
    assert list(frame) == ["quantity", "l", "n", "i", "j", "value"]
    by = {"x": "ni", "S": "nj", "delta": "nj", "grad": "ij"}
    for quantity, indices in by.items():
        rows = frame[frame.quantity == quantity]
        assert [c for c in "nij" if rows[c].notna().all()] == list(indices)
    frame.to_csv("table.csv", index=False)
    text = run("--network", "small.npz", "--data", "five.npz", "table.csv").stdout
    assert text.startswith("Nothing is wrong")


def test_the_catalogue_is_listed():
    text = run("--list").stdout
    for mistake in CATALOGUE:
        assert f"{mistake.name}: " in text
        assert f"    wrong   {mistake.wrong}\n    right   {mistake.right}\n" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected --network FILE, --data FILE and submissions"),
        (("class",), "expected --network FILE"),
        ((*GIVEN, "--reduction", "men", "class"), "did you mean 'mean'"),
        ((*GIVEN, "--weights-as", "io", "class"), "Error: weights-as: expected one of"),
        ((*GIVEN, "--examples-as", "col", "class"), "Error: examples-as: expected one of"),
        ((*GIVEN, "--eta", "0", "class"), "eta: expected a finite number > 0"),
        ((*GIVEN, "--weight-decay", "-1", "class"), "weight-decay: expected a finite number ≥ 0"),
        (("--network", "no.npz", "--data", "batch.npz", "class"), "no.npz"),
        ((*GIVEN, "--csv", "no/file.csv", "class"), "there is no folder"),
        ((*GIVEN, "--examples", "0", "class"), "examples: expected an integer"),
    ],
)
def test_errors_are_one_message(arguments, message):
    result = run(*arguments, code=2)
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_terminal_without_unicode():
    result = subprocess.run(
        [sys.executable, "-m", "loopbp", "diagnose", *GIVEN, "--eta", "0.5",
         "class/slope-left-out.npz"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        timeout=300,
    )  # fmt: skip
    assert result.returncode == 1
    text = result.stdout.decode("ascii")
    assert "g' is left out in layer 0" in text and "?" not in text
