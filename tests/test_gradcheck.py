"""The gradient check against derivatives by hand, and against gradients that are wrong."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import ELEMENTWISE, PAIRS, Problem

from loopbp import reference
from loopbp.gradcheck import Entry, GradientCheck, GradientCheckError, gradcheck
from loopbp.network import Network

#: Most tests are about the check and not about the loops, so they take the fastest for tiny work.
ENGINE = "numpy"


def check(net: Network, X: Any, Y: Any, **options: Any) -> GradientCheck:
    """A gradient check by the NumPy twin, unless told otherwise."""
    return gradcheck(net, X, Y, **{"engine": ENGINE, "progress": False, **options})


def problem(hidden: str = "sigmoid", depth: int = 3, *, N: int = 5, **names: Any) -> Problem:
    """A problem with `depth` layers of weights."""
    names = {"output": "softmax", "loss": "cross_entropy", "dtype": "float64", "seed": 3, **names}
    return Problem((*(3, 4, 3, 4, 3)[:depth], 3), (hidden,) * (depth - 1), N=N, **names)


def right(net: Network, X: Any, Y: Any, reduction: str = "mean") -> list[np.ndarray]:
    """The gradient by the NumPy twin's matrix products, one new array per layer."""
    trace = net.backprop(X, Y, engine="numpy", reduction=reduction)
    assert trace.grad is not None
    return [block.copy() for block in trace.grad]


def statuses(result: GradientCheck) -> set[tuple[int, int, int, str]]:
    """(layer, i, j, status) of every entry."""
    columns = (result.layer, result.i, result.j, result.status)
    return set(zip(*(column.tolist() for column in columns), strict=True))


# --- The numerical derivative by hand. ----------------------------------------------------------


def test_a_parabola_by_hand():
    net = Network([1, 1], output="identity", loss="half_sse", init=[1.0, 3.0])
    result = check(net, [[2.0]], [[5.0]])
    # S = 1 + 3·2 = 7, f = ½ (7 − 5)² = 2, δ = 7 − 5 = 2: ∂f/∂w_01 = 2, ∂f/∂w_11 = 2·2 = 4;
    # the central difference of a parabola has no truncation error, whatever the step
    np.testing.assert_allclose(result.numeric, [2, 4], rtol=1e-12)
    assert result.analytic.tolist() == [2, 4]
    assert result.passed


def toy() -> tuple[Network, list[float]]:
    """f3 = β3 + ω3 cos(β2 + ω2 exp(β1 + ω1 sin(β0 + ω0 x))), ℓ = (f3 − y)²; x = 0.7, y = 0.5.

    The network, and the eight derivatives ∂ℓ/∂β0, ∂ℓ/∂ω0, …, ∂ℓ/∂ω3 as products of the chain.
    """
    b0, w0, b1, w1, b2, w2, b3, w3 = theta = [0.3, -1.1, 0.2, 0.8, -0.4, 0.6, 0.1, 1.7]
    x, y = 0.7, 0.5
    f0 = b0 + w0 * x
    f1 = b1 + w1 * math.sin(f0)
    f2 = b2 + w2 * math.exp(f1)
    f3 = b3 + w3 * math.cos(f2)
    d3 = 2 * (f3 - y)
    d2 = d3 * w3 * -math.sin(f2)
    d1 = d2 * w2 * math.exp(f1)
    d0 = d1 * w1 * math.cos(f0)
    net = Network([1, 1, 1, 1, 1], ["sin", "exp", "cos"], "identity", "sse", init=theta)
    by_hand = [d0, d0 * x, d1, d1 * math.sin(f0), d2, d2 * math.exp(f1), d3, d3 * math.cos(f2)]
    return net, by_hand


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


# --- Wrong gradients are caught. ----------------------------------------------------------------


def faulty(net: Network, X: Any, Y: Any, wrong: Any) -> GradientCheck:
    """The check of a wrong gradient; it must fail."""
    result = check(net, X, Y, gradient=wrong)
    assert not result.passed
    assert result.worst is not None
    return result


@pytest.mark.parametrize("factor", [1.0005, 0.9995, -1.0], ids=["+0.05%", "-0.05%", "sign"])
@pytest.mark.parametrize(("hidden", "depth"), [("sigmoid", 4), ("elu", 2), ("sin", 1)])
def test_one_wrong_entry_is_caught_and_named(hidden, depth, factor):
    data = problem(hidden, depth, N=2)
    net, (X, Y) = data.network(), data.data()
    flat = np.concatenate([block.ravel() for block in right(net, X, Y)])
    for k in range(len(flat)):
        wrong = flat.copy()
        wrong[k] *= factor
        result = faulty(net, X, Y, wrong)
        assert result.errors == 1
        assert result.worst[:4] == (result.layer[k], result.i[k], result.j[k], wrong[k])


def test_the_error_of_a_wrong_entry_is_relative():
    net, by_hand = toy()
    for factor, error in [(1.0005, 0.0005 / 1.0005), (0.9995, 0.0005), (-1, 2), (3, 2 / 3)]:
        wrong = [by_hand[0] * factor, *by_hand[1:]]
        result = faulty(net, [[0.7]], [[0.5]], wrong)
        assert result.worst.name == "w_01^(0)"
        assert result.max_error == pytest.approx(error, rel=1e-5)


FAULTS = {
    "0.05 %": lambda block: block * 1.0005,
    "missing bias row": lambda block: np.vstack([0 * block[:1], block[1:]]),
    "missing column": lambda block: np.hstack([0 * block[:, :1], block[:, 1:]]),
    "mean over one example too many": lambda block: block * (5 / 6),
    "transposed": lambda block: block.T.reshape(block.shape),
}


@pytest.mark.parametrize("layer", range(5))
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_layer_is_caught_however_small_its_gradient(fault, layer):
    data = problem("sigmoid", 5)  # mean |∂f/∂w| from 1e-4 in the first layer to 1e-1 in the last
    net, (X, Y) = data.network(), data.data()
    wrong = right(net, X, Y)
    wrong[layer] = FAULTS[fault](wrong[layer])
    result = faulty(net, X, Y, wrong)
    assert {l for l, *_, status in statuses(result) if status == "error"} == {layer}
    if fault == "missing bias row":
        assert result.worst.i == 0
        assert result.errors == net.sizes[layer + 1]
    if fault == "missing column":
        assert result.worst.j == 1


def test_vanished_gradients_are_judged_by_their_own_measure():
    net = Network([4] * 9 + [2], hidden="sigmoid", seed=1)
    random = np.random.default_rng(0)
    X, Y = random.uniform(-1, 1, (6, 4)), random.integers(0, 2, 6)
    wrong = right(net, X, Y)
    assert 1e-9 < np.abs(wrong[0]).max() < 1e-6 < np.abs(wrong[-1]).max()
    assert set(check(net, X, Y).status) == {"ok"}
    largest = np.unravel_index(np.argmax(np.abs(wrong[0])), wrong[0].shape)
    wrong[0][largest] *= 1.0005
    result = faulty(net, X, Y, wrong)
    assert result.errors == 1
    assert result.worst[:3] == (0, largest[0], largest[1] + 1)


def test_gradients_below_the_rounding_of_the_loss_are_unresolved_and_not_errors():
    net = Network([3] * 20 + [2], hidden="sigmoid", seed=1)
    X, Y = [[0.5, -1.0, 1.0]], [1]
    wrong = right(net, X, Y)
    assert np.abs(wrong[0]).max() < 1e-13  # beside a loss of about 1, whose unit is 2e-16
    result = check(net, X, Y)
    assert result.passed
    assert set(result.status[result.layer == 0]) == {"unresolved"}
    assert set(result.status[result.layer >= 15]) == {"ok"}
    assert f"{result.unresolved:,} not compared: the differences are too uncertain" in str(result)
    wrong[0][0, 0] = 1e-6  # what is as large as that is wrong for certain
    assert faulty(net, X, Y, wrong).worst[:3] == (0, 0, 1)


def test_sums_are_not_means():
    data = problem(N=5)
    net, (X, Y) = data.network(), data.data()
    result = faulty(net, X, Y, right(net, X, Y, "sum"))
    assert result.errors == net.theta.size
    assert result.max_error == pytest.approx(0.8, rel=1e-6)  # 1 − 1/5, of the larger one
    assert check(net, X, Y, gradient=right(net, X, Y, "sum"), reduction="sum").passed


@pytest.mark.parametrize(
    ("activation", "derivative"),
    [
        ("sigmoid", reference.sigmoid),  # σ instead of σ (1 − σ)
        ("tanh", lambda s: 1 - np.tanh(s)),  # the square forgotten
        ("relu", np.ones_like),
        ("relu", lambda s: (s < 0).astype(float)),
        ("leaky_relu", reference.relu_derivative),
        ("elu", np.ones_like),
        ("cos", np.sin),  # the sign forgotten
        ("silu", reference.sigmoid),  # the product rule forgotten
        ("gelu", reference.normal_cdf),
    ],
)
def test_a_wrong_activation_derivative_is_caught(monkeypatch, activation, derivative):
    data = problem(activation, 3, N=6)
    net, (X, Y) = data.network(), data.data()
    assert check(net, X, Y).passed
    monkeypatch.setitem(reference.DERIVATIVES, activation, derivative)
    result = check(net, X, Y)
    assert not result.passed
    # two wrong signs are right again
    wrong = {1} if activation == "cos" else {0, 1}
    assert {l for l, *_, status in statuses(result) if status == "error"} == wrong


def test_a_gradient_that_is_not_finite_is_an_error(monkeypatch):
    data = problem("tanh", 2)
    net, (X, Y) = data.network(), data.data()
    monkeypatch.setitem(reference.DERIVATIVES, "tanh", lambda s: np.full_like(s, np.nan))
    result = check(net, X, Y)
    assert set(result.status[result.layer == 0]) == {"error"}
    assert result.max_error == np.inf
    assert result.worst is not None and result.worst.layer == 0


# --- Kinks. -------------------------------------------------------------------------------------


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


# --- The sample. --------------------------------------------------------------------------------


BIG = Network([30, 40, 50, 3], hidden="tanh", seed=2)
BIG_X = np.random.default_rng(5).uniform(-1, 1, (2, 30))
BIG_Y = [0, 2]


def test_every_layer_and_its_biases_are_in_the_sample():
    result = check(BIG, BIG_X, BIG_Y, sample=100)
    # six blocks share 100: the 3 biases of the last layer are all there are, 97 are left for the
    # other five: 19, 19, 19, 20, 20, the smaller blocks first
    blocks = result.summary.set_index(["layer", "block"])["checked"].to_dict()
    assert blocks == {
        (0, "biases"): 19,
        (0, "weights"): 20,
        (1, "biases"): 19,
        (1, "weights"): 20,
        (2, "biases"): 3,
        (2, "weights"): 19,
    }
    assert len(np.unique(result.frame[["layer", "i", "j"]], axis=0)) == 100
    assert result.parameters == BIG.theta.size == 3443
    assert "100 of 3,443 parameters" in str(result)
    assert result.passed


def test_the_sample_belongs_to_its_seed():
    first, second, other = (check(BIG, BIG_X, BIG_Y, sample=60, seed=seed) for seed in (4, 4, 5))
    assert first.frame.equals(second.frame)
    assert statuses(first) != statuses(other)


def test_the_entries_of_a_sample_are_those_of_the_gradient():
    result = check(BIG, BIG_X, BIG_Y, sample=80)
    grad = right(BIG, BIG_X, BIG_Y)
    for entry in result.frame.itertuples():
        assert entry.analytic == grad[entry.layer][entry.i, entry.j - 1]


def test_large_networks_are_sampled_by_default():
    # 3,443 parameters are more than 3,000; 40-50-17 has 50·41 + 17·51 = 2,917
    assert len(check(BIG, BIG_X, BIG_Y).frame) == 1000
    net = Network([40, 50, 17], hidden="tanh")
    assert len(check(net, np.ones((1, 40)), [3]).frame) == net.theta.size == 2917


def test_a_missing_bias_row_is_caught_in_the_smallest_sample():
    wrong = right(BIG, BIG_X, BIG_Y)
    wrong[1][0] = 0
    result = check(BIG, BIG_X, BIG_Y, gradient=wrong, sample=6)
    assert (result.errors, len(result.frame)) == (1, 6)
    assert result.worst is not None and result.worst[:2] == (1, 0)


def test_more_than_all_is_all():
    data = problem()
    net, (X, Y) = data.network(), data.data()
    assert len(check(net, X, Y, sample=10**9).frame) == net.theta.size


# --- float32, engines, options. -----------------------------------------------------------------


def test_a_float32_network_is_checked_on_a_float64_copy():
    data = problem("gelu", dtype="float32")
    net, (X, Y) = data.network(), data.data()
    before = net.theta.tobytes()
    result = check(net, X, Y)
    assert result.max_error <= 1e-7
    assert result.analytic.dtype == result.numeric.dtype == np.float64
    assert result.dtype == "float32"
    assert "the float32 network was checked on a float64 copy" in str(result)
    assert net.theta.tobytes() == before
    copy = check(net.copy(dtype="float64"), X, Y / Y.sum(axis=1, keepdims=True, dtype=float))
    assert copy.numeric.tolist() == result.numeric.tolist()
    # its own gradient is off by float32's rounding
    own = net.backprop(X, Y, engine="numpy").gradient
    assert not check(net, X, Y, gradient=own).passed
    assert check(net, X, Y, gradient=own, tolerance=1e-3).passed


def test_targets_that_sum_to_one_in_float32_only():
    net = Network([2, 3], dtype="float32", seed=1)
    Y = np.full((1, 3), 0.33333, "float32")  # the sum is 0.99999
    assert check(net, [[1.0, 2.0]], Y).max_error <= 1e-8


@pytest.mark.parametrize("engine", ["python", "textbook", "numpy", "auto"])
def test_every_engine_passes(engine):
    data = problem("silu", 2, N=2)
    net, (X, Y) = data.network(), data.data()
    result = gradcheck(net, X, Y, engine=engine)
    assert result.passed
    assert result.engine in str(result)
    assert result.engine == engine or engine == "auto"


def test_a_gradient_may_be_one_vector_or_layers():
    data = problem()
    net, (X, Y) = data.network(), data.data()
    blocks = right(net, X, Y)
    vector = np.concatenate([block.ravel() for block in blocks])
    results = [check(net, X, Y, gradient=form) for form in (blocks, tuple(blocks), vector)]
    assert [result.analytic.tolist() for result in results] == [vector.tolist()] * 3
    assert "the given gradient against" in str(results[0])


def test_labels_are_targets():
    net = problem().network()
    X = problem().data()[0]
    labels, rows = check(net, X, [0, 1, 2, 1, 0]), check(net, X, np.eye(3)[[0, 1, 2, 1, 0]])
    assert labels.numeric.tolist() == rows.numeric.tolist()


def test_progress_counts_the_parameters():
    seen = []
    check(problem().network(), *problem().data(), progress=seen.append)
    assert [state.done for state in seen] == list(range(1, 44))
    assert {state.total for state in seen} == {43}


# --- What the result says. ----------------------------------------------------------------------


def test_frame_and_summary():
    net, by_hand = toy()
    wrong = [by_hand[0], by_hand[1] + 0.5, *by_hand[2:]]
    result = check(net, [[0.7]], [[0.5]], gradient=wrong)
    columns = ["layer", "i", "j", "analytic", "numeric", "error", "status"]
    assert list(result.frame.columns) == columns
    assert result.frame["status"].tolist() == ["ok", "error", *["ok"] * 6]
    assert result.frame["analytic"].tolist() == wrong
    summary = result.summary.set_index(["layer", "block"])
    assert list(summary.index) == [(l, block) for l in range(4) for block in ("biases", "weights")]
    assert summary.loc[(0, "weights"), "mean_difference"] == pytest.approx(0.5)
    assert summary.loc[(0, "weights"), "mean_analytic"] == pytest.approx(abs(wrong[1]))
    assert summary.loc[(0, "biases"), "mean_difference"] < 1e-9
    assert summary["checked"].tolist() == [1] * 8
    assert summary["error"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_mean_differences_of_the_blocks_leave_kinks_out():
    net = Network([1, 2, 1], "relu", "identity", "sse", init=[1.0, 0.0, 0.5, 1.0, 0.1, 0.2, 0.3])
    # S = 1 + 0.5·x = 1.5 and S = 0 + 1·x: with x = 0 the second unit stands on the kink
    result = check(net, [[0.0]], [[1.0]])
    row = result.summary.iloc[0]
    assert (row["checked"], row["ok"], row["kink"]) == (2, 1, 1)
    # f = (1 − x)², x = 0.1 + 0.2·1 + 0.3·0 = 0.3: δ^(1) = −1.4, ∂f/∂w_01^(0) = −1.4·0.2
    assert row["mean_analytic"] == pytest.approx(0.28, rel=1e-12)
    assert row["mean_difference"] < 1e-10


@pytest.mark.parametrize(
    ("layer", "i", "j", "name"),
    [
        (2, 2, 1, "w_21^(2)"),
        (0, 0, 1, "w_01^(0)"),
        (1, 2, 10, "w_2,10^(1)"),
        (0, 64, 3, "w_64,3^(0)"),
    ],
)
def test_names_of_entries(layer, i, j, name):
    assert Entry(layer, i, j, 0.0, 0.0, 0.0, "ok").name == name


def test_the_text_is_short_and_names_the_worst():
    wrong = right(BIG, BIG_X, BIG_Y)
    wrong[1][12, 33] *= -1
    result = check(BIG, BIG_X, BIG_Y, gradient=wrong, sample=3443)
    lines = str(result).splitlines()
    assert lines[0] == "Gradient check failed: 3,443 entries compared, 1 beyond tolerance"
    assert lines[1] == "worst: w_12,34^(1), relative error 2.0e+00"
    assert max(len(line) for line in lines) <= 80
    assert len(lines) <= 20
    assert repr(result).startswith("<GradientCheck failed: 3,442 ok, 1 error, 0 kink, 0 unres")
    html = result._repr_html_()
    assert "w_12,34^(1)" in html
    assert html.count("<tr") == 7


def test_raise_if_failed():
    net, by_hand = toy()
    assert check(net, [[0.7]], [[0.5]]).raise_if_failed() is None
    result = check(net, [[0.7]], [[0.5]], gradient=[-by_hand[0], *by_hand[1:]])
    with pytest.raises(GradientCheckError, match=r"worst: w_01\^\(0\)") as caught:
        result.raise_if_failed()
    assert caught.value.check is result


# --- What comes in. -----------------------------------------------------------------------------

NET = Network([2, 3, 2])
X = [[1.0, 2.0], [0.5, -1.0]]
Y = [0, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"net": "net"}, TypeError, "net: expected a loopbp.Network; got 'net'"),
        ({"X": [[1.0, 2.0, 3.0]]}, ValueError, r"X: expected shape \(N, 2\).*got \(1, 3\)"),
        ({"X": [[1.0, math.nan], [0, 0]]}, ValueError, "X: .*nan in row 0, column 1"),
        ({"Y": [0, 2]}, ValueError, "Y: expected labels from 0 to 1; got 2 in row 1"),
        ({"Y": [0]}, ValueError, "Y: expected 2 rows"),
        ({"engine": "textbok"}, ValueError, "engine: .*did you mean 'textbook'"),
        ({"reduction": "average"}, ValueError, "reduction: expected one of mean, sum"),
        ({"tolerance": 0}, ValueError, "tolerance: expected a finite number > 0 and < 1; got 0"),
        ({"step": 2.0}, ValueError, "step: expected a finite number ≥ 1e-06 and ≤ 1; got 2.0"),
        ({"sample": 3}, ValueError, "sample: expected an integer ≥ 4; got 3"),
        ({"sample": 10.0}, TypeError, "sample: expected an integer; got 10.0"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0; got -1"),
        ({"progress": 3}, TypeError, "progress: expected a callable"),
        ({"gradient": [1.0, 2.0]}, ValueError, r"gradient: expected the 17 derivatives.*\(2,\)"),
        ({"gradient": "abc"}, TypeError, "gradient: expected an array of real numbers"),
        ({"gradient": [[[1.0], [1, 2]], [[1.0]]]}, TypeError, r"gradient\[0\]: expected an array"),
        (
            {"gradient": [np.ones((3, 3)), np.ones((2, 4))]},
            ValueError,
            r"gradient\[1\]: expected shape \(4, 2\), like net.W\[1\]; got \(2, 4\)",
        ),
        ({"gradient": np.full(17, np.inf)}, ValueError, "gradient: .*inf in index 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(arguments, error, message):
    given = {"net": NET, "X": X, "Y": Y, **arguments}
    with pytest.raises(error, match=message):
        gradcheck(given.pop("net"), given.pop("X"), given.pop("Y"), **given)


def test_weights_and_losses_must_be_finite():
    net = NET.copy()
    net.W[1][2, 0] = np.nan
    with pytest.raises(ValueError, match=r"net.W\[1\]: .* row 2, column 0"):
        check(net, X, Y)
    net = Network([1, 1], output="exp", loss="sse", init=[0.0, 400.0])  # f = e^800
    with pytest.raises(ValueError, match=r"X: .*loss are finite.*got overflow in row 1"):
        check(net, [[0.0], [1.0]], [[0.0], [0.0]])
    # e^800 = ∞ inside, but tanh of it is 1 and the loss is finite
    net = Network([1, 1, 1], "exp", "tanh", "sse", init=[0.0, 800.0, 0.0, 1.0])
    with pytest.raises(ValueError, match=r"X: .*in every layer.*got overflow in row 0"):
        check(net, [[1.0]], [[0.0]])


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.floats(),
    st.integers(-5, 5),
    st.lists(st.floats(), max_size=2),
)


@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from(
        ["sample", "seed", "tolerance", "step", "engine", "reduction", "gradient"]
    ),
    value=junk,
)
def test_any_argument_is_used_or_refused_by_name(name, value):
    try:
        result = check(NET, X, Y, **{name: value})
    except (TypeError, ValueError) as refusal:
        assert str(refusal).startswith(f"{name}: expected")
    else:
        assert len(result.frame) > 0


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    sample=st.integers(8, 40),
    seed=st.integers(0, 2**64),
)
def test_samples_of_any_network(sizes, sample, seed):
    net = Network(sizes, hidden="tanh", output="identity", loss="sse", seed=1)
    result = check(net, np.ones((1, sizes[0])), np.ones((1, sizes[-1])), sample=sample, seed=seed)
    entries = set(result.frame[["layer", "i", "j"]].itertuples(index=False, name=None))
    assert len(entries) == len(result.frame) == min(sample, net.theta.size)
    for l, W in enumerate(net.W):
        rows = {i for layer, i, _ in entries if layer == l}
        assert 0 in rows and max(rows) > 0
        assert all(0 <= i < W.shape[0] and 1 <= j <= W.shape[1] for m, i, j in entries if m == l)
