"""What goes wrong, said in one message, and runs that diverge."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app

from .command import files, overflows, run

NO_DATA = "FLOWERS"

WRONG = [
    ("report --hidden reul", "hidden: expected one of identity, .*; did you mean 'relu'"),
    ("train --hidden sigmoid,reul", r"hidden\[1\]: .*; did you mean 'relu'"),
    ("train --hidden sigmoid,relu,tanh", "hidden: expected one name, or 2 for the hidden layers"),
    ("train --output softmx", "output: expected one of .*; did you mean 'softmax'"),
    ("train --loss entropy", "loss: expected one of .*; did you mean 'cross_entropy'"),
    ("train --loss cross_entropy --output sigmoid", "loss: cross_entropy is computed from"),
    ("train --init xavier", "init: expected one of glorot, he, lecun"),
    ("train --std 2", "std: expected init='normal' with it"),
    ("train --dtype float16", "dtype: expected float32 or float64; got 'float16'"),
    ("train --engine textbok", "engine: expected one of .*; did you mean 'textbook'"),
    ("report --engine textbok", "engine: expected one of .*; did you mean 'textbook'"),
    ("check --engine textbok", "engine: expected one of .*; did you mean 'textbook'"),
    ("train --optimizer adm", "optimizer: expected one of sgd, adam; .*; did you mean 'adam'"),
    ("train --optimizer adam --momentum 0.9", "momentum: expected optimizer sgd with it"),
    ("train --optimizer adam --nesterov", "nesterov: expected optimizer sgd with it"),
    ("train --nesterov", "nesterov: expected a momentum > 0 with it"),
    ("train --momentum 1", "momentum: expected a finite number ≥ 0 and < 1; got 1.0"),
    ("train --eta 0", "eta: expected a finite number > 0; got 0.0"),
    ("train --eta nan", "eta: expected a finite number > 0; got nan"),
    ("train --epochs -1", "epochs: expected an integer ≥ 0; got -1"),
    ("report --epochs -1", "epochs: expected an integer ≥ 0; got -1"),
    ("train --epochs many", "Invalid value for '--epochs'"),
    ("train --batch-size 0", "Error: batch-size: expected an integer ≥ 1; got 0"),
    ("train --seed -1", "seed: expected an integer ≥ 0; got -1"),
    ("train --test 1.5", "test: expected a finite number > 0 and < 1; got 1.5"),
    ("train --separator .", "separator: expected a comma, ';', '|' or the word tab; got '.'"),
    ("train --data digits --no-header", "Error: no-header: only a .csv file has one; got digits"),
    ("train --sizes 3-5-3", "sizes: expected 2-…-3 for flowers, .*; got 3-5-3"),
    ("train --sizes 2-5-4", "sizes: expected 2-…-3 for flowers, .*; got 2-5-4"),
    ("train --sizes 5x3", "sizes: expected all layers, as 64-32-16-10, or .*; got '5x3'"),
    ("train --sizes 5,,3", "sizes: expected all layers, as 64-32-16-10, or .*; got '5,,3'"),
    ("train --sizes 5,0", r"sizes\[2\]: expected an integer ≥ 1; got 0"),
    ("train --sizes 999999999999", "sizes: expected at most .* parameters"),
    ("train --target kin", "target: expected one of the 3 columns .*; did you mean 'kind'"),
    ("train --target width --target length", "column 'kind': expected a finite number"),
    ("train --task regression", "column 'kind': expected a finite number; got 'iris'"),
    ("train --task sorting", "task: expected one of auto, classification, regression"),
    ("train --data digit", "data: expected one of digits, .*; did you mean 'digits'"),
    ("train --data absent.csv", "absent.csv: No such file or directory"),
    ("train --data mnist", "MNIST: .*LOOPBP_DATA"),
    ("train --save absent/net.npz", "save: there is no folder .*/absent"),
    ("train --save net.onnx", "save: .* got net.onnx: save net.npz, and `loopbp convert net.npz n"),
    ("train --save a.b/net.PT", "save: expected an .npz file; got a.b/net.PT: save a.b/net.npz, "),
    ("train --save .", "save: expected a file; . is a folder"),
    ("check --csv absent/check.csv", "csv: there is no folder .*/absent"),
    ("train --from absent.npz", "absent.npz: No such file or directory"),
    ("check --network absent.npz", "absent.npz: No such file or directory"),
    ("check --examples 0", "examples: expected an integer ≥ 1; got 0"),
    ("check --tolerance 0", "tolerance: expected a finite number > 0 and < 1; got 0.0"),
    ("check --sample 0", "sample: expected an integer"),
    ("trian", "No such command 'trian'"),
    ("train --epoch 3", "No such option: --epoch.*--epochs"),
]


@pytest.mark.parametrize(("line", "message"), WRONG, ids=[line for line, _ in WRONG])
def test_one_clear_message(flowers: str, empty_folder: Path, line: str, message: str) -> None:
    """Exit code 2, the message on stderr, nothing on stdout, and no file left behind.

    So many epochs that only a check before the first step can end this.
    """
    arguments = shlex.split(line)
    if "--data" not in arguments and arguments[0] != "trian":
        arguments += ["--data", flowers]
    if "--epochs" not in arguments and arguments[0] in ("train", "report"):
        arguments += ["--epochs", str(10**9)]
    result = run(*arguments, code=2)
    assert re.search(message, " ".join(result.stderr.replace("│", " ").split()))
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert files(empty_folder) == []


def test_out_must_be_a_folder(flowers: str, empty_folder: Path) -> None:
    (empty_folder / "file").write_text("mine")
    for out in ("file", "file/below"):
        arguments = ["--data", flowers, "--epochs", 10**9, "--out", out]
        result = run("report", *arguments, code=2)
        assert "out: expected a folder" in result.stderr
    assert files(empty_folder) == ["file"]
    assert (empty_folder / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
@pytest.mark.parametrize(
    ("command", "option", "path"),
    [("train", "save", "/proc/net.npz"), ("report", "out", "/proc/report")],
)
def test_a_folder_that_takes_no_files(flowers: str, command: str, option: str, path: str) -> None:
    """Permissions do not forbid it, to root; noticed before the first step all the same."""
    arguments = ["--data", flowers, "--epochs", 10**9, f"--{option}", path]
    message = run(command, *arguments, code=2).stderr
    assert message.startswith(f"Error: {option}: cannot write into /proc: ")
    assert ".tmp" not in message


def test_a_saved_network_must_fit(flowers: str, heights: str, empty_folder: Path) -> None:
    run("train", "--data", flowers, "--sizes", 4, "--epochs", 0)
    for command, option in (("train", "from"), ("report", "from"), ("check", "network")):
        with_network = [command, f"--{option}", "network.npz"]
        message = run(*with_network, "--data", heights, code=2).stderr
        expected = f"Error: {option}: expected 4-…-1 for heights, an input per feature and"
        assert " ".join(message.split()).startswith(expected)
        assert "got 2-4-3 in network.npz" in message
        message = run(*with_network, "--data", flowers, "--hidden", "relu", code=2).stderr
        assert message.startswith("Error: hidden: the network in network.npz has its own")
    loopbp.Network([2, 4, 5]).save(empty_folder / "five.npz")
    message = run("train", "--from", "five.npz", "--data", flowers, code=2).stderr
    assert "got 2-4-5 in five.npz" in message
    (empty_folder / "network.npz").write_bytes(b"PK\3\4 no such thing")
    message = run("train", "--from", "network.npz", "--data", flowers, code=2).stderr
    assert "network.npz: not an npz file" in message


def test_debug_shows_where(flowers: str) -> None:
    arguments = ["train", "--data", flowers, "--hidden", "reul"]
    for result in (
        CliRunner().invoke(app, ["--debug", *arguments]),
        CliRunner().invoke(app, arguments, env={"LOOPBP_DEBUG": "1"}),
    ):
        assert isinstance(result.exception, ValueError)


@overflows
def test_divergence_keeps_the_last_finite_weights(flowers: str, empty_folder: Path) -> None:
    (empty_folder / "network.npz").write_bytes(b"a good one")
    explode = ["--data", flowers, "--hidden", "relu", "--eta", 1e200, "--sizes", "4"]
    result = run("train", *explode, code=2)
    message = " ".join(result.stderr.split())
    assert re.search(r"training stopped in epoch 1, step \d: \S+ is no longer finite", message)
    assert (empty_folder / "network.npz").read_bytes() == b"a good one"
    net = loopbp.load(empty_folder / "network.last-finite.npz")
    assert np.isfinite(net.theta).all()
    assert np.abs(net.theta).max() > 1e100  # not the initial ones


@overflows
def test_a_diverged_run_is_reported_on(flowers: str, empty_folder: Path) -> None:
    explode = ["--data", flowers, "--hidden", "relu", "--eta", 1e200, "--sizes", "4"]
    result = run("report", *explode, code=2)
    assert "no longer finite" in " ".join(result.stderr.split())
    assert "loopbp-report/report.html" in files(empty_folder)
    assert "Training stops at step 2, because S of layer " in " ".join(result.stdout.split())
