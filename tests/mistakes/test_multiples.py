"""Constant multiples of the right numbers are observed, and nothing is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem, hand_computed
from students import compute

import loopbp
from loopbp.mistakes.multiples import factor
from loopbp.mistakes.rounding import Bounded

PROBLEM = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 12, "float64", 1)


def exactly(*values: float) -> Bounded:
    return Bounded(np.array(values), np.full(len(values), 1e-15))


@pytest.mark.parametrize(
    ("c", "told"),
    [(12, "12 times"), (-3, "−3 times"), (1 / 12, "1/12 of"), (-0.5, "−1/2 of"),
     (0.7, "0.7 times"), (1.5, "1.5 times"), (2.5, "2.5 times"), (-7.25, "−7.25 times")],
)  # fmt: skip
def test_the_factor_is_said_as_plainly_as_it_can_be(c, told):
    E = np.array([0.3, -1.7, 0.0, 2.9])
    error = np.full(4, 1e-15)
    assert factor(c * E, error, exactly(*E)) == told
    # to 3 decimals, c E is off by up to 0.0005
    assert factor(np.round(c * E, 3), np.full(4, 0.0005), exactly(*E)) == told


def test_what_is_no_multiple():
    """One entry off; a number where 0 is expected; too few entries, or all 0; not a number."""
    E, error = np.array([0.3, -1.7, 0.0, 2.9]), np.full(4, 1e-15)
    assert factor(12 * E + [0, 1e-9, 0, 0], error, exactly(*E)) is None
    assert factor(12 * E + [0, 0, 1e-9, 0], error, exactly(*E)) is None
    assert factor(12 * E + [0, np.nan, 0, 0], error, exactly(*E)) is None
    assert factor((1 + 1e-9) * E, error, exactly(*E)) is None
    assert factor(np.array([3.0, 4.0]), error[:2], exactly(0.5, 2 / 3)) is None
    assert factor(0 * E, error, exactly(*E)) is None
    # 0.4 ± 0.05 over 0.1 is anything from 3.5 to 4.5
    assert factor(np.full(3, 0.4), np.full(3, 0.05), exactly(0.1, 0.1, 0.1)) is None


def test_it_is_an_observation_and_no_explanation():
    """The gradient of a layer's weights times 7, which is no mistake of the catalogue."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    results = compute(net, X, Y).arrays("S delta grad db")
    found = loopbp.diagnose(net, X, Y, results | {"grad1": 7 * results["grad1"]})
    assert found.verdict == "unexplained" and found.mistakes == ()
    assert found.observations == ("grad1 is 7 times the expected, entry by entry",)
    assert "Observed: grad1 is 7 times the expected, entry by entry." in str(found)
    both = {name: -0.3 * results[name] for name in ("grad0", "db0")}
    found = loopbp.diagnose(net, X, Y, results | both)
    assert found.observations == ("grad0, db0 are −0.3 times the expected, entry by entry",)
    rounded = {name: np.round(array, 3) for name, array in results.items()}
    rounded["grad1"] = np.round(7 * results["grad1"], 3)
    found = loopbp.diagnose(net, X, Y, rounded)
    assert found.observations == ("grad1 is 7 times the expected, entry by entry",)


def test_integers_are_numbers_too():
    """2-2-2, identity, f = Σ (y − x)²: δ^(0) = (6, 8, …) of equal examples, times 3."""
    net = hand_computed()
    found = loopbp.diagnose(
        net, [[3, 2]] * 2, [[-8, 13]] * 2, {"dz0": [[18, 24]] * 2}, reduction="sum"
    )
    assert found.observations == ("dz0 is 3 times the expected, entry by entry",)


def test_where_nothing_stands_out_nothing_is_observed():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    results = compute(net, X, Y).arrays("S delta grad db")
    off = results["grad1"].copy()
    off[0, 0] += 1
    assert loopbp.diagnose(net, X, Y, results | {"grad1": off}).observations == ()
    explained = compute(net, X, Y, {"sum-instead-of-mean": (0, 1)}).arrays("grad db")
    assert loopbp.diagnose(net, X, Y, explained).observations == ()
    assert loopbp.diagnose(net, X, Y, results).observations == ()
