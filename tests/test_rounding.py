"""Distances in ulps, and the bounds of what rounding alone can do."""

from __future__ import annotations

import numpy as np
import pytest
from problems import PROBLEMS, Problem

from loopbp.network import Network
from loopbp.rounding import (
    CONFIDENCE,
    EVALUATION,
    SCALINGS,
    forward_bounds,
    gradient_bounds,
    loss_bound,
    ulps,
)

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


def test_bounds_through_two_layers_by_hand() -> None:
    # 1-1-1, identity, weights 3 and 2, no biases: S = 3 and 6, δ = 6 − 5 = 1 and 2 · 1
    net = Network([1, 1, 1], "identity", "identity", "half_sse", np.array([0.0, 3, 0, 2]))
    trace = net.backprop([[1.0]], [[5.0]])
    u = 2.0**-53
    one, two = (1 + SCALINGS) * u, (2 + SCALINGS) * u  # γ of so many terms
    E_x = 3 * two
    E_S = 6 * two + 2 * E_x
    assert forward_bounds(trace).S[1].item() == pytest.approx(E_S, rel=1e-9)
    E_delta = E_S + 2 * one  # x − y, and times g′ = 1
    E_below = 2 * one + 2 * E_delta + 2 * one  # the sum over k, and times g′ = 1
    found = gradient_bounds(trace).grad
    assert found[1][1, 0] == pytest.approx(3 * one + 3 * E_delta + E_x, rel=1e-9)
    assert found[0][0, 0] == pytest.approx(2 * one + E_below, rel=1e-9)


def test_the_errors_of_a_library_s_functions_by_hand() -> None:
    # all weights 0: S = 0 exactly, x = σ(0) = ½ and g′ = ¼ are as good as the library's σ
    net = Network([1, 1], (), "sigmoid", "half_sse", init="zeros")
    trace = net.backprop([[1.0]], [[2.5]])
    u = 2.0**-53
    assert forward_bounds(trace).x[1].item() == pytest.approx(EVALUATION * u, rel=1e-12)
    nine = (1 + SCALINGS) * u  # δ = ∂f/∂x g′ = −2 · ¼, then ∂f/∂w = δ
    E_delta = 2 * EVALUATION * u + (EVALUATION * u + nine * 2) / 4 + nine * 0.5
    found = gradient_bounds(trace).grad[0]
    assert found.ravel().tolist() == pytest.approx([E_delta + nine * 0.5] * 2, rel=1e-9)


def test_the_bound_of_a_loss_by_hand() -> None:
    # 1-1, identity: S = ½ + 3·2 = 6.5, f = (6.5 − 1.5)² = 25; |6.5 ± 2 E − 1.5|² is 20 E off
    net = Network([1, 1], output="identity", loss="mse", init=np.array([0.5, 3.0]))
    u = 2.0**-53
    E_S = (2 + SCALINGS) * u * 6.5
    found = loss_bound(net.backprop([[2.0]], [[1.5]]))
    assert found == pytest.approx(20 * E_S + (3 + SCALINGS) * u * 25, rel=1e-9)


def test_the_bound_of_a_logarithm_by_hand() -> None:
    # all weights 0: x = σ(0) = ½ up to E = 16 u; −ln ½ moves by 2 E / ½, and is rounded itself
    net = Network([1, 1], init="zeros", loss="binary_cross_entropy", output="sigmoid")
    u, entropy = 2.0**-53, np.log(2)
    E_x = EVALUATION * u
    found = loss_bound(net.backprop([[1.0]], [[1.0]]))
    expected = 4 * E_x + EVALUATION * u * (1 + entropy) + (3 + SCALINGS) * u * entropy
    assert found == pytest.approx(expected, rel=1e-9)


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
    assert trace.loss is not None and exact.loss is not None
    assert abs(float(trace.loss) - float(exact.loss)) <= loss_bound(trace)


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


def test_products_that_underflow_are_within_the_bounds() -> None:
    # w x = 10⁻⁵⁰ and δ x = 10⁻⁴⁶ are 0 in float32, which no relative error explains
    for weight, y in ((1e-25, 0.0), (0.0, -1e-21)):
        net = Network([1, 1], (), "identity", "sse", np.array([0.0, weight]), dtype="float32")
        trace = net.backprop([[1e-25]], [[y]])
        exact = net.copy(dtype="float64").backprop(trace.x[0][:, 1:], trace.y)
        assert trace.grad is not None and exact.grad is not None
        assert trace.grad[0][1, 0] == 0 and exact.grad[0][1, 0] != 0
        assert (np.abs(trace.S[0] - exact.S[0]) <= forward_bounds(trace).S[0]).all()
        assert (np.abs(trace.grad[0] - exact.grad[0]) <= gradient_bounds(trace).grad[0]).all()


def test_bounds_that_overflow_are_infinite_not_nan() -> None:
    # S = 10¹⁰ − 10¹⁰ = 0 give or take 10⁴; e^S is anything, and times a weight of 0 it is NaN
    net = Network([2, 1, 1, 1], ("identity", "exp"), "identity", "sse", "zeros", dtype="float32")
    net.W[0][1:] = [[1e10], [-1e10]]
    net.W[1][1:] = 1
    trace = net.backprop([[1.0, 1.0]], [[1.0]])
    assert forward_bounds(trace).S[2].item() == np.inf
    assert gradient_bounds(trace).grad[2].tolist() == [[np.inf], [np.inf]]


def _summing(Y: np.ndarray, loss: str) -> np.ndarray:
    """The targets in float64; where they have to sum to 1, float32 is off by its rounding."""
    targets = Y.astype(np.float64)
    return targets / targets.sum(axis=1, keepdims=True) if loss == "cross_entropy" else targets
