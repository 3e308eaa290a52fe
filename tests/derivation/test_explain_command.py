"""`loopbp explain`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app
from loopbp.datasets import load
from loopbp.derivation import INPUT, TARGET, explain, worked_network
from loopbp.network import Network


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", str(Path(loopbp.__file__).parents[1]))
    return tmp_path


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_without_options_it_is_the_worked_example():
    expected = str(explain(worked_network(), "w_12^(1)", INPUT, TARGET))
    assert run().stdout == expected + "\n"
    assert run("1,1,2").stdout == expected + "\n"
    assert max(map(len, expected.splitlines())) <= 80


@pytest.mark.parametrize(
    ("format_", "begins"),
    [
        ("markdown", "# $"),
        ("latex", r"\documentclass"),
        ("html", "<!doctype html>"),
        ("json", "{"),
    ],
)
def test_formats(format_, begins, empty_folder):
    printed = run("b_2^(1)", "--format", format_).stdout
    assert printed.startswith(begins)
    run("b_2^(1)", "--format", format_, "--out", "file")
    assert (empty_folder / "file").read_text(encoding="utf-8") == printed


def test_a_saved_network_and_an_example_of_its_data():
    net = Network([64, 12, 10], "relu", seed=5)
    net.save("net.npz")
    digits = load("digits")
    written = run(
        "w_20,3^(0)", "--network", "net.npz", "--data", "digits", "--example", "7",
        "--format", "json",
    ).stdout  # fmt: skip
    document = json.loads(written)
    trace = net.backprop(digits.X[7:8], digits.Y[7:8])
    assert document["value"] == trace.grad[0][20, 2]
    assert document["example"] == 7
    # its name in PyTorch's notation gives the same
    again = run(
        "layers[0].weight[2, 19]", "--network", "net.npz", "--example", "7",
        "--format", "json",
    ).stdout  # fmt: skip
    assert again == written


def test_the_mean_over_a_table():
    random = np.random.default_rng(0)
    rows = random.random((20, 3))
    Path("t.csv").write_text("a,b,c\n" + "\n".join(",".join(map(str, r)) for r in rows) + "\n")
    written = run(
        "w_11^(0)", "--data", "t.csv", "--sizes", "3", "--example", "mean", "--format", "json"
    ).stdout
    document = json.loads(written)
    assert (document["example"], document["examples"]) == (None, 20)
    assert document["network"]["sizes"] == [2, 3, 1]


def test_options_of_the_worked_example():
    text = run("w_12^(1)", "--hidden", "relu", "--loss", "half_sse").stdout
    assert "ReLU is off" in text and "half_sse" in text
    text = run("--hidden", "relu,tanh", "--notation", "E").stdout
    assert "∂E/∂w₁₂⁽¹⁾" in text and "relu, tanh" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("w_13^(1)",), "did you mean w_12^(1)?"),
        (("--format", "pdf"), "format: expected one of"),
        (("--notation", "F"), "notation: expected one of"),
        (("--example", "-1"), "example: expected a number from 0 or mean"),
        (("--example", "1"), "n: expected an integer from 0 to 0"),
        (("--sizes", "5"), "sizes: the worked example has its own"),
        (("--network", "no.npz"), "no.npz"),
        (("--out", "no/file"), "out: there is no folder"),
        (("--hidden", "rleu"), "did you mean 'relu'"),
    ],
)
def test_errors_are_one_message(arguments, message):
    result = run(*arguments, code=2)
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_the_lecture(empty_folder):
    run("--lecture", "--out", "lecture.md")
    text = (empty_folder / "lecture.md").read_text(encoding="utf-8")
    assert text.startswith("# Backpropagation, derived by its indices")


def test_a_terminal_without_unicode():
    result = subprocess.run(
        [sys.executable, "-m", "loopbp", "explain", "delta_2^(1)"],
        capture_output=True,
        env={"PYTHONPATH": str(Path(loopbp.__file__).parents[1]), "PYTHONIOENCODING": "ascii",
             "PATH": "/usr/bin", "HOME": str(Path.home())},
        timeout=120,
    )  # fmt: skip
    text = result.stdout.decode("ascii")
    assert "df/dS_2^(1) = delta_2^(1)" in text
    assert max(map(len, text.splitlines())) <= 80
