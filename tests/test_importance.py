"""Descent on weighted means of the losses, with a weight decay that every step divides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from problems import DTYPES, EXACT

from loopbp import SGD, Adam, Network, engines
from loopbp.optimizers import Optimizer, OptimizerState
from loopbp.workspace import Descent, Workspace

OPTIMIZERS = [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.01)]
OUTPUTS = {
    "cross_entropy": ("softmax", 3),
    "binary_cross_entropy": ("sigmoid", 1),
    "half_sse": ("identity", 3),
    "sse": ("softmax", 3),
}
N = 45


def network(loss: str, dtype: str) -> Network:
    """Two hidden layers, with that loss."""
    output, outputs = OUTPUTS[loss]
    return Network([7, 9, 5, outputs], hidden="tanh", output=output, loss=loss, dtype=dtype)


def examples(net: Network) -> tuple[Any, Any, Any]:
    """X, Y and what each example counts for, some of them nothing."""
    random = np.random.default_rng(5)
    X, Y = random.normal(size=(N, 7)), np.zeros((N, net.sizes[-1]))
    Y[np.arange(N), random.integers(0, net.sizes[-1], N)] = 1
    importance = random.integers(0, 4, N)
    return tuple(array.astype(net.dtype) for array in (X, Y, importance))


def run(
    net: Network,
    X: Any,
    Y: Any,
    importance: Any,
    *,
    engine: str = "auto",
    batch_size: int = 8,
    optimizer: Optimizer = OPTIMIZERS[0],
    penalty: float = 0.0,
) -> tuple[Any, Any]:
    """The weights after an epoch, and the losses of its steps."""
    theta = net.theta.copy()
    weighted = importance is not None
    descent = Descent(
        theta=theta,
        grad=np.empty_like(theta),
        inputs=X,
        targets=Y,
        work=Workspace.allocate(net.architecture, batch_size, weighted=weighted),
        batch_size=batch_size,
        optimizer=optimizer,
        state=OptimizerState.start(optimizer, theta),
        importance=importance,
        penalty=penalty,
    )
    steps = engines.find(engine).descend(net.architecture, descent, np.arange(len(X)))
    return theta, steps.loss


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["descent", "momentum", "adam"])
@pytest.mark.parametrize("loss", OUTPUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_engines_agree_bit_for_bit_and_the_twin_nearly(dtype, loss, optimizer):
    net = network(loss, dtype)
    data = examples(net)
    found = {
        name: run(net, *data, engine=name, optimizer=optimizer, penalty=0.3)
        for name in (*EXACT, "numpy")
    }
    for name in EXACT:
        for ours, expected in zip(found[name], found["python"], strict=True):
            assert ours.tobytes() == expected.tobytes(), name
    eps = np.finfo(dtype).eps
    for ours, expected in zip(found["tiled"], found["numpy"], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=50 * eps, atol=10 * eps)


@pytest.mark.parametrize("loss", OUTPUTS)
def test_counting_twice_is_standing_there_twice(loss):
    net = network(loss, "float64")
    X, Y, importance = examples(net)
    again = np.repeat(np.arange(N), importance.astype(int))
    weighted = run(net, X, Y, importance, batch_size=N)
    repeated = run(net, X[again], Y[again], None, batch_size=len(again))
    for ours, expected in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)
    assert np.abs(weighted[0] - net.theta).max() > 1e-3


@pytest.mark.parametrize("name", ["textbook", "auto"])
def test_one_step_by_hand(name):
    # S = x = w_0 + 2 w_1 and w_0 + 4 w_1, f = (x − y)² / 2, w = (1, 0.5), y = 0, c = 1 and 3:
    # x = 2 and 3; f = (1 · 2 + 3 · 4.5) / 4; ∂f/∂w_0 = (2 + 9) / 4, ∂f/∂w_1 = (4 + 36) / 4.
    net = Network([1, 1], output="identity", loss="half_sse", init=[1.0, 0.5], dtype="float64")
    X, Y, importance = np.array([[2.0], [4.0]]), np.zeros((2, 1)), np.array([1.0, 3.0])
    theta, loss = run(net, X, Y, importance, engine=name, optimizer=SGD(0.5), penalty=2.0)
    assert loss == [3.875]
    # λ = 2 / 4 is for w_1 alone: 10 + 0.5 · 0.5.
    assert theta.tolist() == [1 - 0.5 * 2.75, 0.5 - 0.5 * 10.25]


@pytest.mark.parametrize("name", ["textbook", "auto"])
def test_the_penalty_is_divided_by_the_size_of_each_batch(name):
    # With x = 0 and y = w_0 only the penalty is left: w_1 ← w_1 (1 − η α / N), N = 2 and then 1.
    net = Network([1, 1], output="identity", loss="half_sse", init=[1.0, 0.5], dtype="float64")
    X, Y = np.zeros((3, 1)), np.ones((3, 1))
    theta, loss = run(net, X, Y, None, engine=name, batch_size=2, optimizer=SGD(0.5), penalty=1.0)
    assert loss.tolist() == [0, 0]
    assert theta.tolist() == [1.0, 0.5 * 0.75 * 0.5]


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_examples_that_count_for_nothing_at_all_end_the_run():
    net = network("sse", "float64")
    X, Y, importance = examples(net)
    theta, loss = run(net, X, Y, 0 * importance)
    assert np.isnan(loss).tolist() == [True]
    assert np.array_equal(theta, net.theta)
