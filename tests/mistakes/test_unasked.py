"""Weight decay of another λ than was asked for is observed, and nothing is made of it."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem

import loopbp
from loopbp.mistakes.unasked import Interval, Rest

PROBLEM = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 12, "float64", 1)
ETA = 0.1


def somebodys(
    decay: float,
    biases: float = 0.0,
    reduction: str = "mean",
    layers: tuple[int, ...] = (0, 1),
    problem: Problem = PROBLEM,
) -> dict[str, np.ndarray]:
    """Gradients with λ w, the biases' λ apart, and the weights after a step against them."""
    net, (X, Y) = problem.network(), problem.data()
    found = {}
    for l, w in enumerate(net.W):
        grad = net.backprop(X, Y, reduction=reduction).grad[l].copy()
        if l in layers:
            grad[1:] += decay * w[1:]
            grad[0] += biases * w[0]
        found |= {f"dW{l}": grad[1:], f"db{l}": grad[0], f"W{l}_new": w - ETA * grad}
    return found


def part(arrays: dict[str, np.ndarray], *beginnings: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if name.startswith(beginnings)}


def diagnose(computed: dict[str, np.ndarray], problem: Problem = PROBLEM, **options):
    return loopbp.diagnose(problem.network(), *problem.data(), computed, eta=ETA, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_decay_that_was_not_asked_for(reduction):
    computed = part(somebodys(0.02, reduction=reduction), "d")
    found = diagnose(computed, reduction=reduction)
    assert found.verdict == "unexplained" and found.mistakes == ()
    told = "dW1, dW0 are the expected plus 0.02 w, but for the biases: as with weight decay 0.02"
    assert found.observations == (told,)
    assert f"Observed: {told}." in " ".join(str(found).split())
    assert max(map(len, str(found).splitlines())) <= 80
    assert diagnose(computed, reduction=reduction, weight_decay=0.02).agrees


def test_what_is_said_of_the_biases():
    """Those that decay too; those of which nothing was given; those that are 0 in any case."""
    found = diagnose(part(somebodys(0.02, biases=0.02), "d"))
    told = "are the expected plus 0.02 w, biases as well: as with weight decay 0.02"
    assert found.observations == (f"dW1, db1, dW0, db0 {told}",)
    found = diagnose(part(somebodys(0.02), "dW"))
    assert found.observations == (
        "dW1, dW0 are the expected plus 0.02 w: as with weight decay 0.02",
    )
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    for w in net.W:
        w[0] = 0
    computed = {f"grad{l}": grad.copy() for l, grad in enumerate(net.backprop(X, Y).grad)}
    for l, w in enumerate(net.W):
        computed[f"grad{l}"][1:] -= 0.02 * w[1:]
    found = loopbp.diagnose(net, X, Y, computed)
    assert found.observations == ("grad1, grad0 are the expected minus 0.02 w",)


def test_new_weights_are_read_as_a_step():
    found = diagnose(part(somebodys(0.02), "W"))
    told = "W1_new, W0_new are the expected minus η 0.02 w, but for the biases"
    assert found.observations == (f"{told}: as with weight decay 0.02",)
    # the gradients are those of f alone; the step's are not
    found = diagnose(part(somebodys(0.0), "d") | part(somebodys(-0.02), "W"))
    assert found.observations == (told.replace("minus", "plus"),)


def test_another_decay_than_was_asked_for():
    """0.02 instead of 0.05: a part of 0.03 is missing, in the biases that decay none."""
    found = diagnose(part(somebodys(0.02), "d"), weight_decay=0.05)
    told = "dW1, dW0 are the expected minus 0.03 w"
    assert found.observations == (f"{told}, but for the biases: as with weight decay 0.02",)
    # biases that decay have all of 0.02, since none of 0.05 is expected
    found = diagnose(part(somebodys(0.02, biases=0.02), "d"), weight_decay=0.05)
    assert found.observations == (
        "dW1, db1, dW0, db0 are the expected minus 0.03 w, biases as well: as with weight decay "
        "0.02",
    )
    found = diagnose(part(somebodys(-0.02), "d"), weight_decay=0.05)
    assert found.observations == ("dW1, dW0 are the expected minus 0.07 w, but for the biases",)


@pytest.mark.parametrize(
    "computed",
    [
        part(somebodys(0.02, layers=(0,)), "d"),
        part(somebodys(0.02, biases=0.01), "d"),
        part(somebodys(0.02, layers=(0,)), "d") | part(somebodys(0.03, layers=(1,)), "dW1"),
        part(somebodys(0.0, biases=0.02), "d"),
        part(somebodys(0.02), "d") | {"dW1": somebodys(0.02)["dW1"] + 1e-9 * np.eye(6, 3)},
        part(somebodys(0.02), "d") | {"dW1": np.full((6, 3), np.nan)},
        {"dW0": somebodys(0.0)["dW0"] + 0.02 * np.sign(PROBLEM.network().W[0][1:])},
    ],
    ids=["one layer", "biases by half", "two factors", "biases only", "one off", "nan", "L1"],
)
def test_where_one_number_is_another_nothing_is_observed(computed):
    found = diagnose(computed)
    assert found.verdict == "unexplained" and found.observations == ()


def test_numbers_with_few_digits():
    """float32, 5 decimals and 2; none where so few are left that the factor is not known to 1 %."""
    single = {name: array.astype(np.float32) for name, array in somebodys(0.2).items()}
    told = "dW1, dW0 are the expected plus 0.2 w, but for the biases: as with weight decay 0.2"
    assert diagnose(part(single, "d")).observations == (told,)
    for decimals in (5, 2):
        rounded = {name: np.round(array, decimals) for name, array in somebodys(0.2).items()}
        assert diagnose(part(rounded, "d")).observations == (told,)
    # of these new weights layer 0 is 1.03 times the expected within rounding too: that is not said
    new = part(somebodys(0.01), "W")
    rounded = {name: np.round(array[1:], 3) for name, array in new.items()}
    found = diagnose(rounded, weight_decay=0.3)
    told = "W1_new, W0_new are the expected plus η 0.29 w: as with weight decay 0.01"
    assert found.observations == (told,)
    rounded = {name: np.round(array, 1) for name, array in somebodys(0.2).items()}
    found = diagnose(part(rounded, "d"), decimals=1)
    assert found.verdict == "unexplained" and found.observations == ()


def test_a_term_that_was_added_for_each_example():
    """5000 w / N, N times in float32, is off by more than the rounding of 5000 w itself."""
    problem = Problem((5, 3), (), "softmax", "cross_entropy", 2000, "float32", 2)
    net, (X, Y) = problem.network(), problem.data()
    total, share = np.zeros((5, 3), np.float32), np.float32(5000 / 2000) * net.W[0][1:]
    for x, delta in zip(X, net.backprop(X, Y).delta[0], strict=True):
        total += np.outer(x, delta) / np.float32(2000) + share
    found = loopbp.diagnose(net, X, Y, {"dW0": total})
    assert found.observations == ("dW0 is the expected plus 5000 w: as with weight decay 5000",)


def test_two_weights_tell_nothing():
    """Any two numbers are nearly so; of three it is said."""
    for n, said in ((2, 0), (3, 1)):
        net = loopbp.Network([n, 1], output="identity", loss="half_sse", init=[[[0]] + [[0.5]] * n])
        grad = net.backprop([[1] * n], [[1]]).grad[0]
        found = loopbp.diagnose(net, [[1] * n], [[1]], {"dW0": grad[1:] + 0.35})
        assert found.verdict == "unexplained" and len(found.observations) == said


def test_the_factors_that_entries_leave():
    """0.2 ± 0.05 of 1, 0.4 ± 0.05 of 2, −0.2 ± 0.05 of −1: the second leaves 0.175 to 0.225."""
    r, w = np.array([0.2, 0.4, -0.2, 0.01]), np.array([1.0, 2, -1, 0])
    low, high = Rest(r, np.full(4, 0.05), w).factors
    assert (low, high) == (pytest.approx(0.175, rel=1e-14), pytest.approx(0.225, rel=1e-14))
    # 0.01 where the weight is 0 is no multiple of it, unless that is rounding
    assert Rest(r, np.full(4, 0.005), w).factors.empty
    assert not Rest(r[:3], np.full(3, 0.005), w[:3]).factors.empty


def test_the_plainest_number_of_an_interval():
    assert Interval(0.0199, 0.0204).plainest == 0.02
    assert Interval(-0.31, -0.28).plainest == -0.3
    assert Interval(1.23456, 1.23458).plainest == 1.23457
    assert Interval(1 / 3, 1 / 3).plainest == 1 / 3
    assert Interval(0.0, 1.0).within(Interval(2.0, 3.0)).empty
    assert Interval(0.0, 1.0).moved(2).within(Interval(3.0, 4.0)) == (3, 3)
