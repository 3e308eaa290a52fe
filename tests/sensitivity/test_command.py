"""`loopbp sensitivity`."""

from __future__ import annotations

import csv
import json
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
    X = np.random.default_rng(3).random((6, 2))
    np.savez("data.npz", X=X, Y=np.arange(6) % 2)
    Network([2, 3, 2], seed=4).save("net.npz")
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    words = ["sensitivity", "--data", "data.npz", "--network", "net.npz", *arguments]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result.output


def test_the_ranking_and_the_files(folder):
    words = "--example 2 --neuron 1 --top 4 --csv w.csv --json all.json --plot asked.png"
    output = run(*words.split())
    assert max(map(len, output.splitlines())) <= 80
    with np.load("data.npz") as data:
        X, Y = data["X"], data["Y"]
    import loopbp

    net = loopbp.load("net.npz")
    trace = net.backprop(X, Y)
    with open("w.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(net.theta)
    for row in rows:
        l, i, j = (int(row[name]) for name in ("layer", "i", "j"))
        assert float(row["derivative"]) == trace.grad[l][i, j - 1]
        assert float(row["value"]) == net.W[l][i, j - 1]
    sizes = [float(row["magnitude"]) for row in rows]
    assert sizes == sorted(np.abs(trace.gradient), reverse=True)
    names = [f"w_{row['i']}{row['j']}^({row['layer']})" for row in rows[:4]]
    shown = output[output.index("rank") :].splitlines()[1:5]
    assert [line.split()[:2] for line in shown] == [[str(k + 1), names[k]] for k in range(4)]
    found = json.loads((folder / "all.json").read_text())
    assert len(found["weights"]) == 4 and (found["example"], found["neuron"]) == (2, 1)
    assert found["levers"][0]["derivative"] == trace.delta[1][2, 0]
    assert "Example 2, output 1" in output
    assert (folder / "asked.png").read_bytes().startswith(b"\x89PNG")


def test_without_biases():
    run("--no-biases", "--csv", "w.csv")
    with open("w.csv") as file:
        assert all(int(row["i"]) > 0 for row in csv.DictReader(file))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--top 0", "top: expected an integer ≥ 1; got 0"),
        ("--example 6", "example: expected an integer from 0 to 5; got 6"),
        ("--neuron 3", "neuron: expected an integer from 1 to 2; got 3"),
        ("--eta 0", "eta: expected a finite number > 0"),
        ("--json missing/all.json", "json: there is no folder"),
        ("--plot picture.svg", "plot: the ending: expected one of .png; got '.svg'"),
    ],
)
def test_errors(folder, arguments, message):
    before = sorted(folder.iterdir())
    assert message in run(*arguments.split(), code=2)
    assert sorted(folder.iterdir()) == before
