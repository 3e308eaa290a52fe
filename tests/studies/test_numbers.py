"""What the pieces compute, against NumPy, the vectorised twin, and sums done by hand."""

from __future__ import annotations

import itertools
import math
import threading
import time
from typing import Any

import numpy as np
import pytest

import loopbp
from loopbp import Network, Trace, datasets, studies
from loopbp.studies import batch, data, find, learning_rate, memory, saturation, walk
from loopbp.studies.study import derived_seed

SOURCE = {"data": "digits", "reading": "", "digest": data.digest(datasets.load("digits"))}
EXAMPLES = 30


def piece(name: str, **changes: Any) -> dict[str, Any]:
    """The first piece of the quick grid, with some parameters changed."""
    study = find(name)
    settings = study.settings(quick=True, changes={"examples": EXAMPLES})
    return {**study.grid({**SOURCE, **settings})[0], **changes}


def examples() -> tuple[Any, Any]:
    """The examples that every piece trains on."""
    train = data.load("digits", SOURCE["digest"], EXAMPLES).train
    return train.X, train.Y


def sigmoid_pass(W: Any, X: Any, Y: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """x, δ and the mean gradient of sigmoid layers with softmax and cross-entropy, in NumPy."""
    x = [X]
    for w in W[:-1]:
        x.append(1 / (1 + np.exp(-(w[0] + x[-1] @ w[1:]))))
    e = np.exp(W[-1][0] + x[-1] @ W[-1][1:])
    delta = [e / e.sum(axis=1, keepdims=True) - np.eye(10)[Y]]
    for l in range(len(W) - 1, 0, -1):
        delta.insert(0, (delta[0] @ W[l][1:].T) * x[l] * (1 - x[l]))
    grad = [np.vstack([d.mean(axis=0), x[l].T @ d / len(X)]) for l, d in enumerate(delta)]
    return x, delta, grad


def test_vanishing_measures_the_gradient_of_every_layer() -> None:
    parameters = piece("vanishing", epochs=1)
    rows = find("vanishing").run_piece(parameters)
    assert [(row["moment"], row["l"]) for row in rows] == [
        (moment, l) for moment in ("start", "end") for l in range(3)
    ]
    seed = derived_seed("vanishing", 0, 2)
    X, Y = examples()
    net = loopbp.Network([64, 6, 6, 10], "sigmoid", seed=seed)
    for moment in ("start", "end"):
        _, delta, grad = sigmoid_pass(net.W, X, Y)
        for row, g, d in zip([r for r in rows if r["moment"] == moment], grad, delta, strict=True):
            assert row["mean_abs"] == pytest.approx(np.abs(g).mean(), rel=1e-9)
            assert row["l2"] == pytest.approx(np.linalg.norm(g), rel=1e-9)
            assert row["max_abs"] == pytest.approx(np.abs(g).max(), rel=1e-9)
            assert row["delta_rms"] == pytest.approx(math.sqrt((d**2).mean()), rel=1e-9)
        net.fit(X, Y, epochs=1, batch_size=16, optimizer=loopbp.SGD(0.1), seed=seed)


def test_the_vanishing_ratio_is_first_over_last() -> None:
    frame = studies.run("vanishing", quick=True, jobs=1, progress=False).frame
    rows = frame.query("activation == 'sigmoid' and hidden_layers == 6 and moment == 'start'")
    first = rows[rows["l"] == 0]["mean_abs"].to_numpy()
    last = rows[rows["l"] == 6]["mean_abs"].to_numpy()
    table = find("vanishing").summarise(frame)
    shown = table[(table["g"] == "sigmoid") & (table["hidden layers"] == 6)]
    expected = math.sqrt(first[0] / last[0] * first[1] / last[1])
    assert shown["∂f/∂w, first ÷ last layer, start"].item() == pytest.approx(expected, rel=1e-12)


def test_learning_rate_records_the_loss_after_every_step() -> None:
    rows = learning_rate.run_piece(piece("learning-rate", eta=0.1, steps=5))
    X, Y = examples()
    T = np.eye(10)[Y]
    W = [
        w.copy()
        for w in loopbp.Network(
            [64, 4, 10], "tanh", "identity", "half_sse", seed=derived_seed("learning-rate", 0)
        ).W
    ]
    expected = []
    for _ in range(6):
        h = np.tanh(W[0][0] + X @ W[0][1:])
        delta = W[1][0] + h @ W[1][1:] - T
        expected.append(0.5 * (delta**2).sum(axis=1).mean())
        below = (delta @ W[1][1:].T) * (1 - h * h)
        steps = [np.vstack([d.mean(axis=0), x.T @ d / len(X)]) for x, d in ((X, below), (h, delta))]
        W = [w - 0.1 * step for w, step in zip(W, steps, strict=True)]
    assert [row["step"] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [row["loss"] for row in rows] == pytest.approx(expected, rel=1e-9)
    assert {row["diverged_at"] for row in rows} == {None}


def test_divergence_is_a_result() -> None:
    rows = learning_rate.run_piece(piece("learning-rate", eta=1e30, steps=50))
    (step,) = {row["diverged_at"] for row in rows}
    assert 2 <= step <= 8  # each step multiplies weights by about 1e30; float64 ends at 1e308
    # the loss before the step at which the run ends may itself be the first infinity
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert len(rows) in (step - 1, step)
    assert all(math.isfinite(row["loss"]) for row in rows)
    assert rows[-1]["loss"] > 1e60


@pytest.mark.parametrize(
    ("end", "diverged", "words"),
    [
        ([5.0, 2.0, 1.5, 1.0, np.inf], [0, 0, 0, 0, 1],
         ["too small", "right", "right", "best", "diverges"]),
        ([1.0, 3.0, 20.0], [0, 0, 0], ["best", "too large", "too large"]),
        ([np.inf, np.inf], [2, 2], ["diverges", "diverges"]),
    ],
)  # fmt: skip
def test_verdicts(end: list[float], diverged: list[int], words: list[str]) -> None:
    import pandas as pd

    table = pd.DataFrame({"loss at the end": end, "runs that diverged": diverged})
    table["loss at the start"] = 10.0
    assert learning_rate._verdicts(table) == words


def test_work_per_example_by_hand() -> None:
    # S: 64·32 + 32·10; ∂f/∂w the same again; δ of the hidden layer: 10·32
    assert batch.work_per_example(loopbp.Network([64, 32, 10])) == 2 * (2048 + 320) + 320
    assert batch.work_per_example(loopbp.Network([2, 3, 4, 5])) == 2 * (6 + 12 + 20) + 12 + 20
    assert batch.work_per_example(loopbp.Network([1, 1], output="identity", loss="mse")) == 2


def test_batch_counts_and_trains_as_fit_does() -> None:
    """Descent in parts of an epoch is descent: the loss after 3 epochs is that of three fits."""
    rows = batch.run_piece(piece("batch", batch_size=8, epochs=3))
    seed = derived_seed("batch", 0)
    X, Y = examples()
    net = loopbp.Network([64, 4, 10], seed=seed)
    bits = np.random.PCG64(seed)
    for _ in range(3):
        order = np.argsort(bits.random_raw(EXAMPLES), kind="stable")
        net.fit(X[order], Y[order], batch_size=8, optimizer=loopbp.SGD(0.2), shuffle=False)
    assert rows[-1]["loss"] == net.evaluate(X, Y).loss
    assert rows[-1]["examples_seen"] == 90
    assert rows[-1]["step"] == 12  # 8 + 8 + 8 + 6 examples in each of three epochs
    assert rows[-1]["multiply_adds"] == 90 * (2 * (64 * 4 + 40) + 40)
    assert rows[0]["examples_seen"] == 0
    seen = [row["examples_seen"] for row in rows]
    assert seen == sorted(set(seen))


def test_the_surface_and_the_paths_on_it() -> None:
    """Every loss is ½ the mean of (b + w x − y)², and the lowest point that of least squares."""
    X, Y = batch._two_parameters(data.load("digits", SOURCE["digest"], EXAMPLES).train)
    assert (X.mean(), X.std(), Y.mean(), Y.std()) == pytest.approx((0.5, 1, 0, 1), abs=1e-12)
    together = np.corrcoef(X[:, 0], Y[:, 0])[0, 1]
    pixels, labels = examples()
    kept = pixels[:, pixels.std(axis=0) > 0]
    both = np.hstack([kept, np.eye(10)[labels]])
    correlations = np.corrcoef(both.T)[: kept.shape[1], kept.shape[1] :]
    assert abs(together) == pytest.approx(np.nanmax(np.abs(correlations)))
    w, b = np.polyfit(X[:, 0], Y[:, 0], 1)
    assert batch._lowest(X, Y) == pytest.approx((b, w), rel=1e-9, abs=1e-12)
    surface = batch.run_piece({**piece("batch"), "part": "surface", "batch_size": None})
    assert len(surface) == 41 * 41
    path = batch.run_piece(
        {**piece("batch"), "part": "path", "batch_size": 8, "steps_surface": 10, "eta": 0.15}
    )
    assert [row["examples_seen"] for row in path] == [0, 8, 16, 24, 30, 38, 46, 54, 60, 68, 76]
    for row in (*surface[::97], *path):
        expected = 0.5 * ((row["b"] + row["w"] * X - Y) ** 2).mean()
        assert row["loss"] == pytest.approx(expected, rel=1e-12)
    assert min(row["loss"] for row in surface) >= 0.5 * (1 - together**2) - 1e-12
    full = batch.run_piece(
        {**piece("batch"), "part": "path", "batch_size": 30, "steps_surface": 60, "eta": 0.15}
    )
    point = np.array([b - 1.6, w - 2.0])
    for row in full:
        assert (row["b"], row["w"]) == pytest.approx(tuple(point), rel=1e-9)
        residual = point[0] + point[1] * X - Y
        point = point - 0.15 * np.array([residual.mean(), (residual * X).mean()])


def test_batches_are_those_of_epochs() -> None:
    taken = list(itertools.islice(walk.batches(10, 4, 5), 6))
    assert [len(rows) for rows in taken] == [4, 4, 2, 4, 4, 2]
    assert sorted(np.concatenate(taken[:3])) == sorted(np.concatenate(taken[3:])) == list(range(10))
    assert list(np.concatenate(taken[:3])) != list(np.concatenate(taken[3:]))


def test_starting_points_is_a_run_of_fit() -> None:
    rows = find("starting-points").run_piece(piece("starting-points", init="he", seed=2, epochs=3))
    seed = derived_seed("starting-points", 2)
    train, test = data.load("digits", SOURCE["digest"], EXAMPLES)
    net = loopbp.Network([64, 4, 4, 10], "tanh", init="he", seed=seed)
    expected = [tuple(net.evaluate(test.X, test.Y))]
    history = net.fit(train.X, train.Y, epochs=3, batch_size=16, optimizer=loopbp.SGD(0.05),
                      seed=seed, validation=(test.X, test.Y))  # fmt: skip
    frame = history.frame
    expected += list(zip(frame["validation_loss"], frame["validation_accuracy"], strict=True))
    assert [(row["loss"], row["accuracy"]) for row in rows] == expected


def test_saturated_is_where_the_sum_is_large() -> None:
    """x (1 − x) < 0.0025 where |S| > ln((1 + √0.99) / (1 − √0.99)); 1 − x² < 0.01 where
    |S| > artanh √0.99."""
    S = np.linspace(-12, 12, 4001)
    bounds = {
        "sigmoid": math.log((1 + math.sqrt(0.99)) / (1 - math.sqrt(0.99))),
        "tanh": math.atanh(math.sqrt(0.99)),
    }
    assert bounds["sigmoid"] == pytest.approx(5.986, abs=1e-3)
    x = {"sigmoid": 1 / (1 + np.exp(-S)), "tanh": np.tanh(S)}
    for name, bound in bounds.items():
        assert saturation.saturated(x[name], name) == (np.abs(S) > bound).mean()
    assert saturation.saturated(S, "relu") is None


def test_saturation_by_hand() -> None:
    parameters = piece("saturation", scale=8.0, epochs=1)
    rows = saturation.run_piece(parameters)
    net = loopbp.Network([64, 6, 6, 10], seed=derived_seed("saturation", 0))
    W = [np.vstack([w[:1], 8 * w[1:]]) for w in net.W]
    X, Y = examples()
    x, delta, _ = sigmoid_pass(W, X, Y)
    rms = [math.sqrt((d**2).mean()) for d in delta]
    assert [row["layer"] for row in rows] == [1, 2, 1, 2]
    for row, l in zip(rows[:2], (1, 2), strict=True):
        slope = x[l] * (1 - x[l])
        assert row["saturated"] == pytest.approx((slope < 0.0025).mean())
        assert row["delta_rms"] == pytest.approx(rms[l - 1], rel=1e-9)
        assert row["delta_ratio"] == pytest.approx(rms[l - 1] / rms[l], rel=1e-9)
    assert sum(row["saturated"] for row in rows[:2]) > 0


def test_bytes_by_hand() -> None:
    """64-32-16-10 in float32, a batch of 100."""
    found = memory.computed((64, 32, 16, 10), 100, 4)
    assert [found["x", l] for l in range(4)] == [26_000, 13_200, 6_800, 4_000]
    assert [found["S", l] for l in range(3)] == [12_800, 6_400, 4_000]
    assert [found["delta", l] for l in range(3)] == [12_800, 6_400, 4_000]
    assert [found["weights", l] for l in range(3)] == [8_320, 2_112, 680]
    assert [found["gradient", l] for l in range(3)] == [8_320, 2_112, 680]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_held_is_what_is_counted(dtype: str) -> None:
    """The allocator's bytes are those of the arrays, of N losses and N · n_L targets."""
    rows = memory.run_piece(piece("memory", batch_size=20, dtype=dtype))
    itemsize = np.dtype(dtype).itemsize
    assert all(row["bytes"] == row["bytes_of_array"] for row in rows)
    (held,) = {row["bytes_held"] for row in rows}
    extra = held - sum(row["bytes"] for row in rows)
    assert 20 * (1 + 10) * itemsize <= extra <= 20 * (1 + 2 * 10) * itemsize + 1000


def test_what_others_hold_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another thread's arrays nor those of a frame that a profiler has for a moment."""
    alone = memory.run_piece(piece("memory", batch_size=20))
    backprop = Network.backprop
    foreign: list[Any] = []
    looked_at: list[Any] = []

    def receive() -> None:
        foreign.append(np.ones(1000))

    def watched(self: Network, *data: Any) -> Trace:
        looked_at.append(np.ones(1000))
        other = threading.Thread(target=receive)
        other.start()
        other.join()
        return backprop(self, *data)

    monkeypatch.setattr(Network, "backprop", watched)
    monkeypatch.setattr(time, "sleep", lambda seconds: looked_at.clear())
    assert memory.run_piece(piece("memory", batch_size=20)) == alone


def test_changed_data_is_not_mistaken_for_the_same(tmp_path: Any) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,kind\n" + "".join(f"{k},{-k},{'xy'[k % 2]}\n" for k in range(40)))
    settings: Any = {"quick": True, "jobs": 1, "progress": False, "folder": tmp_path / "out"}
    settings |= {"depths": (1, 2), "batch_sizes": (3,)}
    assert studies.run("memory", data=path, **settings).reused == 0
    assert studies.run("memory", data=path, **settings).reused == 2
    old = data.digest(datasets.load(path))
    path.write_text(path.read_text().replace("7,-7", "7,-8"))
    assert studies.run("memory", data=path, **settings).reused == 0
    with pytest.raises(ValueError, match="is not what it was"):
        data.load(str(path), old, 5)
