"""Wrong gradients are caught, and named."""

from __future__ import annotations

import numpy as np
import pytest

from loopbp import reference
from loopbp.network import Network

from .cases import check, faulty, problem, right, statuses, toy


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
