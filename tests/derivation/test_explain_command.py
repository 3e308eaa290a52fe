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


SOFTMAX = ("--output", "softmax", "--loss", "cross_entropy")


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
        "layers[0].weight[2, 19]", "--network", "net.npz", "--data", "digits", "--example", "7",
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
        (("--example", "1"), "Error: example: expected an integer from 0 to 0; got 1"),
        (("S_1^(0)", "--example", "mean"), "Error: example: expected the number of an example for"),
        (("w_99^(1)",), "Error: NAME: 'w_99^(1)': expected i from 0 to 2"),
        (("--targets", "1,1", *SOFTMAX), "Error: targets: expected each row ≥ 0 with sum 1"),
        (("--inputs", "1e300,1", "--dtype", "float32"), "Error: inputs: expected finite float32"),
        (("--sizes", "3-4-2"), "sizes: the worked example has its own; expected --inputs, or"),
        (("--seed", "1", "--inputs", "1,2"), "seed: the worked example has its own; expected --si"),
        (("--sizes", "3-4", "--inputs", "1,2"), "inputs: expected 3, one for each node; got 2"),
        (("--sizes", "2-2", "--targets", "1,nan"), "targets: expected finite numbers; got"),
        (("--sizes", "4,3", "--inputs", "1,2"), "sizes: expected all layers, as 2-3-2; got '4,3'"),
        (("--data", "digits", "--inputs", "1"), "inputs: expected no --data with it; got both"),
        (("--task", "regression"), "task: expected --data with it"),
        (("--target", "y", "--inputs", "1,2"), "target: expected --data with it"),
        (("--network", "no.npz"), "network: expected --data, or --inputs and --targets, with no"),
        (("--network", "no.npz", "--data", "digits"), "no.npz: No such file"),
        (("--network", "no.npz", "--data", "digits", "--seed", "1"), "seed: the network in no.npz"),
        (("--network", "no.npz", "--inputs", "1", "--init", "he"), "init: the network in no.npz"),
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


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("w_zz", "--example", "99", "--network", "no.npz"), {"NAME", "--example", "--network"}),
        # a default that is said has no effect, too
        (("--format", "terminal", "--task", "auto"), {"--format", "--task"}),
        (("--hidden", "relu", "--out", "lecture.md"), {"--hidden"}),
    ],
)
def test_what_has_no_effect_on_the_lecture_is_refused(arguments, named, empty_folder):
    result = run("--lecture", *arguments, code=2)
    expected, got = " ".join(result.stderr.split()).split("; got ")
    assert expected == "Error: lecture: expected no more than --out with it"
    assert set(got.split(", ")) == named
    assert result.stdout == "" and not (empty_folder / "lecture.md").exists()


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


def test_one_example_typed_and_a_network_of_its_sizes():
    typed = ("--inputs", "1,0.5,-2e-3", "--targets", "0,1")
    written = run(
        "w_12^(0)", "--sizes", "3-4-2", "--hidden", "relu", "--seed", "5", *typed,
        "--format", "json",
    ).stdout  # fmt: skip
    # the network of `loopbp page`: sigmoid and sse, where nothing else is said
    net = Network([3, 4, 2], "relu", "sigmoid", "sse", seed=5)
    assert written == explain(net, "w_12^(0)", [[1, 0.5, -2e-3]], [[0, 1]]).to_json()
    net.save("net.npz")
    assert run("w_12^(0)", "--network", "net.npz", *typed, "--format", "json").stdout == written


def test_one_example_typed_for_the_worked_network():
    # x_1^(0) = 3: S_1^(0) = −½ + 3 − 1 = 1½ instead of −½, which is x_1^(1)
    assert "1.5" in run("S_1^(0)", "--inputs", "3,2").stdout
    typed = run("--inputs", "3,2", "--targets", "1,0.5", "--format", "json").stdout
    assert typed == explain(worked_network(), "w_12^(1)", [[3, 2]], [[1, 0.5]]).to_json()
    # what is not typed is the worked example's
    assert run("--inputs", "1,2").stdout == run().stdout == run("--targets", "1,0").stdout


def test_more_inputs_than_the_usual_ones_are_those_over_and_over():
    net = Network([9, 1], output="sigmoid", loss="sse")
    # the ninth is the first again
    document = json.loads(
        run("w_91^(0)", "--sizes", "9-1", "--targets", "0", "--format", "json").stdout
    )
    x = [1, 0.5, -1, 0.8, -0.5, 0.2, -0.7, 0.4, 1]
    assert document["value"] == explain(net, "w_91^(0)", [x], [[0]]).value
