"""Scaling: the other ways to a gradient are right, and memory is counted right."""

from __future__ import annotations

import numpy as np
import pytest

from loopbp.benchmark import scaling
from loopbp.network import Network


@pytest.fixture
def example() -> tuple[Network, np.ndarray, np.ndarray]:
    net = Network([3, 4, 2, 2], hidden="tanh", output="tanh", loss="half_sse", seed=3)
    for W in net.W:
        W[0] = 0.1  # biases count
    random = np.random.default_rng(0)
    return net, random.random((1, 3)), random.random((1, 2))


def test_sums_over_paths_are_the_gradient(example: tuple[Network, np.ndarray, np.ndarray]) -> None:
    net, X, Y = example
    expected = net.backprop(X, Y, engine="numpy").gradient
    np.testing.assert_allclose(scaling.sums_over_paths(net, X, Y), expected, rtol=1e-12)


def test_central_differences_are_the_gradient(
    example: tuple[Network, np.ndarray, np.ndarray],
) -> None:
    net, X, Y = example
    before = net.theta.copy()
    expected = net.backprop(X, Y, engine="numpy").gradient
    found = scaling.central_differences(net, X, Y)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert (net.theta == before).all()


def test_another_gradient_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = scaling.sums_over_paths
    monkeypatch.setattr(scaling, "sums_over_paths", lambda *a: right(*a) * (1 + 1e-5))
    with pytest.raises(ArithmeticError, match="paths: its gradient is another one"):
        scaling.measure_ways([2, 2, 2])


def test_memory_per_layer() -> None:
    """784-128-64-32-10 in float32, 100 examples; x of hidden layers has the constant column."""
    first, *_, last = scaling.memory_held("numpy", (784, 128, 64, 32, 10), 100)
    assert (first.weights, first.gradient) == (785 * 128 * 4, 785 * 128 * 4)
    assert (first.S, first.x, first.delta) == (100 * 128 * 4, 100 * 129 * 4, 100 * 128 * 4)
    assert (last.layer, last.weights, last.x) == (3, 33 * 10 * 4, 100 * 10 * 4)


def test_a_pass_is_counted_per_weight_and_example() -> None:
    """6 + 2 weights and biases, 10 examples, 0.24 µs beyond 0.16 µs."""
    one = scaling.Pass(3, 2, 8, 10, forward=1.6e-7, gradients=4.0e-7)
    assert one.per_weight == pytest.approx(5e-9)
    assert one.backward_over_forward == pytest.approx(1.5)
