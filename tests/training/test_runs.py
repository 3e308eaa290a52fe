"""Whole runs against the NumPy twin, and weight decay."""

from __future__ import annotations

import numpy as np
import pytest
from problems import DTYPES, EXACT

from loopbp.engines import ENGINES
from loopbp.optimizers import SGD, OptimizerState

from .cases import OPTIMIZERS, N, network, twins_run


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
