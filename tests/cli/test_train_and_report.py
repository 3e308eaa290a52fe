"""What `loopbp train` and `loopbp report` compute and write."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import loopbp

from .by_hand import digits_by_hand, network_by_hand, outputs_by_hand
from .command import files, needs_compiled_loops, run


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


def test_train_says_that_it_replaced_a_file(flowers: str) -> None:
    first, second = (run("train", "--data", flowers, "--epochs", 1).stdout for _ in range(2))
    assert first.endswith("\nnetwork saved in network.npz\n")
    assert second == first[:-1] + ", in place of the file that was there\n"


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


def test_a_file_without_header_keeps_its_first_example(flowers: str) -> None:
    table = Path(flowers)
    table.write_text(table.read_text().partition("\n")[2])
    refused = run("train", "--data", flowers, code=2)
    assert "--no-header" in refused.stderr
    output = run("train", "--data", flowers, "--no-header", "--target", "2", "--epochs", 1).stdout
    assert "48 examples to train on, 12 to test on; 2 features, 3 classes" in output


def test_the_message_says_which_separator_reads_the_file(flowers: str) -> None:
    table = Path(flowers)
    table.write_text(table.read_text().replace(",", "\t"))
    message = " ".join(run("train", "--data", flowers, code=2).stderr.split())
    advised = re.search(r"in the shell (--separator \S+)$", message)[1].split()
    output = run("train", "--data", flowers, *advised, "--epochs", 1).stdout
    assert "48 examples to train on, 12 to test on; 2 features, 3 classes" in output


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
        ("report --compare a b", "compare: expected a folder with a report.json; got a"),
    ],
)
def test_what_a_report_refuses(command: str, message: str, empty_folder: Path) -> None:
    result = run(*command.split(), code=2)
    assert message in " ".join(result.stderr.split())
    assert files(empty_folder) == []
