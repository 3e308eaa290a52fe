"""Numbers that are nearly right are observed, and nothing is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem

import loopbp
from loopbp.mistakes.nearly import rounded_up

PROBLEM = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 12, "float64", 1)
ETA = 0.1
TOLD = "relative to the largest of their array"


def right() -> dict[str, np.ndarray]:
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    return {f"grad{l}": grad for l, grad in enumerate(net.backprop(X, Y).grad)}


def diagnose(computed: dict[str, np.ndarray]):
    return loopbp.diagnose(PROBLEM.network(), *PROBLEM.data(), computed, eta=ETA)


def test_an_epsilon_in_the_logarithm():
    """With −y / (x + ε) for −y / x, a sum y / (x + ε) x of the derivative is 1 − ε / x."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    trace = net.backprop(X, Y)
    x, hidden = trace.x[2], trace.x[1]
    share = (Y / (x + 1e-8) * x).sum(axis=1, keepdims=True)
    delta = x * share - Y / (x + 1e-8) * x
    grad = hidden.T @ delta / len(X)
    r = np.abs(grad - trace.grad[1]).max() / np.abs(trace.grad[1]).max()
    found = diagnose({"grad1": grad})
    assert found.verdict == "unexplained" and found.mistakes == ()
    (said,) = found.observations
    told = float(said.split()[4])
    assert 1e-10 < r <= told <= 2 * r
    assert said.startswith("all numbers are within ") and TOLD in said
    assert said.endswith("as with an ε in a logarithm, differences in place of derivatives, or "
                         "rounding on the way")  # fmt: skip


def test_a_factor_that_is_nearly_one_is_no_multiple():
    found = diagnose({name: 0.999983 * grad for name, grad in right().items()})
    (said,) = found.observations
    assert f"within 2e-05 of the right ones, {TOLD}:" in said


@pytest.mark.parametrize(("share", "said"), [(9e-4, True), (1.1e-3, False)])
def test_how_near_is_near(share, said):
    grads = right()
    at = np.unravel_index(np.abs(grads["grad1"]).argmin(), grads["grad1"].shape)
    grads["grad1"] = grads["grad1"].copy()
    grads["grad1"][at] += share * np.abs(grads["grad1"]).max()
    found = diagnose(grads)
    assert found.verdict == "unexplained"
    assert [f"within 0.0009 of the right ones, {TOLD}:" in one for one in found.observations] == (
        [True] if said else []
    )
    grads["grad0"] = np.full_like(grads["grad0"], np.nan)
    assert diagnose(grads).observations == ()


def test_new_weights_are_near_if_their_step_is():
    """η is small: what no gradient has to do with is near the new weights as well."""
    net, grads = PROBLEM.network(), right()
    nearly = {f"W{l}_new": w - ETA * (g := grads[f"grad{l}"]) - 1.9e-5 * ETA * np.abs(g).max()
              for l, w in enumerate(net.W)}  # fmt: skip
    (said,) = diagnose(nearly).observations
    assert f"within 2e-05 of the right ones, {TOLD} (of new weights: the largest step):" in said
    random = np.random.default_rng(0)
    eta = 1e-6
    other = {f"W{l}_new": w - eta * random.normal(size=w.shape) for l, w in enumerate(net.W)}
    found = loopbp.diagnose(net, *PROBLEM.data(), other, eta=eta)
    assert found.verdict == "unexplained" and found.observations == ()


@pytest.mark.parametrize(("decimals", "said"), [(5, True), (4, True), (3, False), (2, False)])
def test_a_calculation_by_hand_that_rounds_every_number(decimals, said):
    """All of it is right but for the last decimals; of few of them nobody can say that."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    (W1, W2), R = net.W, lambda numbers: np.round(numbers, decimals)
    a = R(1 / (1 + np.exp(-R(X @ W1[1:] + W1[0]))))
    e = np.exp(R(a @ W2[1:] + W2[0]))
    d2 = R(R(e / e.sum(axis=1, keepdims=True)) - Y)
    d1 = R(R(d2 @ W2[1:].T) * R(a * (1 - a)))
    found = diagnose({"dz2": d2, "dz1": d1, "dW2": R(a.T @ d2 / 12), "dW1": R(X.T @ d1 / 12)})
    told = [one.partition(" of the last decimal")[0] for one in found.observations]
    assert [one.startswith("all numbers are within ") for one in told] == ([True] if said else [])
    assert not found.explanations
    if said:
        assert found.verdict == "unexplained" and told[0].split()[-1] in ("unit", "units")


def test_one_digit_rounded_up():
    assert [rounded_up(r) for r in (2.1e-9, 3e-9, 9.5e-4, 9e-4)] == pytest.approx(
        [3e-9, 3e-9, 1e-3, 9e-4], rel=1e-12
    )
