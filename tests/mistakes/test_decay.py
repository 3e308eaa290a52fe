"""Gradients of f + λ/2 Σ w²: the term by hand, and correct code that is never accused."""

from __future__ import annotations

import numpy as np
import pytest
from problems import PROBLEMS

import loopbp
from loopbp.mistakes import Examiner

X, Y = [[2, 1], [1, -1]], [[10], [2]]
#: w_1^(1) = 3; w_1^(0) = 1 and w_2^(0) = 2; biases ½ and −1.
W1, W0, b1, b0 = np.array([3.0]), np.array([1.0, 2]), 0.5, -1.0
#: Sums over the two examples of `test_hand_computed`; their means are half of it.
SUMS = {"W1": np.array([-3.0]), "W0": np.array([-6.0, -3]), "b1": -4.0, "b0": -3.0}
LAMBDA, ETA = 0.25, 0.5


def network() -> loopbp.Network:
    """2-1-1 with relu and f = (y − x)²."""
    weights = [[[b0], *W0[:, None]], [[b1], W1]]
    return loopbp.Network([2, 1, 1], "relu", "identity", "sse", weights)


def gradients(
    term: float, divisor: int = 2, layers: str = "01", biases: float = 0.0
) -> dict[str, np.ndarray]:
    """Σ δ x / divisor + term · w in these layers."""
    a, b = (term if l in layers else 0 for l in "01")
    return {
        "dW1": SUMS["W1"][:, None] / divisor + b * W1[:, None],
        "dW0": SUMS["W0"][:, None] / divisor + a * W0[:, None],
        "db1": np.array([SUMS["b1"] / divisor + biases * b1]),
        "db0": np.array([SUMS["b0"] / divisor + biases * b0]),
    }


def names_of(found: loopbp.Diagnosis) -> list[list[str]]:
    return [[finding.mistake.name for finding in way] for way in found.explanations]


def test_the_term_is_added_once_to_the_mean_and_to_the_sum():
    """−3/2 + ¼ · 3 = −¾ and −3 + ¾ = −9/4; the bias has no term."""
    assert gradients(LAMBDA)["dW1"] == -0.75 and gradients(LAMBDA, 1)["dW1"] == -2.25
    for reduction, divisor in (("mean", 2), ("sum", 1)):
        examiner = Examiner(network(), X, Y, reduction=reduction, weight_decay=LAMBDA)
        right = gradients(LAMBDA, divisor)
        assert examiner.diagnose(right).agrees
        found = examiner.diagnose(right | {"dW1": np.array([[-0.5]])})
        assert (found.first.expected, found.first.got) == (right["dW1"], -0.5)
        found = examiner.diagnose(right | {"db1": np.array([7.0])})
        assert (found.first.name, found.first.expected) == ("∂f/∂w_01^(1)", -4 / divisor)
        assert names_of(examiner.diagnose(gradients(0, divisor))) == [["decay-left-out"]]
    trace = network().backprop(X, Y)  # ∂f/∂w, which no engine adds the term to
    found = loopbp.diagnose(network(), X, Y, trace, weight_decay=LAMBDA)
    assert found.summary == "the decay term is left out of the gradient"


@pytest.mark.parametrize(
    ("computed", "told"),
    [
        (gradients(0), [["decay-left-out"]]),
        (gradients(LAMBDA, layers="0"), [["decay-left-out"]]),
        (gradients(LAMBDA / 2), [["decay-divided"]]),
        (gradients(-LAMBDA), [["decay-sign"]]),
        (gradients(LAMBDA, biases=LAMBDA), [["decay-of-biases"]]),
        # of two examples, a term for each of them is twice the term, and their sum twice the mean
        (gradients(2 * LAMBDA), [["decay-doubled"], ["decay-per-example"]]),
        (gradients(-2 * LAMBDA),
         [["decay-doubled", "decay-sign"], ["decay-per-example", "decay-sign"]]),
        (gradients(LAMBDA, divisor=1), [["sum-instead-of-mean"], ["accumulated"]]),
        (gradients(LAMBDA, divisor=-2), [["error-swapped"], ["gradient-sign"]]),
        (gradients(-LAMBDA, divisor=-2),
         [["error-swapped", "decay-sign"], ["gradient-sign", "decay-sign"]]),
        (gradients(2 * LAMBDA, divisor=1),
         [[one, other] for one in ("sum-instead-of-mean", "accumulated")
          for other in ("decay-doubled", "decay-per-example")]),
    ],
)  # fmt: skip
def test_each_term_by_hand(computed, told):
    found = loopbp.diagnose(network(), X, Y, computed, weight_decay=LAMBDA)
    assert sorted(map(sorted, names_of(found))) == sorted(map(sorted, told)), found


def test_the_place_of_the_term_shows_in_the_new_weights():
    """3 − ½ (−3/2 + ¾) = 27/8; without η it is 3 + ¾ − ¾ = 3, with the term in neither 15/4."""
    examiner = Examiner(network(), X, Y, eta=ETA, weight_decay=LAMBDA)
    without = {"dW1": gradients(0)["dW1"]}
    assert examiner.diagnose({"dW1": [[-0.75]], "W1_new": [[3.375]]}).agrees
    for new, told in (
        (3.375, [["decay-in-step-only"]]),
        (3.0, [["decay-without-eta"]]),
        (3.75, [["decay-left-out"]]),
    ):
        found = examiner.diagnose(without | {"W1_new": np.array([[new]])})
        assert names_of(found) == told, found
    # The step alone does not tell that the gradient has no term, nor the gradient what the step is.
    assert examiner.diagnose({"W1_new": [[3.375]]}).agrees
    places = {"decay-left-out", "decay-in-step-only", "decay-without-eta"}
    assert {name for (name,) in names_of(examiner.diagnose(without))} == places


@pytest.mark.parametrize("engine", ["textbook", "tiled", "numpy"])
def test_our_own_steps_are_right(engine):
    """Of `fit` with the same λ, in either dtype."""
    for problem in PROBLEMS[::9]:
        net, batch = problem.network(), problem.data()
        stepped = net.copy()
        optimizer = loopbp.SGD(eta=0.1, weight_decay=0.3)
        stepped.fit(*batch, epochs=1, batch_size=problem.N, optimizer=optimizer, engine=engine)
        new = {f"W{l}_new": w for l, w in enumerate(stepped.W)}
        assert loopbp.diagnose(net, *batch, new, eta=0.1, weight_decay=0.3).agrees
        if np.abs(net.W[-1][1:]).max() > 1e-2:
            assert not loopbp.diagnose(net, *batch, new, eta=0.1).agrees


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", PROBLEMS[::7], ids=str)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_other_ways_to_the_term_are_not_accused(problem, dtype, reduction):
    """In each example's gradient; in the sum before it is divided; w (1 − η λ) in the step."""
    net, (inputs, targets) = problem.network(), problem.data()
    number = np.dtype(dtype).type
    decay, eta, N = number(0.07), number(0.1), number(problem.N)
    trace = net.copy(dtype=dtype).backprop(inputs.astype(dtype), targets.astype(dtype))
    examiner = Examiner(net, inputs, targets, eta=0.1, reduction=reduction, weight_decay=0.07)
    mean = reduction == "mean"
    for x, delta, l in zip(trace.x, trace.delta, range(net.L), strict=False):
        w = net.W[l].astype(dtype)
        rows = np.arange(len(w))[:, None] > 0
        each = [np.outer(a, d) for a, d in zip(x, delta, strict=True)]
        share = decay * w * rows / (number(1) if mean else N)
        inside = sum((one + share for one in each), start=np.zeros_like(w))
        plain = sum(each, start=np.zeros_like(w))
        before = plain + (N if mean else number(1)) * decay * w * rows
        grads = (inside / N, before / N) if mean else (inside, before)
        gradient = plain / N if mean else plain
        steps = (
            w * (1 - eta * decay * rows) - eta * gradient,
            w - eta * gradient - eta * decay * w * rows,
        )
        for grad, new in zip(grads, steps, strict=True):
            assert grad.dtype == new.dtype == number
            found = examiner.diagnose({f"grad{l}": grad, f"W{l}_new": new})
            assert found.agrees, found
