"""Distances in ulps, and the bounds of what rounding alone can do."""

from __future__ import annotations

import numpy as np
import pytest
from problems import PROBLEMS, Problem

from loopbp.network import Network
from loopbp.rounding import CONFIDENCE, SCALINGS, forward_bounds, gradient_bounds, ulps

FLOAT32 = [problem for problem in PROBLEMS if problem.dtype == "float32"]


def test_ulps_count_the_steps_between_neighbours() -> None:
    a = np.array([1, 1, -1, 0, -5e-324, 1, 2, -1], np.float64)
    b = np.array([1, 1 + 2**-52, -1 - 2**-51, -0.0, 5e-324, 2, 1, 1], np.float64)
    # between 1 and 2 lie 2^52 steps; from −1 to 1 twice those from 0 to 1, 1023 · 2^52
    assert ulps(a, b).tolist() == [0, 1, 2, 0, 2, 2**52, 2**52, 2 * 1023 * 2**52]


def test_ulps_in_float32() -> None:
    a = np.array([1, 1, 0, np.float32(3e38)], np.float32)
    b = np.array([2, 1 + 2**-23, 1e-45, -np.float32(3e38)], np.float32)
    assert ulps(a, b)[:3].tolist() == [2**23, 1, 1]
    assert ulps(a, b)[3] == 2 * int(np.float32(3e38).view(np.int32))


def test_what_is_not_a_number_is_infinitely_far() -> None:
    a = np.array([np.nan, np.nan, np.inf, np.inf, 1.0])
    b = np.array([np.nan, 1.0, np.inf, -np.inf, np.inf])
    assert ulps(a, b)[[0, 1, 4]].tolist() == [np.inf] * 3
    assert ulps(a, b)[2] == 0


def test_ulps_of_two_dtypes_are_refused() -> None:
    with pytest.raises(TypeError, match="float32, float64"):
        ulps(np.zeros(1, np.float32), np.zeros(1))


def test_bounds_by_hand() -> None:
    # 1-1, identity, half_sse, one example: S = ½ + 3·2, δ = S − y, ∂f/∂w_0 = δ, ∂f/∂w_1 = 2 δ
    net = Network([1, 1], output="identity", loss="half_sse", init=np.array([0.5, 3.0]))
    trace = net.backprop([[2.0]], [[1.5]])
    u = 2.0**-53

    def gamma(n: int) -> float:
        return (n + SCALINGS) * u / (1 - (n + SCALINGS) * u)

    E_S = gamma(2) * 6.5
    assert forward_bounds(trace).S[0].item() == pytest.approx(E_S, rel=1e-12)
    assert forward_bounds(trace).x[1].item() == pytest.approx(E_S, rel=1e-12)
    E_f = E_S + gamma(1) * 5  # ∂f/∂x = x − y = 5, rounded
    E_delta = E_f + gamma(1) * 5  # times g′ = 1
    E_bias = gamma(1) * 5 + E_delta
    found = gradient_bounds(trace).grad[0].ravel()
    assert found.tolist() == pytest.approx([E_bias, 2 * E_bias], rel=1e-12)


@pytest.mark.parametrize("problem", FLOAT32, ids=str)
def test_float32_is_within_the_bounds_of_float64(problem: Problem) -> None:
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X, Y)
    exact = net.copy(dtype="float64").backprop(X.astype(float), _summing(Y, problem.loss))
    assert trace.grad is not None and exact.grad is not None
    forward, bounds = forward_bounds(trace), gradient_bounds(trace)
    for ours, truth, E in zip(trace.S, exact.S, forward.S, strict=True):
        assert (np.abs(ours - truth) <= E).all()
    assert (np.abs(trace.x[-1] - exact.x[-1]) <= forward.x[-1]).all()
    for ours, truth, E in zip(trace.grad, exact.grad, bounds.grad, strict=True):
        assert (np.abs(ours - truth) <= E).all()


@pytest.mark.parametrize("problem", FLOAT32, ids=str)
def test_the_bounds_see_an_error_of_a_hundredth(problem: Problem) -> None:
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X, Y)
    assert trace.grad is not None
    for g, E in zip(trace.grad, gradient_bounds(trace, likely=True).grad, strict=True):
        assert (0.01 * np.abs(g) > 2 * E).any() or not g.any()


@pytest.mark.parametrize("problem", FLOAT32[:30], ids=str)
def test_likely_bounds_hold_too_and_are_smaller_where_sums_are_long(problem: Problem) -> None:
    net, (X, Y) = problem.network(), problem.data()
    trace, other = net.backprop(X, Y), net.backprop(X, Y, engine="numpy")
    assert trace.grad is not None and other.grad is not None
    bounds = gradient_bounds(trace, likely=True).grad
    for ours, theirs, E in zip(trace.grad, other.grad, bounds, strict=True):
        assert (np.abs(ours.astype(float) - theirs) <= 2 * E).all()


def test_likely_bounds_grow_with_the_root_of_the_number_of_terms() -> None:
    n = 1000
    ones = np.ones(n + 1)
    net = Network([n, 1], output="identity", loss="half_sse", init=ones, dtype="float32")
    trace = net.backprop(np.ones((1, n)), [[0.0]])
    worst, likely = (gradient_bounds(trace, likely=k).grad[0][0, 0] for k in (False, True))
    # S has n + 1 terms; then come ∂f/∂x, g′ and the sum over one example
    sums, rest = n + 1 + SCALINGS, 1 + SCALINGS
    expected = (sums + 3 * rest) / (CONFIDENCE * (sums**0.5 + 3 * rest**0.5))
    assert worst / likely == pytest.approx(expected, rel=1e-3)


def test_a_sum_at_a_kink_may_fall_on_either_side() -> None:
    # S = 0.1 + 0.2 − 0.3: 0 in exact arithmetic of the decimals, ±1 rounding here
    net = Network([3, 1, 1], "relu", "identity", "half_sse", dtype="float64")
    net.W[0][...] = [[0], [1], [1], [-1]]
    net.W[1][...] = [[0], [1]]
    trace = net.backprop([[0.1, 0.2, 0.1 + 0.2], [1, 1, 1]], [[5.0], [0.0]], reduction="sum")
    bounds = gradient_bounds(trace)
    assert bounds.kinks == 1
    # δ of the first example is −5 or 0: the whole of it is within the bound
    assert bounds.grad[0][1, 0] == pytest.approx(0.5, rel=1e-9)
    smooth = gradient_bounds(trace).grad[1]
    assert smooth.max() < 1e-13


def test_bounds_that_overflow_are_infinite_not_nan() -> None:
    net = Network([2, 2, 2], "exp", "identity", "sse", init="zeros", dtype="float32")
    net.W[0][0] = 85
    bounds = gradient_bounds(net.backprop([[1e-3, 1e-3]], [[1.0, 0.0]]))
    assert not any(np.isnan(part).any() for part in bounds.grad)


def _summing(Y: np.ndarray, loss: str) -> np.ndarray:
    """The targets in float64; where they have to sum to 1, float32 is off by its rounding."""
    targets = Y.astype(np.float64)
    return targets / targets.sum(axis=1, keepdims=True) if loss == "cross_entropy" else targets
