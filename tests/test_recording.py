"""What a run records, against a run in NumPy that keeps every array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from problems import EXACT

import loopbp
from loopbp import reference, training
from loopbp.kernels.observation import QUANTITIES
from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.recording import Recording, Records, spacing
from loopbp.report.statistics import Checkpoint
from loopbp.training import NonFiniteError, TrainingInterrupted

N, B, EPOCHS = 23, 5, 3
STEPS = 15


@dataclass
class Step:
    """The arrays of one step, by the names of quantities, a list over layers each."""

    arrays: dict[str, list[np.ndarray]]


@pytest.mark.parametrize(
    ("sizes", "batch_size", "steps", "expected"),
    [
        # 2,778 weights and 32 · 58 numbers of rows to 32 · 2,778 multiply-adds: 78.2
        ((64, 32, 16, 10), 32, 20_000, 79),
        ((64, 32, 16, 10), 32, 2_000, 40),  # so that there are 50
        ((64, 32, 16, 10), 32, 99_001, 100),  # 1,000 at most
        ((64, 32, 16, 10), 32, 7, 1),
        ((2, 1), 1, 0, 1),
        # one example at a time: 101,770 weights and 138 numbers, 101,770 multiply-adds: 1,502.03
        ((784, 128, 10), 1, 1_000_000, 1_503),
        ((784, 128, 10), 1, 1_503_001, 1_504),
    ],
)
def test_spacing_by_hand(sizes: Any, batch_size: int, steps: int, expected: int) -> None:
    assert spacing(sizes, batch_size, steps) == expected


def network(**options: Any) -> Network:
    return Network(**({"sizes": [4, 7, 6, 2], "hidden": ["tanh", "relu"], "seed": 6} | options))


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    return random.uniform(-1, 1, (N, 4)), random.integers(0, 2, N)


def twin(net: Network, X: np.ndarray, Y: np.ndarray, eta: float, seed: int = 5) -> Iterator[Step]:
    """Every step of EPOCHS epochs in mini-batches of B, in NumPy alone."""
    theta, targets = net.theta.copy(), np.eye(net.sizes[-1])[Y]
    bits = np.random.PCG64(seed)
    for _ in range(EPOCHS):
        draws = bits.random_raw(N).tolist()
        order = np.array(sorted(range(N), key=draws.__getitem__))
        for start in range(0, N, B):
            rows = order[start : start + B]
            W = [w.copy() for w in net.architecture.views(theta)]
            S, x = reference.forward(W, X[rows], net.activations)
            delta, grad = reference.backward(
                W, S, x, targets[rows], net.activations, net.loss, "mean"
            )
            theta = theta - eta * np.concatenate([g.ravel() for g in grad])
            after = net.architecture.views(theta)
            update = [a - w for a, w in zip(after, W, strict=True)]
            outputs = [*(v[:, 1:] for v in x[1:-1]), x[-1]]
            yield Step(dict(zip(QUANTITIES, (grad, update, W, delta, S, outputs), strict=True)))


OPTIONS = {"epochs": EPOCHS, "batch_size": B, "seed": 5, "optimizer": SGD(eta=0.3)}


@pytest.mark.parametrize("engine", ["textbook", "tiled", "numpy"])
def test_statistics_against_numpy(data, engine):
    net = network()
    steps = list(twin(net, *data, 0.3))
    history = net.fit(*data, report=Recording(every=4), engine=engine, **OPTIONS)
    frame = history.statistics
    assert frame["step"].unique().tolist() == [1, 5, 9, 13, 15]
    assert frame.groupby("step")["epoch"].first().tolist() == [1, 1, 2, 3, 3]
    assert len(frame) == 5 * 3 * 6
    assert frame["quantity"].iloc[:6].tolist() == list(QUANTITIES)
    for row in frame.itertuples():
        v = steps[row.step - 1].arrays[row.quantity][row.l - (row.quantity == "x")]
        v = v.astype(float).ravel()
        close = {"rel": 1e-9, "abs": 1e-13}
        assert (row.part, row.count) == ("all", v.size)
        assert row.l1 == pytest.approx(np.abs(v).sum(), **close)
        assert row.l2 == pytest.approx(np.linalg.norm(v), **close)
        assert row.max_abs == pytest.approx(np.abs(v).max(), **close)
        assert row.mean_abs == pytest.approx(np.abs(v).mean(), **close)
        assert row.mean == pytest.approx(v.mean(), **close)
        assert row.std == pytest.approx(v.std(), **close)
        # Dead nodes of relu and biases that start at 0 are exact zeros; others are of about one
        # order of size, so that rounding moves no quantile by more than its bin.
        assert row.zeros == (v == 0).sum()
        for name, q in (("q05", 0.05), ("q50", 0.5), ("q99", 0.99)):
            exact = np.quantile(np.abs(v), q, method="inverted_cdf")
            assert getattr(row, name) == pytest.approx(exact, rel=1 / 16 + 1e-9, abs=1e-15)


@pytest.mark.parametrize("engine", ["textbook", "tiled", "numpy"])
def test_layers_against_numpy(data, engine):
    net = network(hidden=["sigmoid", "relu"])
    net.W[0][0, :2] = 8, -30  # one node saturates, another one hard
    net.W[1][0, :2] = -100  # two dead ones of six
    steps = list(twin(net, *data, 0.3))
    frame = net.fit(*data, report=Recording(every=7), engine=engine, **OPTIONS).layers
    assert frame["step"].tolist() == [1, 1, 1, 8, 8, 8, 15, 15, 15]
    assert frame["activation"].tolist() == ["sigmoid", "relu", "softmax"] * 3
    before: list[np.ndarray] | None = None
    for n, step in enumerate((1, 8, 15)):
        a = steps[step - 1].arrays
        norm = {k: [np.linalg.norm(v) for v in a[k]] for k in a}
        rms = [np.sqrt(np.mean(d**2)) for d in a["delta"]]
        rows = frame.iloc[3 * n : 3 * n + 3]
        pairs = [
            (
                "gradient_weight",
                [g / w for g, w in zip(norm["gradient"], norm["weight"], strict=True)],
            ),
            ("update_weight", [g / w for g, w in zip(norm["update"], norm["weight"], strict=True)]),
            ("dead", [np.nan, (a["x"][1] == 0).all(axis=0).mean(), np.nan]),
            ("saturated", [(np.abs(a["S"][0]) > 5.98645).mean(), np.nan, np.nan]),
            ("saturated_hard", [((a["S"][0] < -23) | (a["S"][0] > 17)).mean(), np.nan, np.nan]),
            ("delta_ratio", [rms[0] / rms[1], rms[1] / rms[2], np.nan]),
            (
                "delta_ratio_predicted",
                [
                    np.sqrt(6 * a["weight"][1][1:].var() / 16),
                    np.sqrt(2 * a["weight"][2][1:].var() / 2),
                    np.nan,
                ],
            ),
        ]
        cosines = [np.nan] * 3
        if before is not None:
            cosines = [
                (g * b).sum() / np.linalg.norm(g) / np.linalg.norm(b)
                for g, b in zip(a["gradient"], before, strict=True)
            ]
        for name, expected in [*pairs, ("cosine", cosines)]:
            np.testing.assert_allclose(rows[name], expected, rtol=1e-8, err_msg=name)
        before = a["gradient"]
    assert (frame["dead"].iloc[1], frame["saturated"].iloc[0]) >= (2 / 6, 2 / 7)
    assert frame["saturated_hard"].iloc[0] == pytest.approx(1 / 7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", [False, True])
def test_exact_engines_record_the_same_bits(data, biases, dtype):
    frames = []
    for engine in EXACT:
        net = network(dtype=dtype)
        report = Recording(every=2, biases=biases)
        history = net.fit(*data, report=report, engine=engine, **OPTIONS)
        frames.append([history.statistics, history.layers, history.histograms, history.losses])
    for others in frames[1:]:
        for frame, other in zip(frames[0], others, strict=True):
            assert frame.equals(other)


@pytest.mark.parametrize("engine", ["textbook", "tiled"])
def test_however_an_epoch_is_cut_into_calls(data, engine, monkeypatch):
    """The step counts on, and the cosine is taken with the last gradient of an earlier call."""
    report = Recording(every=4)
    whole = network().fit(*data, report=report, engine=engine, **OPTIONS)

    def one_by_one(order, batch_size, pace):
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]

    monkeypatch.setattr(training, "_calls", one_by_one)
    cut = network().fit(*data, report=report, engine=engine, **OPTIONS)
    assert whole.layers["cosine"].iloc[3:].notna().all()
    for name in ("statistics", "layers", "histograms", "losses"):
        assert getattr(whole, name).equals(getattr(cut, name))


def test_recording_changes_no_weight(data):
    weights = []
    for report in (False, True, Recording(every=1)):
        net = network()
        net.fit(*data, report=report, **OPTIONS)
        weights.append(net.theta.tobytes())
    assert len(set(weights)) == 1


def test_every_tenth_and_the_last_by_default(data):
    history = network().fit(*data, report=True, **OPTIONS)
    assert history.statistics["step"].unique().tolist() == [1, 11, 15]
    assert len(history.losses) == STEPS
    assert history.losses["epoch"].tolist() == [1] * 5 + [2] * 5 + [3] * 5
    last = history.losses["loss"].iloc[-5:].to_numpy() @ np.array([5, 5, 5, 5, 3]) / N
    assert history.frame["loss"].iloc[-1] == pytest.approx(last, rel=1e-14)


def test_histograms_count_the_numbers_of_the_statistics(data):
    history = network().fit(*data, report=Recording(every=7), **OPTIONS)
    keys = ["step", "l", "quantity", "part"]
    counts = history.histograms.groupby(keys)["count"].sum()
    table = history.statistics.set_index(keys)
    inside = table["count"] - table["zeros"] - table["subnormals"] - table["nonfinite"]
    assert counts.reindex(inside.index, fill_value=0).tolist() == inside.tolist()
    largest = history.histograms.groupby(keys)["exponent"].max()
    exponents = np.frexp(table["max_abs"].loc[largest.index])[1] - 1
    assert largest.tolist() == exponents.tolist()
    first = next(iter(twin(network(), *data, 0.3))).arrays["weight"][1]
    rows = history.histograms.query("step == 1 and l == 1 and quantity == 'weight'")
    below = rows[(rows["sign"] == -1) & (rows["exponent"] == -2)]["count"].iloc[0]
    assert below == ((first <= -0.25) & (first > -0.5)).sum()


def test_biases_apart(data):
    net = network()
    steps = list(twin(net, *data, 0.3))
    history = net.fit(*data, report=Recording(every=7, biases=True), **OPTIONS)
    frame = history.statistics
    parts = frame[frame["step"] == 8][["quantity", "part"]].iloc[:9].agg("/".join, axis=1)
    assert parts.tolist() == [
        "gradient/weights", "gradient/biases", "update/weights", "update/biases",
        "weight/weights", "weight/biases", "delta/all", "S/all", "x/all",
    ]  # fmt: skip
    for row in frame[frame["quantity"].isin(["gradient", "weight"])].itertuples():
        v = steps[row.step - 1].arrays[row.quantity][row.l]
        v = v[1:] if row.part == "weights" else v[:1]
        assert row.count == v.size
        assert row.l2 == pytest.approx(np.linalg.norm(v), rel=1e-9, abs=1e-15)
    together = network().fit(*data, report=Recording(every=7), **OPTIONS)
    for name in ("gradient_weight", "delta_ratio_predicted", "cosine"):
        np.testing.assert_allclose(history.layers[name], together.layers[name], rtol=1e-13)


def test_some_quantities_only(data):
    report = Recording(every=7, quantities=("x", "gradient"))
    assert report.quantities == ("gradient", "x")  # always in the same order
    history = network().fit(*data, report=report, **OPTIONS)
    every = network().fit(*data, report=Recording(every=7), **OPTIONS)
    table = every.statistics
    table = table[table["quantity"].isin(["gradient", "x"])].reset_index(drop=True)
    assert history.statistics.equals(table)
    assert history.layers["cosine"].equals(every.layers["cosine"])
    assert history.layers["dead"].equals(every.layers["dead"])
    for name in ("gradient_weight", "update_weight", "saturated", "delta_ratio"):
        assert history.layers[name].isna().all()


@pytest.mark.parametrize("engine", ["textbook", "tiled", "numpy"])
@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_a_step_that_is_not_finite_is_recorded(engine):
    """Weights that double and more with every step, until the loss overflows."""
    net = Network([1, 1], output="identity", loss="sse", seed=0)
    net.theta[...] = 1
    X, Y = np.full((40, 1), 3.0), np.zeros((40, 1))
    with pytest.raises(NonFiniteError) as stop:
        net.fit(
            X, Y, batch_size=1, epochs=30, optimizer=SGD(eta=2.0), report=True, engine=engine,
            shuffle=False,
        )  # fmt: skip
    history = stop.value.history
    steps = history.statistics["step"].unique().tolist()
    assert steps[-1] == stop.value.step == len(history.losses)
    assert steps[:-1] == list(range(1, stop.value.step, 10)) and steps[-1] % 10 != 1
    assert not np.isfinite(history.losses["loss"].iloc[-1])
    assert np.isfinite(history.losses["loss"].iloc[:-1]).all()
    assert history.statistics["epoch"].iloc[-1] == stop.value.epoch
    assert len(history.frame) == stop.value.epoch - 1
    last = history.statistics[history.statistics["step"] == steps[-1]].set_index("quantity")
    assert last.loc["update", "max_abs"] == 0  # the step was not taken
    assert last.loc["weight", "nonfinite"] == 0


def test_an_interrupted_run_keeps_the_finished_epochs(data):
    def stop_in_the_third_epoch(progress):
        if progress.done > 2 * N:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterrupted) as stop:
        network().fit(*data, report=Recording(every=1), progress=stop_in_the_third_epoch, **OPTIONS)
    history = stop.value.history
    assert history.statistics["step"].unique().tolist() == list(range(1, 11))
    assert len(history.losses) == 10 and len(history.frame) == 2


def test_records_are_compact():
    records = Records.allocate(Recording().rows, 1000, 10)
    arrays = (records.steps, records.numbers, records.layers, records.histograms)
    assert sum(array.nbytes for array in arrays) < 50e6


def test_a_checkpoint_has_the_same_frames(data):
    net = network()
    trace = net.backprop(*data)
    checkpoint = Checkpoint.of(trace)
    history = net.copy().fit(*data, batch_size=N, shuffle=False, report=True)
    table = history.statistics
    table = table[table["quantity"] != "update"].reset_index(drop=True)
    same = checkpoint.statistics.drop(columns=["step", "epoch"])
    assert same.equals(table.drop(columns=["step", "epoch"]))
    assert (checkpoint.statistics["step"] == 0).all()
    columns = ["activation", "gradient_weight", "dead", "saturated", "delta_ratio_predicted"]
    assert checkpoint.layers[columns].equals(history.layers[columns])
    assert checkpoint.layers["update_weight"].isna().all()
    bins = history.histograms
    bins = bins[bins["quantity"] != "update"].reset_index(drop=True)
    assert checkpoint.histograms.drop(columns="step").equals(bins.drop(columns="step"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"every": 0}, ValueError, "every: expected an integer ≥ 1; got 0"),
        ({"every": 2.0}, TypeError, "every: expected an integer; got 2.0"),
        ({"quantities": ()}, ValueError, "quantities: expected at least one of gradient, .*none"),
        ({"quantities": "x"}, TypeError, "quantities: expected a tuple of names; got 'x'"),
        ({"quantities": ("x", "x")}, ValueError, "quantities: expected each name once; got x, x"),
        ({"quantities": ("weights",)}, ValueError, "quantities: .* did you mean 'weight'"),
        ({"biases": 1}, TypeError, "biases: expected True or False; got 1"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        loopbp.Recording(**arguments)
