"""Another learning rate is observed, and nothing is made of it."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem

import loopbp

PROBLEM = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 12, "float64", 1)
ETA = 0.1


def stepped(eta: float, decay: float = 0.0, layers: tuple[int, ...] = (0, 1)) -> dict:
    """The weights after a step of this length in these layers, of the right one elsewhere."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    found = {}
    for l, grad in enumerate(net.backprop(X, Y).grad):
        rate, w = eta if l in layers else ETA, net.W[l]
        found[f"W{l}_new"] = w[1:] - rate * (grad[1:] + decay * w[1:])
        found[f"b{l}_new"] = w[0] - rate * grad[0]
    return found


def diagnose(computed: dict[str, np.ndarray], **options):
    return loopbp.diagnose(PROBLEM.network(), *PROBLEM.data(), computed, eta=ETA, **options)


@pytest.mark.parametrize("decay", [0, 0.3])
def test_another_learning_rate(decay):
    found = diagnose(stepped(0.02, decay), weight_decay=decay)
    assert found.verdict == "unexplained" and found.mistakes == ()
    told = (
        "the steps of W1_new, b1_new, W0_new, b0_new are 0.2 times the expected: as with η = 0.02"
    )
    assert found.observations == (told,)


def test_in_one_array():
    computed = stepped(ETA) | {"W0_new": stepped(0.02)["W0_new"]}
    found = diagnose(computed)
    assert found.observations == ("the step of W0_new is 0.2 times the expected: as with η = 0.02",)


def test_two_rates():
    found = diagnose(stepped(0.03, layers=(0,)) | {"W1_new": stepped(0.07)["W1_new"]})
    assert found.observations == (
        "the step of W1_new is 0.7 times the expected: as with η = 0.07",
        "the steps of W0_new, b0_new are 0.3 times the expected: as with η = 0.03",
    )


def test_a_step_back_is_that_of_no_rate():
    found = diagnose(stepped(-0.03))
    (told,) = found.observations
    assert told.endswith("are −0.3 times the expected")


def test_rounded_weights():
    found = diagnose({name: np.round(array, 5) for name, array in stepped(0.3).items()})
    (told,) = found.observations
    assert told.endswith("are 3 times the expected: as with η = 0.3")


def test_of_wrong_gradients_it_is_not_said():
    """Three times the gradient, and the step that it leads to; the right gradient, and a step."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    right = {f"grad{l}": grad for l, grad in enumerate(net.backprop(X, Y).grad)}
    wrong = {name: 3 * grad for name, grad in right.items()}
    found = diagnose(wrong | stepped(3 * ETA))
    assert found.verdict == "unexplained"
    assert not any("step" in one for one in found.observations)
    (told,) = diagnose(right | stepped(3 * ETA)).observations
    assert told.endswith("are 3 times the expected: as with η = 0.3")


def test_where_one_number_is_another_nothing_is_observed():
    computed = stepped(0.02, layers=(0,))
    del computed["b0_new"]
    computed["W0_new"][1, 1] += 0.01
    found = diagnose(computed)
    assert found.verdict == "unexplained" and found.observations == ()
