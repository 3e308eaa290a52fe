"""The numerical derivative by hand, and correct gradients, which pass with margin."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from problems import ELEMENTWISE, PAIRS

from loopbp.network import Network

from .cases import check, problem, toy

# --- The numerical derivative by hand. ----------------------------------------------------------


def test_a_parabola_by_hand():
    net = Network([1, 1], output="identity", loss="half_sse", init=[1.0, 3.0])
    result = check(net, [[2.0]], [[5.0]])
    # S = 1 + 3·2 = 7, f = ½ (7 − 5)² = 2, δ = 7 − 5 = 2: ∂f/∂w_01 = 2, ∂f/∂w_11 = 2·2 = 4;
    # the central difference of a parabola has no truncation error, whatever the step
    np.testing.assert_allclose(result.numeric, [2, 4], rtol=1e-12)
    assert result.analytic.tolist() == [2, 4]
    assert result.passed


def test_the_toy_model_of_composite_functions():
    net, by_hand = toy()
    result = check(net, [[0.7]], [[0.5]])
    np.testing.assert_allclose(result.numeric, by_hand, rtol=1e-9)
    np.testing.assert_allclose(result.analytic, by_hand, rtol=1e-14)
    assert result.passed
    assert result.frame[["layer", "i", "j"]].to_numpy().tolist() == [
        [l, i, 1] for l in range(4) for i in (0, 1)
    ]


def test_the_numerical_derivative_does_not_look_at_the_gradient():
    data = problem("gelu")
    net, (X, Y) = data.network(), data.data()
    nonsense = np.full(net.theta.shape, 17.0)
    assert check(net, X, Y, gradient=nonsense).numeric.tolist() == check(net, X, Y).numeric.tolist()


# --- Correct gradients pass, with margin. -------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 3] if numba.config.DISABLE_JIT else [1, 2, 3, 4, 5])
@pytest.mark.parametrize("pair", range(len(PAIRS)), ids=["-".join(pair) for pair in PAIRS])
def test_every_activation_and_loss_passes_with_margin(pair, depth):
    output, loss = PAIRS[pair]
    hidden = ELEMENTWISE[(5 * pair + depth) % 12]  # with every output another five
    N = 2 if numba.config.DISABLE_JIT else 5
    data = problem(hidden, depth, output=output, loss=loss, N=N, seed=pair)
    net, (X, Y) = data.network(), data.data()
    if hidden == "exp":
        net.theta *= 0.3  # towers of exponentials overflow
    result = check(net, X, Y, engine="auto")
    assert set(result.status) == {"ok"}
    assert result.max_error <= 1e-7


@pytest.mark.parametrize("hidden", ELEMENTWISE)
@pytest.mark.parametrize("depth", [2, 5])
def test_every_hidden_activation_passes_with_margin(hidden, depth):
    data = problem(hidden, depth, seed=0)
    net, (X, Y) = data.network(), data.data()
    if hidden == "exp":
        net.theta *= 0.3
    result = check(net, X, Y, reduction="sum")
    assert set(result.status) == {"ok"}
    assert result.max_error <= 1e-7


@pytest.mark.parametrize("size", [1e-9, 255.0, 1e6])
def test_the_step_follows_the_size_of_the_inputs(size):
    data = problem("tanh", 2, output="identity", loss="half_sse")
    net, (X, Y) = data.network(), data.data()
    net.W[0][1:] /= size  # the same sums from inputs in another unit
    result = check(net, X * size, Y)
    assert result.passed
    assert result.max_error <= 1e-8
    assert result.unresolved == 0


def test_the_divisor_is_the_distance_of_the_rounded_weights():
    # w moves in units of 2·10⁻¹⁰ and h is 3·10⁻³ at most, so that 2h would be off by 10⁻⁸ or so
    net = Network([1, 1], output="identity", loss="half_sse", init=[1234567.0, 0.0])
    result = check(net, [[0.0]], [[1234566.0]], step=1e-6)
    assert result.numeric[0] == pytest.approx(1, rel=1e-10)


def test_a_weight_too_large_for_the_step():
    # h = σ / x = 3·10⁻¹⁷ would not move w = 1 at all; f = ½ (10¹⁴)², ∂f/∂w_11 = 10²⁸
    net = Network([1, 1], output="identity", loss="half_sse", init=[0.0, 1.0])
    result = check(net, [[1e14]], [[0.0]])
    assert result.passed
    np.testing.assert_allclose(result.numeric[1], 1e28, rtol=1e-8)
    check(net, [[1e14]], [[0.0]], step=1e-6)


def test_a_node_that_is_always_zero_has_the_derivative_zero():
    net, X = problem().network(), np.array([[0.0, 1.0, -1.0], [0.0, 0.5, 2.0]])
    result = check(net, X, [0, 2])
    dead = (result.layer == 0) & (result.i == 1)
    assert np.count_nonzero(dead) == 4
    assert not result.numeric[dead].any()
    assert set(result.status) == {"ok"}


def test_what_cancels_among_large_entries_is_not_asked_for_digits():
    # x = 1 and x = −1 with the same error: the weight's two terms cancel, the bias's do not
    net = Network([1, 1], output="identity", loss="half_sse", init=[1.0, 0.0])
    result = check(net, [[1.0], [-1.0]], [[0.0], [0.0]], gradient=[1.0, 1e-12])
    assert result.passed
    # 10⁻⁶ would be a real error: it is 10⁻⁴ of the floor, 0.01 times the bias's derivative 1
    result = check(net, [[1.0], [-1.0]], [[0.0], [0.0]], gradient=[1.0, 1e-6])
    assert result.worst is not None and result.worst.name == "w_11^(0)"
    assert result.worst.error == pytest.approx(1e-4, rel=1e-3)
    assert result.errors == 1


def test_a_step_into_overflow_is_made_smaller():
    # f = e^(2S) with S = 354: e^708 is finite, but S + 1 is not: e^710 = ∞
    net = Network([1, 1], output="exp", loss="sse", init=[0.0, 354.0])
    result = check(net, [[1.0]], [[0.0]], step=1.0)
    assert result.passed
    assert result.max_error <= 1e-8


def test_the_network_is_not_modified():
    data = problem()
    net, (X, Y) = data.network(), data.data()
    before = net.theta.tobytes(), X.tobytes(), Y.tobytes()
    check(net, X, Y)
    assert (net.theta.tobytes(), X.tobytes(), Y.tobytes()) == before
