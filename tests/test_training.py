"""Training: the order of things in a run, against the NumPy twin, and runs that stop early."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from problems import DTYPES, EXACT

from loopbp import reference, training
from loopbp.engines import ENGINES
from loopbp.network import Network
from loopbp.optimizers import SGD, Adam, OptimizerState
from loopbp.recording import Recording
from loopbp.training import History, NonFiniteError, TrainingInterrupted

OPTIMIZERS = [
    SGD(eta=0.2),
    SGD(eta=0.1, momentum=0.8),
    SGD(eta=0.1, momentum=0.8, nesterov=True),
    Adam(eta=0.02, beta1=0.8, beta2=0.95, epsilon=1e-6),
    SGD(eta=0.2, weight_decay=0.25),
    SGD(eta=0.1, momentum=0.8, nesterov=True, weight_decay=0.25),
    Adam(eta=0.02, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.25),
]

N = 23


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """23 examples, a prime number, with labels that a line almost separates."""
    random = np.random.default_rng(11)
    X = random.uniform(-1, 1, (N, 4))
    return X, (X[:, 0] + X[:, 1] + random.normal(0, 0.2, N) > 0).astype(int)


def network(**options: Any) -> Network:
    return Network(**({"sizes": [4, 5, 2], "hidden": "tanh", "seed": 6} | options))


def twins_run(
    net: Network, X: np.ndarray, Y: np.ndarray, optimizer: SGD | Adam, *,
    epochs: int, batch_size: int, seed: int | None,
) -> tuple[np.ndarray, list[float], list[list[np.ndarray]], list[list[np.ndarray]]]:  # fmt: skip
    """A whole run in NumPy: the last weights, and every step's loss, gradients and δ.

    An epoch takes the rows in the order of N raw draws of PCG64(seed), or as they are.
    """
    theta = net.theta.copy()
    targets = np.eye(net.sizes[-1], dtype=net.dtype)[Y]
    vectors = [np.zeros_like(theta), np.zeros_like(theta)]
    bits = np.random.PCG64(seed)
    losses, gradients, deltas = [], [], []
    for _ in range(epochs):
        draws = range(len(X)) if seed is None else bits.random_raw(len(X)).tolist()
        order = np.array(sorted(range(len(X)), key=draws.__getitem__))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            W, y = net.architecture.views(theta), targets[rows]
            S, x = reference.forward(W, X[rows], net.activations)
            losses.append(float(reference.losses(net.loss, S[-1], x[-1], y).mean()))
            delta, grad = reference.backward(W, S, x, y, net.activations, net.loss, "mean")
            gradients.append(grad)
            deltas.append(delta)
            without_biases = [np.vstack([0 * w[:1], w[1:]]) for w in W]
            flat = np.concatenate([g.ravel() for g in grad])
            flat += optimizer.weight_decay * np.concatenate([w.ravel() for w in without_biases])
            if isinstance(optimizer, Adam):
                theta, *vectors = reference.adam(
                    theta, flat, *vectors, len(losses), optimizer.eta, optimizer.beta1,
                    optimizer.beta2, optimizer.epsilon,
                )  # fmt: skip
            else:
                theta, vectors[0] = reference.sgd(
                    theta, flat, vectors[0], optimizer.eta, optimizer.momentum, optimizer.nesterov
                )
    return theta, losses, gradients, deltas


# --- Whole runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("batch_size", [1, 8, N, 100])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_whole_run_against_the_numpy_twin(data, engine, optimizer, batch_size):
    X, Y = data
    net = network()
    options = {"epochs": 3, "batch_size": batch_size, "seed": 5}
    theta, losses, _, _ = twins_run(net, X, Y, optimizer, **options)
    history = net.fit(X, Y, optimizer=optimizer, engine=engine, **options)
    # At most 69 steps, each with rounding errors of some 10 eps and a factor near 1 for the old
    # ones; Adam divides by √v̂ and so magnifies them where v̂ is small.
    np.testing.assert_allclose(net.theta, theta, rtol=0, atol=1e-11)
    per_epoch = np.split(np.array(losses), 3)
    sizes = np.full(len(per_epoch[0]), min(batch_size, N))
    sizes[-1] = N - sizes[:-1].sum()
    expected = [(part * sizes).sum() / N for part in per_epoch]
    np.testing.assert_allclose(history.frame["loss"], expected, rtol=1e-11)
    assert history.frame["epoch"].tolist() == [1, 2, 3]
    steps = -(-N // batch_size)
    assert history.frame["steps"].tolist() == [steps, 2 * steps, 3 * steps]
    assert history.steps == len(losses)


@pytest.mark.parametrize("report", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS[4:], ids=repr)
def test_weight_decay_reaches_every_weight_and_no_bias_with_the_same_bits(optimizer, report):
    """The layers have more rows and columns than one block of the tiled loops."""
    random = np.random.default_rng(3)
    X, Y = random.uniform(-1, 1, (7, 140)), random.integers(0, 9, 7)
    options = {"epochs": 1, "batch_size": 7, "shuffle": False}
    thetas = []
    for engine in [engine for engine in EXACT if engine != "python"]:
        net = network(sizes=[140, 37, 9])
        net.theta += 0.5
        start = net.copy()
        net.fit(X, Y, optimizer=optimizer, report=report, engine=engine, **options)
        thetas.append(net.theta.tobytes())
    assert len(set(thetas)) == 1
    expected, *_ = twins_run(start, X, Y, optimizer, epochs=1, batch_size=7, seed=None)
    np.testing.assert_allclose(net.theta, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_a_step_with_weight_decay_by_hand(engine):
    net = network(sizes=[2, 1], output="identity", loss="sse", init=[1, 2, -4])
    grad, optimizer = np.array([8, 1, 0.0]), SGD(eta=0.25, weight_decay=0.5)
    state = OptimizerState.start(optimizer, net.theta)
    ENGINES[engine].step(net.architecture, optimizer, net.theta, grad, state)
    # the bias 1 − ¼·8, the weights 2 − ¼ (1 + ½·2) and −4 − ¼ (0 − ½·4)
    np.testing.assert_array_equal(net.theta, [-1, 1.5, -3.5])
    np.testing.assert_array_equal(grad, [8, 1, 0])


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_recorded_gradients_are_those_without_weight_decay(exact):
    """Also where Σ (∂f/∂w)² leaves the range, so that the norm is taken from the gradient again."""
    net = network(sizes=[1, 1], output="identity", loss="half_sse", init=[0, 1e-10])
    optimizer = SGD(eta=1e-308, weight_decay=1e308)
    history = net.fit([[1e155]], [0], optimizer=optimizer, report=True, engine=exact)
    # δ = 1e−10 · 1e155, ∂f/∂w = δ · 1e155 = 1e300; λ w is a hundredth of that.
    assert history.gradients["l2"][0] == pytest.approx(1e300, rel=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_exact_engines_end_with_the_same_bits(data, optimizer, dtype):
    X, Y = data
    runs = []
    for engine in EXACT:
        net = network(hidden="gelu", dtype=dtype)
        options = {"epochs": 2, "batch_size": 5, "optimizer": optimizer, "validation": (X, Y)}
        history = net.fit(X, Y, report=True, engine=engine, **options)
        frames = history.frame.to_csv() + history.gradients.to_csv()
        runs.append((net.theta.tobytes(), frames))
    assert len(set(runs)) == 1
    assert net.dtype == dtype


def test_training_learns(data):
    X, Y = data
    net = network()
    history = net.fit(X, Y, epochs=60, batch_size=4, optimizer=SGD(eta=0.5), validation=(X, Y))
    assert history.frame["loss"].iloc[-1] < 0.3 * history.frame["loss"].iloc[0]
    assert history.frame["validation_accuracy"].iloc[-1] > 0.9


# --- One step, and their order ------------------------------------------------------------------


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_a_step_goes_against_the_gradient_at_the_old_weights(data, engine):
    X, Y = data
    net = network(sizes=[4, 5, 3, 2])
    before, gradient = net.theta.copy(), net.backprop(X, Y, engine=engine).gradient
    net.fit(X, Y, batch_size=N, shuffle=False, optimizer=SGD(eta=0.75), engine=engine)
    # The mean over a batch, subtracted from every layer's weights and biases at once
    np.testing.assert_array_equal(net.theta, before - 0.75 * gradient)
    assert (net.theta != before).all()  # the biases too


def test_an_epoch_takes_the_rows_in_order_and_each_step_sees_the_last_ones_weights(data, exact):
    X, Y = data
    net, by_hand = network(), network()
    net.fit(X, Y, batch_size=5, shuffle=False, optimizer=SGD(eta=0.3), engine=exact)
    for start in range(0, N, 5):
        rows = slice(start, start + 5)
        by_hand.theta[...] -= 0.3 * by_hand.backprop(X[rows], Y[rows], engine=exact).gradient
    assert net.theta.tobytes() == by_hand.theta.tobytes()


def test_fit_goes_on_from_the_present_weights(data):
    X, Y = data
    once, twice = network(), network()
    once.fit(X, Y, epochs=2, shuffle=False, batch_size=4)
    for _ in range(2):
        twice.fit(X, Y, shuffle=False, batch_size=4)
    assert once.theta.tobytes() == twice.theta.tobytes()


def test_velocity_starts_anew_in_every_call(data):
    X, Y = data
    momentum = SGD(eta=0.1, momentum=0.9)
    net, plain = network(), network()
    net.fit(X, Y, batch_size=N, optimizer=momentum)
    plain.fit(X, Y, batch_size=N, optimizer=SGD(eta=0.1))
    assert net.theta.tobytes() == plain.theta.tobytes()  # v = 0 · μ + g in a first step
    net.fit(X, Y, batch_size=N, optimizer=momentum)
    plain.fit(X, Y, batch_size=N, optimizer=SGD(eta=0.1))
    assert net.theta.tobytes() == plain.theta.tobytes()
    once = network()
    once.fit(X, Y, epochs=2, batch_size=N, optimizer=momentum)
    assert (once.theta != net.theta).any()


def test_the_default_is_sgd_with_eta_a_tenth(data):
    X, Y = data
    given, default = network(), network()
    given.fit(X, Y, epochs=1, batch_size=32, optimizer=SGD(eta=0.1), shuffle=True, seed=0)
    default.fit(X, Y)
    assert given.theta.tobytes() == default.theta.tobytes()


def test_theta_keeps_its_memory_and_w_its_views(data):
    net = network()
    theta, W = net.theta, net.W[1]
    net.fit(*data)
    assert net.theta is theta and net.W[1] is W
    assert np.shares_memory(theta, W)


# --- Shuffling ----------------------------------------------------------------------------------


def end_of(data, **options):
    net = network()
    net.fit(*data, **({"batch_size": 4} | options))
    return net.theta.tobytes()


def test_the_seed_names_the_order(data):
    assert end_of(data, seed=1) == end_of(data, seed=1)
    assert end_of(data, seed=1) != end_of(data, seed=2)
    assert end_of(data, seed=1) != end_of(data, shuffle=False)
    assert end_of(data, seed=1, shuffle=False) == end_of(data, seed=2, shuffle=False)


def test_every_epoch_has_another_order_and_uses_every_example_once(monkeypatch, data):
    orders = []

    def record(self, net, descent, order):
        orders.append(order.copy())
        return descend(self, net, descent, order)

    engine = type(training.engines.ENGINES["textbook"])
    descend = engine.descend
    monkeypatch.setattr(engine, "descend", record)
    monkeypatch.setattr(training, "SECONDS_PER_CALL", 1e9)
    network().fit(*data, epochs=3, batch_size=N, seed=4, engine="textbook")
    assert [sorted(order) for order in orders] == [list(range(N))] * 3
    assert all((a != b).any() for a, b in itertools.combinations(orders, 2))


# --- What the history tells ---------------------------------------------------------------------


def test_validation_is_measured_after_the_epoch_and_changes_nothing(data):
    X, Y = data
    Xv, Yv = X[:7] + 0.1, Y[:7]
    net, alone = network(), network()
    history = net.fit(X, Y, epochs=3, validation=(Xv, Yv))
    alone.fit(X, Y, epochs=3)
    assert net.theta.tobytes() == alone.theta.tobytes()
    assert list(history.frame.columns) == [
        "epoch", "steps", "loss", "validation_loss", "validation_accuracy"
    ]  # fmt: skip
    last = history.frame.iloc[-1]
    assert (last["validation_loss"], last["validation_accuracy"]) == net.evaluate(Xv, Yv)
    step_by_step = network()
    step_by_step.fit(X, Y, epochs=1)
    first = history.frame.iloc[0]
    assert first["validation_loss"] == step_by_step.evaluate(Xv, Yv).loss


def test_columns_without_validation_and_without_classes(data):
    X, Y = data
    assert list(network().fit(X, Y).frame.columns) == ["epoch", "steps", "loss"]
    net = network(output="identity", loss="mse")
    targets = np.eye(2)[Y]
    frame = net.fit(X, targets, validation=(X, targets)).frame
    assert list(frame.columns) == ["epoch", "steps", "loss", "validation_loss"]


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_gradients_of_every_step_against_numpy(data, engine):
    X, Y = data
    net = network()
    options = {"epochs": 2, "batch_size": 8, "seed": 3}
    _, _, gradients, _ = twins_run(net, X, Y, SGD(eta=0.2), **options)
    recording = Recording(every=1)
    history = net.fit(X, Y, optimizer=SGD(eta=0.2), report=recording, engine=engine, **options)
    frame = history.gradients
    assert frame["step"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert frame["epoch"].tolist() == [1] * 6 + [2] * 6
    assert frame["l"].tolist() == [0, 1] * 6
    for (_, row), g in zip(frame.iterrows(), itertools.chain(*gradients), strict=True):
        assert row["mean_abs"] == pytest.approx(np.abs(g).mean(), rel=1e-11)
        assert row["l2"] == pytest.approx(np.linalg.norm(g), rel=1e-11)
        assert row["max_abs"] == pytest.approx(np.abs(g).max(), rel=1e-11)
        assert row["zeros"] == 0


def test_dead_relu_units_show_as_zeros(data):
    X, Y = data
    net = network(hidden="relu")
    net.W[0][0] = [-100, 0, 0, 0, -100]  # two of five units never pass anything
    frame = net.fit(X, Y, batch_size=N, report=True).gradients
    # layer 0: 2 of 5 columns of 5; layer 1: rows 1 and 5 of x_0 … x_5, of 2
    assert frame["zeros"].tolist() == [10, 4]


def test_without_report_there_are_no_gradients(data):
    frame = network().fit(*data).gradients
    assert len(frame) == 0
    assert list(frame.columns[:3]) == ["step", "epoch", "l"]


def test_no_epochs_do_nothing(data):
    net = network()
    before = net.theta.tobytes()
    history = net.fit(*data, epochs=0)
    assert net.theta.tobytes() == before
    assert (history.steps, len(history.frame), history.epochs) == (0, 0, [])
    assert repr(history) == "<History: no finished epoch>"


def test_how_a_history_shows_itself(data):
    history = network().fit(*data, epochs=2, batch_size=8)
    loss = history.frame["loss"].iloc[-1]
    assert repr(history) == f"<History: 2 epochs, 6 steps; loss {loss:.6g}>"
    assert "<th>loss</th>" in history._repr_html_()
    assert history.seconds > 0


def test_progress_is_told_in_examples(data):
    told = []
    network().fit(*data, epochs=3, batch_size=4, progress=told.append)
    assert {(p.task, p.total) for p in told} == {("training", 3 * N)}
    done = [p.done for p in told]
    assert done == sorted(set(done)) and done[-1] == 3 * N
    assert {N, 2 * N} <= set(done)


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 1e9])
def test_how_an_epoch_is_cut_into_calls_changes_no_bit(monkeypatch, data, seconds):
    expected = end_of(data, epochs=3, optimizer=OPTIMIZERS[3])
    monkeypatch.setattr(training, "SECONDS_PER_CALL", seconds)
    assert end_of(data, epochs=3, optimizer=OPTIMIZERS[3]) == expected


def test_the_size_of_calls_is_kept_from_epoch_to_epoch(monkeypatch, data):
    """Calls grow from 1 batch by factors of 4, but not for the 13 examples that are left."""
    calls = []

    def record(self, net, descent, order):
        calls.append(len(order))
        return descend(self, net, descent, order)

    engine = type(training.engines.ENGINES["textbook"])
    descend = engine.descend
    monkeypatch.setattr(engine, "descend", record)
    monkeypatch.setattr(training, "SECONDS_PER_CALL", 1e9)
    X, Y = (np.resize(values, (18, *values.shape[1:])) for values in data)
    network().fit(X, Y, epochs=3, batch_size=1, engine="textbook")
    assert calls == [1, 4, 13, 16, 2, 18]


# --- Runs that stop early -----------------------------------------------------------------------

# One example each, whose pass is finite up to the quantity named: weights, x, y, then what, the
# layer, and where. Hidden and output are identity, the loss is sse, so that δ = −2 (y − x).
NOT_FINITE = {
    "the first sum": ([[[0], [1e200]], [[0], [1]]], 1e200, 0, "S", 0, (0, 0)),
    "the second sum": ([[[0], [1e200]], [[0], [1e200]]], 1, 0, "S", 1, (0, 0)),
    "the loss": ([[[0], [1]], [[0], [1]]], 1e200, 0, "loss", None, (0,)),
    # x = 1e-60, S = 1e140, f = 1e280, δ = 2e140; handed back through 1e200
    "the hidden δ": ([[[0], [1]], [[0], [1e200]]], 1e-60, 0, "δ", 0, (0, 0)),
    # S = 1e-60, then 1e140; δ = 2e140 twice, times x = 1e200
    "the gradient": ([[[0], [1e-60]], [[1e140], [1]]], 1e200, 0, "∂f/∂w", 0, (1, 0)),
    # δ = 2, gradient 2, step 2 · 1e308
    "a weight": ([[[0], [1]], [[0], [1]]], 1, 0, "w", 0, (0, 0)),
}


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
@pytest.mark.parametrize("case", NOT_FINITE)
def test_where_a_number_stops_being_finite(exact, case):
    W, x, y, quantity, layer, index = NOT_FINITE[case]
    net = Network([1, 1, 1], "identity", "identity", "sse", W)
    before = net.theta.tobytes()
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[x]], [y], optimizer=SGD(eta=1e308 if case == "a weight" else 0.1), engine=exact)
    stop = stopped.value
    assert (stop.quantity, stop.layer, stop.index) == (quantity, layer, index)
    assert (stop.epoch, stop.step) == (1, 1)
    assert stop.history.epochs == []
    assert net.theta.tobytes() == before
    name = quantity if layer is None else f"{quantity}^({layer})"
    assert f"epoch 1, step 1: {name} is no longer finite, first at index {index}" in str(stop)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_an_infinite_output_and_an_infinite_mean(exact):
    """exp overflows though S does not; two finite losses have a sum that is not."""
    net = Network([1, 2, 1], "exp", "identity", "sse", [[[0, 0], [1, 710]], [[0], [1], [1]]])
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[1]], [0], engine=exact)
    assert (stopped.value.quantity, stopped.value.layer) == ("x", 1)
    assert stopped.value.index == (0, 2)  # node 2, after the constant node 0
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]])
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[1.2e154], [1.2e154]], [0, 0], engine=exact)
    assert (stopped.value.quantity, stopped.value.layer) == ("loss", None)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_run_stops_at_its_first_bad_step_with_the_weights_before_it(
    monkeypatch, engine, optimizer, seconds
):
    """Two steps of two examples let w grow from 0; then S = 1e6 w is too much for e^S."""
    monkeypatch.setattr(training, "SECONDS_PER_CALL", seconds)
    net = Network([1, 1], output="exp", loss="half_sse", init="zeros")
    X = np.array([[1.0], [0.5], [2.0], [1.0], [1e6]])
    Y = np.array([2.0, 1.5, 3.0, 2.0, 1.0])
    expected = net.copy()
    options = {"optimizer": optimizer, "shuffle": False, "engine": engine}
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as stopped:
        net.fit(X, Y, batch_size=2, epochs=4, validation=(X[:2], Y[:2]), **options)
    stop = stopped.value
    assert (stop.epoch, stop.step, stop.quantity, stop.layer) == (1, 3, "x", 1)
    assert stop.history.epochs == []
    expected.fit(X[:4], Y[:4], batch_size=2, **options)
    assert net.theta.tobytes() == expected.theta.tobytes()


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_steps_are_counted_over_the_whole_run_and_finished_epochs_are_kept(exact):
    """w ← w + 0.75 (y − w) · 2² triples the distance from y with the sign changed: −2 each step."""
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]], dtype="float32")
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[2]] * 3, [0] * 3, epochs=50, batch_size=1, optimizer=SGD(eta=0.75), engine=exact)
    stop = stopped.value
    # residual r = b + 2w = 2, each step times 1 − 2 · 0.75 · 5 = −6.5; the loss r² overflows
    # float32 (3.4e38) once 2 · 6.5^(t − 1) > 1.84e19: t − 1 > ln(9.2e18) / ln 6.5 = 23.3
    assert (stop.step, stop.epoch, stop.quantity) == (25, 9, "loss")
    assert len(stop.history.epochs) == 8
    assert stop.history.steps == 24
    assert np.isfinite(net.theta).all()
    # the weights are those before step 25: residual 2 · 6.5^24
    residual = float(net.theta[0]) + 2 * float(net.theta[1])
    assert residual == pytest.approx(2 * 6.5**24, rel=1e-4)


def test_ctrl_c_keeps_the_last_finished_epoch(data, exact):
    expected = network()
    expected.fit(*data, epochs=2, batch_size=4, optimizer=OPTIMIZERS[1], engine=exact)

    def interrupt(progress):
        if progress.done > 2 * N:
            raise KeyboardInterrupt

    net = network()
    with pytest.raises(TrainingInterrupted, match="after 2 finished epochs") as stopped:
        net.fit(*data, epochs=5, batch_size=4, optimizer=OPTIMIZERS[1], engine=exact,
                progress=interrupt)  # fmt: skip
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert net.theta.tobytes() == expected.theta.tobytes()
    assert [row["epoch"] for row in stopped.value.history.epochs] == [1, 2]
    assert stopped.value.history.steps == 12


def test_ctrl_c_in_the_first_epoch_and_in_a_validation(monkeypatch, data):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    net = network()
    before = net.theta.tobytes()
    with pytest.raises(TrainingInterrupted, match="after 0 finished epochs"):
        net.fit(*data, epochs=5, progress=interrupt)
    assert net.theta.tobytes() == before
    monkeypatch.setattr(Network, "evaluate", interrupt)
    with pytest.raises(TrainingInterrupted) as stopped:
        net.fit(*data, epochs=5, validation=data)
    assert net.theta.tobytes() == before
    assert stopped.value.history.epochs == []


# --- What does not fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": np.zeros((N, 3))}, ValueError, "X: expected shape (N, 4)"),
        ({"X": np.full((N, 4), np.nan)}, ValueError, "X: expected finite float64 numbers; got nan"),
        ({"X": np.zeros((0, 4)), "Y": []}, ValueError, "X: expected at least one example"),
        ({"Y": np.zeros(N - 1, int)}, ValueError, "Y: expected 23 rows, one per row of X"),
        ({"Y": np.full(N, 2)}, ValueError, "Y: expected labels from 0 to 1; got 2 in row 0"),
        ({"epochs": -1}, ValueError, "epochs: expected an integer ≥ 0; got -1"),
        ({"epochs": 1.0}, TypeError, "epochs: expected an integer; got 1.0"),
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer ≥ 1; got 0"),
        ({"batch_size": None}, TypeError, "batch_size: expected an integer; got None"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0"),
        ({"seed": None}, TypeError, "seed: expected an integer; got None"),
        ({"shuffle": 1}, TypeError, "shuffle: expected True or False; got 1"),
        (
            {"report": "yes"},
            TypeError,
            "report: expected True, False or a loopbp.Recording; got 'yes'",
        ),
        ({"optimizer": "sgd"}, TypeError, "optimizer: expected loopbp.SGD or loopbp.Adam; got 'sg"),
        ({"optimizer": SGD}, TypeError, "optimizer: expected loopbp.SGD or loopbp.Adam; got <cla"),
        ({"engine": "numpi"}, ValueError, "engine: expected one of python"),
        ({"progress": "bar"}, TypeError, "progress: expected a callable, True or False; got 'bar'"),
        ({"validation": np.zeros((2, 4))}, TypeError, "validation: expected a pair (X, Y); got nd"),
        ({"validation": ([[1, 2, 3]], [0])}, ValueError, "validation X: expected shape (N, 4)"),
        ({"validation": ([[1, 2, 3, 4]], [5])}, ValueError, "validation Y: expected labels from 0"),
        ({"validation": ([[1, 2, 3, 4]], [])}, ValueError, "validation Y: expected 1 rows"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_does_not_fit_changes_nothing(data, arguments, error, message):
    net = network()
    before = net.theta.tobytes()
    with pytest.raises(error, match=re.escape(message)):
        net.fit(**({"X": data[0], "Y": data[1]} | arguments))
    assert net.theta.tobytes() == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(eta=0), ValueError, "eta: expected a finite number > 0; got 0"),
        (lambda: SGD(eta=-0.1), ValueError, "eta: expected a finite number > 0"),
        (lambda: SGD(eta=np.inf), ValueError, "eta: expected a finite number > 0; got inf"),
        (lambda: SGD(eta="0.1"), TypeError, "eta: expected a number; got '0.1'"),
        (lambda: SGD(momentum=1), ValueError, "momentum: expected a finite number ≥ 0 and < 1"),
        (lambda: SGD(momentum=-0.5), ValueError, "momentum: expected a finite number ≥ 0"),
        (lambda: SGD(nesterov=True), ValueError, "nesterov: expected a momentum > 0 with it"),
        (lambda: SGD(momentum=0.5, nesterov=1), TypeError, "nesterov: expected True or False"),
        (lambda: Adam(eta=np.nan), ValueError, "eta: expected a finite number > 0; got nan"),
        (lambda: Adam(beta1=1.0), ValueError, "beta1: expected a finite number ≥ 0 and < 1"),
        (lambda: Adam(beta2=-0.1), ValueError, "beta2: expected a finite number ≥ 0 and < 1"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon: expected a finite number > 0; got 0"),
        (lambda: SGD(weight_decay=-1), ValueError, "weight_decay: expected a finite number ≥ 0"),
        (lambda: Adam(weight_decay=-1), ValueError, "weight_decay: expected a finite number ≥ 0"),
    ],
)
def test_numbers_of_optimizers(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_an_empty_history_has_no_gradients():
    history = History()
    for frame in (history.gradients, history.statistics):
        assert list(frame.columns) == [
            "step", "epoch", "l", "quantity", "part", "count", "l1", "l2", "max_abs", "mean_abs",
            "mean", "std", "q01", "q05", "q50", "q95", "q99", "zeros", "subnormals", "nonfinite",
        ]  # fmt: skip
        assert frame.empty
    for frame in (history.layers, history.histograms, history.losses):
        assert frame.empty and frame.columns[0] == "step"


def test_an_error_from_progress_leaves_the_last_finished_epoch():
    net, calls = Network([2, 3, 2], seed=1), []

    def fail(progress):
        calls.append((progress.done, net.theta.copy()))
        if progress.done > 8:
            raise ZeroDivisionError

    X, Y = np.arange(16.0).reshape(8, 2) / 16, [0, 1] * 4
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, epochs=3, batch_size=8, progress=fail)
    assert [done for done, _ in calls] == [8, 16]
    assert net.theta.tobytes() == calls[0][1].tobytes()


def test_a_batch_larger_than_any_integer_of_the_machine_is_the_whole_set():
    X, Y = [[0.0, 1.0], [1.0, 0.0]], [0, 1]
    whole, huge = Network([2, 2], seed=1), Network([2, 2], seed=1)
    whole.fit(X, Y, batch_size=2, shuffle=False)
    history = huge.fit(X, Y, batch_size=2**70, shuffle=False)
    assert history.steps == 1
    assert huge.theta.tobytes() == whole.theta.tobytes()


def test_a_learning_rate_that_float32_cannot_hold():
    with pytest.raises(ValueError, match="eta: expected a number that float32 holds; got 1e"):
        Network([2, 2], dtype="float32").fit([[1, 2]], [0], optimizer=SGD(1e300))


def test_weights_that_cannot_be_written():
    net = Network([2, 2])
    net.theta.flags.writeable = False
    with pytest.raises(ValueError, match="net.theta: expected an array that can be written"):
        net.fit([[1, 2]], [0])
