"""The command `loopbp`: what it computes, what it prints where, and how it fails."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app, options, terminal

COMMAND = [sys.executable, "-m", "loopbp"]
ROOT = Path(__file__).parents[1]

#: Loops that are not compiled warn of the overflow that these tests bring about.
overflows = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NOT_COMPILED = os.environ.get("NUMBA_DISABLE_JIT") == "1"

needs_compiled_loops = pytest.mark.skipif(
    NOT_COMPILED,
    reason="fifty epochs on the digits take hours where nothing is compiled",
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder, in a terminal of 80 columns."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("LOOPBP_DEBUG", "LOOPBP_DATA", "FORCE_COLOR", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def flowers(tmp_path: Path) -> str:
    """A table of 60 flowers of three kinds, easy to tell apart, the kind as a word."""
    random = np.random.default_rng(7)
    kinds = np.arange(60) % 3
    X = random.normal(size=(60, 2)) * 0.1 + np.array([[0, 0], [1, 0], [0, 1]])[kinds]
    names = np.array(["iris", "rose", "tulip"])[kinds]
    path = tmp_path / "flowers.csv"
    lines = [f"{a:.6f},{b:.6f},{name}" for (a, b), name in zip(X, names, strict=True)]
    path.write_text("\n".join(["width,length,kind", *lines]) + "\n")
    return str(path)


@pytest.fixture
def heights(tmp_path: Path) -> str:
    """A table with two numbers to predict."""
    random = np.random.default_rng(8)
    X = random.random((40, 3))
    Y = X @ [[1, 0], [2, -1], [0, 0.5]]
    path = tmp_path / "heights.csv"
    rows = "\n".join(",".join(f"{v:.6f}" for v in row) for row in np.hstack([X, Y]))
    path.write_text(f"a,b,c,low,high\n{rows}\n")
    return str(path)


def run(*arguments: object, code: int = 0) -> Any:
    """The command in this process; its exit code must be `code`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="loopbp")
    unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exception
    assert result.exit_code == code, result.output
    return result


def spawn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
    )


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# What is computed


def digits_by_hand() -> tuple[np.ndarray, np.ndarray]:
    """The shipped digits, read without loopbp."""
    packed = Path(loopbp.__file__).parent / "data" / "digits.csv.gz"
    with gzip.open(packed, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    return table[:, :64] / 16, table[:, 64].astype(int)


def network_by_hand(path: Path) -> list[np.ndarray]:
    """The matrices (n_l + 1, n_{l+1}) of a saved network, read without loopbp."""
    with np.load(path) as arrays:
        sizes = json.loads(str(arrays["network"]))["sizes"]
        theta = arrays["theta"]
    W = []
    for rows, columns in itertools.pairwise(sizes):
        W.append(theta[: (rows + 1) * columns].reshape(rows + 1, columns))
        theta = theta[(rows + 1) * columns :]
    return W


def outputs_by_hand(W: Sequence[np.ndarray], X: np.ndarray) -> list[np.ndarray]:
    """x^(0) … x^(L) of sigmoid layers with softmax at the end."""
    x = [X]
    for l, w in enumerate(W):
        S = w[0] + x[-1] @ w[1:]
        if l < len(W) - 1:
            x.append(1 / (1 + np.exp(-S)))
        else:
            e = np.exp(S - S.max(axis=1, keepdims=True))
            x.append(e / e.sum(axis=1, keepdims=True))
    return x


@needs_compiled_loops
def test_train_reaches_95_percent_on_the_digits_with_its_defaults(empty_folder: Path) -> None:
    output = run("train").stdout
    right, of = map(int, re.search(r"test accuracy .* \((\d+) of (\d+)\)", output).groups())
    assert of == 359
    assert right / of >= 0.95
    assert files(empty_folder) == ["network.npz"]
    # The saved network classifies as the table says; the test part is counted by its complement.
    X, labels = digits_by_hand()
    W = network_by_hand(empty_folder / "network.npz")
    wrong = (outputs_by_hand(W, X)[-1].argmax(axis=1) != labels).sum()
    assert of - right <= wrong <= of - right + 20
    assert [w.shape for w in W] == [(65, 32), (33, 16), (17, 10)]


@needs_compiled_loops
def test_the_report_on_the_digits_is_right(empty_folder: Path) -> None:
    """The printed table against NumPy, on the network that `train` makes with the same options."""
    output = run("report").stdout
    run("train")
    W = network_by_hand(empty_folder / "network.npz")
    train = loopbp.datasets.load("digits").split(seed=0).train
    x = outputs_by_hand(W, train.X)
    delta = x[3] - np.eye(10)[train.Y]
    expected = []
    for l in (2, 1, 0):
        grad = np.vstack([delta.sum(axis=0), x[l].T @ delta]) / len(delta)
        norm = np.sqrt((delta**2).sum(axis=1).mean())
        expected.insert(0, (np.abs(grad).mean(), np.linalg.norm(grad), np.abs(grad).max(), norm))
        zeros = (grad == 0).mean()
        delta = (delta @ W[l][1:].T) * x[l] * (1 - x[l])
    rows = re.findall(r"^ *([012]) +(\d+ → \d+) +(\S+) +(.*)$", output, re.MULTILINE)
    assert [row[1] for row in rows] == ["64 → 32", "32 → 16", "16 → 10"]
    assert [row[2] for row in rows] == ["2,080", "528", "170"]
    for row, numbers in zip(rows, expected, strict=True):
        mean, l2, largest, *_, norm, _ = row[3].split()
        assert [float(v) for v in (mean, l2, largest, norm)] == pytest.approx(numbers, rel=5.1e-3)
    assert zeros == pytest.approx(3 / 65)  # pixels 1, 33 and 40 are always blank: layer 0
    assert f"{100 * zeros:.1f} %" in rows[0][3]
    ratio = expected[0][0] / expected[1][0]
    assert float(rows[0][3].split()[-1]) == pytest.approx(ratio, rel=5.1e-3)
    accuracy = float(re.search(r"test accuracy ([\d.]+) %", output)[1])
    assert accuracy >= 95


def test_report_lists_the_files_that_it_writes(flowers: str, empty_folder: Path) -> None:
    output = run("report", "--data", flowers, "--epochs", 2, "--out", "a/b").stdout
    written = re.search(r"^written: (a/b/\S+) and, beside it, (.*)", output, re.DOTALL | re.M)
    listed = [written[1], *(f"a/b/{name}" for name in " ".join(written[2].split()).split(", "))]
    assert sorted(["a", "a/b", *listed]) == files(empty_folder)
    suffixes = {Path(name).suffix for name in listed}
    assert suffixes - {".parquet"} == {".csv", ".json", ".md", ".tex", ".png", ".svg", ".html"}
    with (empty_folder / "a/b/gradients.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["n_in"], row["n_out"]) for row in rows] == [("2", "32"), ("32", "16"), ("16", "3")]


def test_report_says_how_to_make_it_again(flowers: str, empty_folder: Path) -> None:
    arguments = ["--data", flowers, "--sizes", "5", "--epochs", "2", "--batch-size", "7"]
    run("report", *arguments)
    text = (empty_folder / "loopbp-report/report.md").read_text("utf-8")
    command = shlex.join(["loopbp", "report", *arguments])
    assert command in text
    assert "loopbp-report" not in command  # the same bytes in any folder


def test_same_seed_same_bytes(flowers: str, empty_folder: Path) -> None:
    common = ["--data", flowers, "--sizes", 4, "--epochs", 3, "--seed", 5]
    first, second = (
        run("train", *common, "--save", name).stdout.replace(name, "")
        for name in ("a.npz", "b.npz")
    )
    assert first == second
    a, b = (empty_folder / name for name in ("a.npz", "b.npz"))
    assert a.read_bytes() == b.read_bytes()
    run("train", *common[:-1], 6, "--save", "c.npz")
    assert a.read_bytes() != (empty_folder / "c.npz").read_bytes()

    for folder in ("r", "s"):
        run("report", *common, "--out", folder)
    for name in ("gradients.csv", "history.csv", "gradients.png"):
        assert (empty_folder / "r" / name).read_bytes() == (empty_folder / "s" / name).read_bytes()


def test_words_are_classes(flowers: str) -> None:
    result = run("train", "--data", flowers, "--sizes", "6", "--epochs", 60, "--eta", 1)
    assert "48 examples to train on, 12 to test on; 2 features, 3 classes" in result.stdout
    assert "2-6-3: sigmoid, softmax, cross_entropy" in result.stdout
    assert "test accuracy 100 % (12 of 12)" in result.stdout


def test_regression_has_a_loss_and_no_accuracy(heights: str, empty_folder: Path) -> None:
    arguments = ["--data", heights, "--target", "low", "--target", "high", "--test", 0.25]
    output = run("train", *arguments, "--epochs", 3).stdout
    assert "30 examples to train on, 10 to test on; 3 features, 2 targets" in output
    assert "3-32-16-2: sigmoid, identity, mse" in output
    assert "accuracy" not in output
    last = re.findall(r"^ *3 +6 +\S+ +(\S+)$", output, re.MULTILINE)
    loss = float(re.search(r"^test loss (\S+) \(mse, mean of 10\)$", output, re.MULTILINE)[1])
    assert [float(v) for v in last] == [loss]
    # By hand: the ten test rows are those that loopbp.datasets sets aside.
    W = network_by_hand(empty_folder / "network.npz")
    test = loopbp.datasets.load(heights, target=["low", "high"]).split(test=0.25, seed=0).test
    x = test.X
    for w in W[:-1]:
        x = 1 / (1 + np.exp(-(w[0] + x @ w[1:])))
    x = W[-1][0] + x @ W[-1][1:]
    assert loss == pytest.approx(((x - test.Y) ** 2).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("given", "sizes"),
    [("2-5-3", [2, 5, 3]), ("7", [2, 7, 3]), ("7,4", [2, 7, 4, 3]), ("2-3", [2, 3])],
)
def test_sizes(flowers: str, empty_folder: Path, given: str, sizes: list[int]) -> None:
    run("train", "--data", flowers, "--epochs", 0, "--sizes", given)
    assert loopbp.load(empty_folder / "network.npz").sizes == tuple(sizes)


@pytest.mark.parametrize(
    ("given", "output", "loss"),
    [
        ([], "softmax", "cross_entropy"),
        (["--output", "sigmoid"], "sigmoid", "binary_cross_entropy"),
        (["--loss", "binary_cross_entropy"], "sigmoid", "binary_cross_entropy"),
        (["--loss", "half_sse"], "softmax", "half_sse"),
        (["--output", "tanh"], "tanh", "mse"),
    ],
)
def test_output_and_loss_go_together(
    flowers: str, empty_folder: Path, given: list[str], output: str, loss: str
) -> None:
    run("train", "--data", flowers, "--epochs", 0, *given)
    net = loopbp.load(empty_folder / "network.npz")
    assert (net.output, net.loss) == (output, loss)


def test_options_reach_the_network(flowers: str, empty_folder: Path) -> None:
    options = ["--sizes", "3,3", "--hidden", "relu,tanh", "--dtype", "float32", "--seed", 4]
    run("train", "--data", flowers, "--epochs", 0, *options, "--init", "normal", "--std", 2)
    net = loopbp.load(empty_folder / "network.npz")
    expected = loopbp.Network(
        [2, 3, 3, 3], hidden=["relu", "tanh"], init="normal", std=2.0, seed=4, dtype="float32"
    )
    assert net.hidden == ("relu", "tanh")
    assert net.theta.dtype == np.float32
    np.testing.assert_array_equal(net.theta, expected.theta)


@pytest.mark.parametrize(
    ("given", "optimizer"),
    [
        ([], loopbp.SGD(0.5)),
        (["--eta", 0.25, "--momentum", 0.5], loopbp.SGD(0.25, momentum=0.5)),
        (["--momentum", 0.5, "--nesterov"], loopbp.SGD(0.5, momentum=0.5, nesterov=True)),
        (["--optimizer", "adam"], loopbp.Adam(0.005)),
    ],
)
def test_options_reach_the_optimizer(
    flowers: str, empty_folder: Path, given: list[object], optimizer: loopbp.SGD | loopbp.Adam
) -> None:
    run("train", "--data", flowers, "--sizes", 3, "--epochs", 2, "--batch-size", 10, *given)
    train, _ = loopbp.datasets.load(flowers).split(seed=0)
    net = loopbp.Network([2, 3, 3], seed=0)
    net.fit(train.X, train.Y, epochs=2, batch_size=10, optimizer=optimizer, seed=0)
    np.testing.assert_array_equal(loopbp.load(empty_folder / "network.npz").theta, net.theta)


def test_train_goes_on_from_a_saved_network(flowers: str, empty_folder: Path) -> None:
    common = ["--data", flowers, "--epochs", 2]
    run("train", *common, "--sizes", 4)
    run("train", *common, "--from", "network.npz", "--save", "on.npz", "--seed", 3)
    net = loopbp.load(empty_folder / "network.npz")
    train, _ = loopbp.datasets.load(flowers).split(seed=3)
    net.fit(train.X, train.Y, epochs=2, batch_size=16, optimizer=loopbp.SGD(0.5), seed=3)
    np.testing.assert_array_equal(loopbp.load(empty_folder / "on.npz").theta, net.theta)


@pytest.mark.parametrize("epochs", [1, 20, 21, 39, 41, 100])
def test_a_long_history_is_shown_in_part(flowers: str, epochs: int) -> None:
    output = run("train", "--data", flowers, "--sizes", 2, "--epochs", epochs).stdout
    rows = re.findall(r"^ *(\d+) +[\d,]+ +[\d.]+ +[\d.]+ +[\d.]+ %$", output, re.MULTILINE)
    shown = [int(row) for row in rows]
    assert len(shown) == min(epochs, len(shown)) <= 20
    assert shown == sorted(set(shown))
    assert shown[-1] == epochs


# Gradient check


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


# What goes wrong

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
    ("train --batch-size 0", "batch_size: expected an integer ≥ 1; got 0"),
    ("train --seed -1", "seed: expected an integer ≥ 0; got -1"),
    ("train --test 1.5", "test: expected a finite number > 0 and < 1; got 1.5"),
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


class Terminal:
    """A command with a terminal as its stderr."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=slave,
            encoding="utf-8",
            env={**os.environ, "TERM": "xterm"},
            # A shell's background jobs ignore SIGINT, and their children would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        os.close(slave)

    def wait_for(self, found: Callable[[str], bool], seconds: float = 60) -> None:
        """Reads the terminal until its text is as wanted, or the command has ended."""
        end = time.monotonic() + seconds
        while not found(self.shown):
            assert time.monotonic() < end, self.shown
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                self.shown += os.read(self.master, 4096).decode("utf-8", "replace")
            except OSError:  # the command has closed it
                return

    def finish(self) -> tuple[int, str]:
        """Exit code and stdout."""
        self.wait_for(lambda shown: False)
        stdout, _ = self.process.communicate(timeout=60)
        os.close(self.master)
        return self.process.returncode, stdout


@pytest.mark.parametrize("command", ["train", "report"])
def test_ctrl_c_keeps_the_last_finished_epoch(
    flowers: str, empty_folder: Path, command: str
) -> None:
    sizes = "40,40" if NOT_COMPILED else "500,500"  # an epoch of some 50 ms
    arguments = ["--sizes", sizes, "--epochs", "1000000", "--batch-size", "4"]
    job = Terminal(command, "--data", flowers, *arguments)
    job.wait_for(lambda shown: re.search(r"training.*\d:\d\d:\d\d", shown) is not None)
    time.sleep(2)  # many epochs
    job.process.send_signal(signal.SIGINT)
    code, stdout = job.finish()
    assert code == 130
    message = re.search(r"interrupted; everything is as after epoch (\d+)", job.shown)
    assert message, job.shown
    assert "Traceback" not in job.shown
    if command == "train":
        epochs = re.findall(r"^ *(\d+) +[\d,]+ ", stdout, re.MULTILINE)
        assert epochs[-1] == message[1]
        assert loopbp.load(empty_folder / "network.npz").sizes[0] == 2
    else:
        assert "loopbp-report/report.html" in files(empty_folder)


def test_ctrl_c_before_training(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("loopbp.datasets.load", load)
    for command in ("report", "train", "check"):
        result = run(command, code=130)
        assert (result.stdout, result.stderr) == ("", "Error: interrupted\n")
    assert files(empty_folder) == []


def test_ctrl_c_before_the_first_epoch_is_finished(
    flowers: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*arguments: object, **options: object) -> None:
        raise loopbp.TrainingInterrupted(loopbp.History())

    monkeypatch.setattr("loopbp.network.Network.fit", fit)
    for command in ("report", "train"):
        result = run(command, "--data", flowers, code=130)
        assert result.stdout == ""
        assert result.stderr == "Error: interrupted; nothing was written\n"
    assert files(empty_folder) == []


# What is printed, and where


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        result = spawn("--help")
        seconds.append(time.perf_counter() - started)
        assert result.returncode == 0
    assert min(seconds) < 1.0  # 0.5 on two cores that have nothing else to do
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "train", "--help"],
        capture_output=True,
        encoding="utf-8",
    ).stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in loaded.splitlines()}
    assert "typer" in modules
    assert modules.isdisjoint({"numpy", "numba", "pandas", "matplotlib", "jinja2"})


def test_version() -> None:
    assert run("--version").stdout == f"loopbp {loopbp.__version__}\n"


@pytest.mark.parametrize("command", ["report", "train", "check"])
def test_every_option_is_explained(command: str) -> None:
    text = run(command, "--help").stdout
    for option in ("--data", "--sizes", "--hidden", "--loss", "--seed", "--engine", "--dtype"):
        assert option in text
    assert ("--epochs" in text) == (command != "check")


def test_results_on_stdout_and_nothing_else(flowers: str) -> None:
    common = ["--data", flowers, "--sizes", "3"]
    for arguments in (
        ["report", *common, "--epochs", "1"],
        ["train", *common, "--epochs", "1"],
        ["check", *common],
    ):
        result = spawn(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert "flowers" in result.stdout
        assert "\x1b" not in result.stdout


def test_nothing_is_wider_than_80_columns(heights: str, flowers: str) -> None:
    shown = [run(*command, "--help").stdout for command in ([], ["report"], ["train"], ["check"])]
    wide = ["--sizes", "1024,1024", "--epochs", 1, "--batch-size", 48, "--engine", "numpy"]
    shown += [
        run("report", "--data", flowers, *wide).stdout,
        run("train", "--data", flowers, "--epochs", 3).stdout,
        run("check", "--data", flowers, "--sizes", "12").stdout,
        run("train", "--data", heights, "--epochs", 3).stdout,
        run("train", "--data", flowers, "--hidden", "reul", code=2).stderr,
    ]
    assert "ratio to\n" in shown[4]  # the table is narrower, not cut
    for text in shown:
        assert max(len(line) for line in text.splitlines()) <= 80


def test_a_terminal_without_greek_letters(flowers: str) -> None:
    arguments = ["--data", flowers, "--sizes", "3", "--epochs", "1"]
    result = spawn("report", *arguments, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    for text in ("of delta", "|df/dw|", "2 -> 3"):
        assert text in result.stdout
    assert "?" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert spawn("train", "--help", PYTHONIOENCODING="ascii").returncode == 0


class Ascii:
    """As much of a stream as `printable` looks at."""

    encoding = "ascii"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("δ ≥ 2 × 10⁻⁶", "delta >= 2 x 10^-6"),
        ("mean |∂f/∂w| — 64 → 32 …", "mean |df/dw| - 64 -> 32 ..."),
        ("Größe", "Gr??e"),
        ("plain", "plain"),
    ],
)
def test_printable(text: str, spelled: str) -> None:
    assert terminal.printable(text, Ascii()) == spelled  # type: ignore[arg-type]
    assert terminal.printable(text, sys.__stdout__) in (text, spelled)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("torch", 'needs PyTorch, which is not installed: pip install "loopbp[torch]"'),
        ("absent_library", "MODULE:OBJECT: No module named 'absent_library'"),
    ],
)
def test_a_model_whose_library_is_missing(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, library: str, message: str
) -> None:
    (empty_folder / "needy.py").write_text(f"import {library}\nmodel = None\n")
    if library == "torch":
        monkeypatch.setitem(sys.modules, library, None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "needy", raising=False)
    result = CliRunner().invoke(app, ["verify", "needy.py:model"])
    assert result.exit_code == 2
    assert " ".join(result.stderr.split()) == f"Error: {message}"


def test_a_table_that_is_too_wide_keeps_every_digit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of 20 columns: 5 and 5 + 1 + 8 + 1 + 5, each with the first column."""
    headings = ("layer", "mean\n|∂f/∂w|", "norm", "zeros")
    rows = [("0", "1.25e-03", "−2.5e-04", "0 %"), ("1", "2.5e-107", "1e+00", "100 %")]
    monkeypatch.setenv("COLUMNS", "20")
    terminal.table(headings, rows)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "          mean",
        "layer  |∂f/∂w|",
        "    0 1.25e-03",
        "    1 2.5e-107",
        "",
        "layer     norm zeros",
        "    0 −2.5e-04   0 %",
        "    1    1e+00 100 %",
    ]
    for width, gap in ((32, "  "), (31, " "), (29, " ")):
        monkeypatch.setenv("COLUMNS", str(width))
        terminal.table(headings, rows)
        last = capsys.readouterr().out.splitlines()[-1].rstrip()
        assert last == gap.join(["    1", "2.5e-107", "   1e+00", "100 %"])


def test_the_last_column_of_a_listing_is_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "32")
    terminal.listing([("a", "bc", "one two three four five six"), ("dd", "e", "seven")])
    assert capsys.readouterr().out.splitlines() == [
        "  a   bc  one two three four",
        "          five six",
        "  dd  e   seven",
    ]


def test_the_command_line_of_some_options() -> None:
    data = options.DataOptions(data="my file.csv", target=["a", "b"])
    training = options.TrainingOptions(batch_size=8, nesterov=True, from_=Path("net.npz"))
    assert options.command_line("report", data, training) == (
        "loopbp report --data 'my file.csv' --target a --target b --batch-size 8 --nesterov "
        "--from net.npz"
    )


def test_report_on_a_saved_network(flowers: str, empty_folder: Path) -> None:
    """A network from elsewhere and a data file: nothing is trained, the alarms are there."""
    net = loopbp.Network([2, 6, 3], hidden="relu", seed=0)
    net.W[0][0] = -1000
    net.save("net.npz")
    before = Path("net.npz").read_bytes()
    result = run("report", "--data", flowers, "--network", "net.npz")
    first = " ".join(result.stdout.split())
    assert first.startswith("No gradient reaches layer 0: every entry is exactly 0, because all 6")
    assert "What usually helps: Look at the layer after" in first
    assert Path("net.npz").read_bytes() == before
    document = json.loads(Path("loopbp-report/report.json").read_text("utf-8"))
    assert document["examples"] == 60 and document["settings"]["network"] == "net.npz"
    assert "--network net.npz" in document["command"]
    assert not Path("loopbp-report/history.csv").exists()


def test_report_with_a_preset_and_every_step(flowers: str, empty_folder: Path) -> None:
    options = ["--data", flowers, "--sizes", 4, "--epochs", 2, "--preset", "sagemaker"]
    run("report", *options, "--every", 1)
    with Path("loopbp-report/layers.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps == sorted([*range(1, 7)] * 2)  # 48 examples by 16: 3 steps an epoch
    document = json.loads(Path("loopbp-report/report.json").read_text("utf-8"))
    assert document["preset"] == "sagemaker"
    assert "--preset sagemaker --every 1" in document["command"]


def test_compare_two_reports(flowers: str, empty_folder: Path) -> None:
    common = ["--data", flowers, "--epochs", 1, "--sizes"]
    run("report", *common, "4", "--out", "a")
    run("report", *common, "4,4", "--out", "b")
    output = run("report", "--compare", "a", "b/report.json", "--out", "c").stdout
    assert output.startswith("A: no alarm; B: no alarm; ")
    assert "c/compare.html" in output
    assert {"c/compare.html", "c/compare.csv", "c/compare.tex"} <= set(files(empty_folder))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("report --preset amazon", "preset: expected one of relative, sagemaker; got 'amazon'"),
        ("report --every 0", "every: expected an integer ≥ 1; got 0"),
        ("report --network n.npz --epochs 3", "epochs: a saved network is not trained"),
        ("report --network n.npz --every 3", "every: a saved network is not trained"),
        ("report --compare a b --seed 3", "seed: a comparison takes two reports as they are"),
        ("report --compare a b", "a: expected a folder with a report.json; got a"),
    ],
)
def test_what_a_report_refuses(command: str, message: str, empty_folder: Path) -> None:
    result = run(*command.split(), code=2)
    assert message in " ".join(result.stderr.split())
    assert files(empty_folder) == []
