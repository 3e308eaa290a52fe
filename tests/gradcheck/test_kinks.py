"""Where the step meets a kink."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loopbp.network import Network

from .cases import check, faulty, problem, right, statuses


def one_kink(hidden: str, s: float) -> tuple[Network, list[list[float]], list[list[float]]]:
    """1-1-1 with S^(0) = w_01 + w_11 x = s, outputs identity, sse."""
    x, w = 2.0, 0.75
    net = Network([1, 1, 1], hidden, "identity", "sse", init=[s - w * x, w, 0.5, -1.5])
    return net, [[x]], [[1.0]]


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu"])
@pytest.mark.parametrize("s", [1e-7, -1e-7, 0.0])
def test_within_the_step_of_a_kink(hidden, s):
    net, X, Y = one_kink(hidden, s)
    result = check(net, X, Y)
    # the weights above the kink do not move S^(0), so they are compared
    kinks = {(0, 0, 1, "kink"), (0, 1, 1, "kink")}
    assert statuses(result) == kinks | {(1, 0, 1, "ok"), (1, 1, 1, "ok")}
    assert result.passed
    assert result.kinks == 2
    assert "2 not compared: a kink" in str(result)
    # x^(1) ≈ 0, f = (1 − 0.5)²: δ^(1) = −2 (1 − 0.5) = −1, δ^(0) = δ^(1) w_11 g′ = 1.5 g′
    slope = 1.0 if s > 0 else {"relu": 0.0, "leaky_relu": 0.01}[hidden]
    np.testing.assert_allclose(result.analytic[:2], [1.5 * slope, 3 * slope], atol=1e-5)
    # the central difference across the kink lies between the two one-sided derivatives
    assert 0 < result.numeric[0] < 1.5
    # what is wrong elsewhere is still wrong
    wrong = [*result.analytic[:2], result.analytic[2] * 1.0005, result.analytic[3]]
    assert faulty(net, X, Y, wrong).worst.name == "w_01^(1)"


@pytest.mark.parametrize("s", [1e-3, -1e-3, 1e-5])
def test_near_a_kink_the_step_becomes_smaller(s):
    net, X, Y = one_kink("relu", s)
    result = check(net, X, Y)
    assert set(result.status) == {"ok"}
    assert faulty(net, X, Y, result.analytic * [1.0005 if s > 0 else 0, 1, 1, 1] + (s < 0)).errors


def test_a_kink_above_the_weight():
    # identity, then relu: S^(1) = 0.5 + 2·(−0.25) + 1e-7, moved by all weights of layers 0 and 1
    init = [0.0, -0.25, 0.5 + 1e-7, 2.0, 1.0, 1.0]
    net = Network([1, 1, 1, 1], ["identity", "relu"], "identity", "sse", init=init)
    result = check(net, [[1.0]], [[3.0]])
    assert {(l, status) for l, *_, status in statuses(result)} == {
        (0, "kink"),
        (1, "kink"),
        (2, "ok"),
    }


def test_zeros_with_relu_stand_on_the_kink():
    net = Network([3, 4, 2], hidden="relu", init="zeros")
    result = check(net, [[1.0, 0.0, -2.0]], [1])
    # S^(0) = 0 for every unit; the weight of an input 0 does not move it
    kinks = {(0, i, j, "kink") for i in (0, 1, 3) for j in (1, 2, 3, 4)}
    assert {entry for entry in statuses(result) if entry[3] != "ok"} == kinks
    assert result.passed


def test_nothing_compared_is_not_passed():
    net = Network([2, 2], output="relu", loss="sse", init="zeros")
    result = check(net, [[1.0, 2.0]], [[1.0, 2.0]])
    assert result.kinks == 6
    assert not result.passed
    assert result.worst is None
    assert math.isnan(result.max_error)
    assert "no entry could be compared" in str(result)


@pytest.mark.parametrize("s", [0.0, 1e-8, -1e-8])
def test_elu_has_a_derivative_at_zero(s):
    net, X, Y = one_kink("elu", s)
    result = check(net, X, Y)
    # δ^(0) = 1.5 g′(0) with g′(0) = 1, as in the test of the kinks
    np.testing.assert_allclose(result.numeric[:2], [1.5, 3.0], rtol=1e-6)
    assert set(result.status) == {"ok"}
    assert result.max_error <= 1e-7
    wrong = result.analytic.copy()
    wrong[0] *= 1.0005
    assert faulty(net, X, Y, wrong).worst.name == "w_01^(0)"


def test_many_examples_near_kinks():
    data = problem("relu", 3, N=200)
    net, (X, Y) = data.network(), data.data()
    result = check(net, X, Y)
    assert result.errors == 0
    assert result.kinks <= 2  # of 43, although most are within the first step of some kink
    wrong = right(net, X, Y)
    wrong[0] *= 1.0005
    assert faulty(net, X, Y, wrong).worst.layer == 0
