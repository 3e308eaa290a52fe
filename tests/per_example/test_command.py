"""`loopbp per-example`."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from loopbp.cli import app
from loopbp.network import Network


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    random = np.random.default_rng(3)
    rows = [f"{a:.3f},{b:.3f},{'rose' if a > b else 'iris'}" for a, b in random.random((12, 2))]
    Path("flowers.csv").write_text("\n".join(["width,length,kind", *rows]) + "\n")
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["per-example", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def by_hand(path: str) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Lengths of the gradients from one backward pass for each example; labels; cosines."""
    with open("flowers.csv") as file:
        table = list(csv.reader(file))[1:]
    X = np.array([[float(v) for v in row[:2]] for row in table])
    Y = [sorted({"rose", "iris"}).index(row[2]) for row in table]
    import loopbp

    net = loopbp.load(path)
    rows = [net.backprop(X[n : n + 1], Y[n : n + 1]).gradient for n in range(12)]
    lengths = np.linalg.norm(rows, axis=1)
    mean = np.mean(rows, axis=0)
    return lengths, [row[2] for row in table], rows @ mean / lengths / np.linalg.norm(mean)


def test_the_table_and_the_files(folder):
    Network([2, 3, 2], seed=4).save("net.npz")
    output = run(
        *"--network net.npz --data flowers.csv --top 2 --csv all.csv --plot lengths.png".split()
    )
    assert max(map(len, output.splitlines())) <= 80
    lengths, labels, cosines = by_hand("net.npz")
    with open("all.csv") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["norm"]) for row in rows], lengths, rtol=1e-12)
    np.testing.assert_allclose([float(row["cosine"]) for row in rows], cosines, rtol=1e-9)
    assert [row["label"] for row in rows] == labels
    longest, worst = int(lengths.argmax()), int(cosines.argmin())
    for k, title in ((longest, "The longest gradients:"), (worst, "Most against the mean")):
        listed = output[output.index(title) :].splitlines()[2].split()
        assert listed[:2] == [str(k), labels[k]] and listed[3] == f"{lengths[k]:.2e}"
    assert (folder / "lengths.png").read_bytes().startswith(b"\x89PNG")


def test_one_example_does_not_point_against_itself():
    output = run("--data", "flowers.csv", "--examples", "1")
    assert "Least along the mean gradient:" in output and "against" not in output


def test_fewer_examples():
    assert "5 examples through 2-32-16-2" in run("--data", "flowers.csv", "--examples", "5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--top 0", "top: expected an integer ≥ 1; got 0"),
        ("--examples 0", "examples: expected an integer ≥ 1; got 0"),
        ("--csv missing/all.csv", "csv: there is no folder"),
        ("--plot picture.jpg", "plot: the ending: expected one of .png; got '.jpg'"),
        ("--network nothing.npz", "nothing.npz"),
    ],
)
def test_errors(folder, arguments, message):
    before = sorted(folder.iterdir())
    assert message in run("--data", "flowers.csv", *arguments.split(), code=2)
    assert sorted(folder.iterdir()) == before
