"""Numbers that were rounded to a few decimals: no mistake, and no cloak for one."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem
from students import compute

import loopbp
from loopbp.mistakes import Examiner
from loopbp.mistakes.digits import Digits, Way, ways

NETWORKS = [
    Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 12, "float64", 1),
    Problem((4, 5, 3), ("relu",), "sigmoid", "binary_cross_entropy", 5, "float64", 2),
    Problem((3, 5, 5, 2), ("tanh", "relu"), "identity", "mse", 4, "float64", 3),
    Problem((4, 4, 4, 3), ("softplus", "leaky_relu"), "tanh", "half_sse", 7, "float32", 4),
]
KINDS = ("S x delta grad db", "S x delta grad db W_new b_new", "delta grad db", "grad db")


def rounded(arrays: dict[str, np.ndarray], decimals: int) -> dict[str, np.ndarray]:
    """As Python's `round` has it, which is correctly rounded; in the arrays' dtype."""
    return {
        name: np.array([round(v, decimals) for v in array.ravel().tolist()], array.dtype).reshape(
            array.shape
        )
        for name, array in arrays.items()
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("decimals", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("problem", NETWORKS, ids=str)
def test_correct_numbers_are_right_when_they_are_rounded(problem, decimals, dtype):
    net, (X, Y) = problem.network(), problem.data()
    examiner = Examiner(net, X, Y, eta=0.1)
    results = compute(net, X, Y, eta=0.1, dtype=dtype)
    for kinds in KINDS:
        found = examiner.diagnose(rounded(results.arrays(kinds), decimals))
        assert found.agrees, (kinds, found)
        written = f"rounded to {decimals} decimal{'s' * (decimals > 1)}"
        assert any(note.endswith(written) for note in found.notes)


@pytest.mark.parametrize("decimals", [2, 3])
@pytest.mark.parametrize("problem", NETWORKS[:3], ids=str)
def test_a_mistake_is_found_in_rounded_numbers(problem, decimals):
    net, (X, Y) = problem.network(), problem.data()
    wrong = compute(net, X, Y, {"slope-left-out": (0,)})
    found = loopbp.diagnose(net, X, Y, rounded(wrong.arrays("delta grad db"), decimals))
    assert [f.mistake.name for f in found.mistakes] == ["slope-left-out"], found


def test_a_number_that_is_off_by_more_than_half_a_unit_shows():
    """0.6 units of the third decimal, from any entry on; the other entries are rounded."""
    problem = NETWORKS[0]
    net, (X, Y) = problem.network(), problem.data()
    results = compute(net, X, Y).arrays("delta grad db")
    right = rounded(results, 3)
    for name, array in right.items():
        at = tuple(n - 1 for n in array.shape)
        changed = array.copy()
        changed[at] = round(array[at] + np.copysign(0.001, results[name][at] - array[at]), 3)
        changed[at] += 2 * (changed[at] - array[at])
        found = loopbp.diagnose(net, X, Y, right | {name: changed})
        assert found.verdict == "unexplained" and found.first.got == changed[at]


def test_arrays_may_be_rounded_each_in_its_own_way():
    """Forward as it was computed, δ to 4 decimals, one gradient to 3 and the others not."""
    problem = NETWORKS[0]
    net, (X, Y) = problem.network(), problem.data()
    for made in ({}, {"slope-left-out": (0,)}):
        results = compute(net, X, Y, made)
        delta, one = rounded(results.arrays("delta"), 4), rounded(results.arrays("grad"), 3)
        mixed = results.arrays("S x db") | delta
        for part in (rounded(results.arrays("grad db"), 3), {"grad0": one["grad0"]}):
            found = loopbp.diagnose(net, X, Y, mixed | part)
            assert [f.mistake.name for f in found.mistakes] == list(made), found
            assert found.agrees == (not made)


def test_whole_numbers_are_not_read_as_rounded():
    """Of db within ±0.04, zeros are what rounding to 1 decimal leaves, and a forgotten gradient.

    Beside numbers with all their digits they are a mistake; alone they are neither right nor wrong.
    Where the right numbers are 0.1 and more, they are wrong.
    """
    problem = NETWORKS[0]
    net, (X, Y) = problem.network(), problem.data()
    results = compute(net, X, Y)
    assert np.abs(results.db[0]).max() < 0.04
    assert np.abs(results.grad[1]).max() > 0.1
    gone = results.arrays("S x delta grad db") | {"db0": np.zeros(6)}
    found = loopbp.diagnose(net, X, Y, gone)
    assert [f.mistake.name for f in found.mistakes] == ["bias-gradient-zero"]
    found = loopbp.diagnose(net, X, Y, {"db0": np.zeros(6)})
    assert found.verdict == "unclear" and not found.agrees
    zeros = {name: np.zeros_like(array) for name, array in results.arrays("grad").items()}
    assert loopbp.diagnose(net, X, Y, zeros).verdict == "unexplained"


def test_old_weights_and_inputs_prove_nothing():
    """Weights and inputs in tenths, and a step that moves the biases by less than 0.05."""
    W = [np.array([[0.1, 0.3], [0.7, -0.9], [1.1, 0.6]]), np.array([[0.2], [0.9], [-0.7]])]
    net = loopbp.Network([2, 2, 1], "sigmoid", "identity", "half_sse", W)
    X, Y = np.array([[0.1, 0.3], [0.7, 1.1], [0.4, -0.3]]), np.array([[0.2], [0.3], [1.1]])
    made = compute(net, X, Y, {"bias-not-updated": (0, 1)}, eta=0.01)
    assert np.abs(made.db[0]).max() * 0.01 < 0.05
    for kinds in ("b_new", "W_new b_new", "x grad b_new"):
        found = loopbp.diagnose(net, X, Y, made.arrays(kinds), eta=0.01)
        told = {f.mistake.name for way in found.explanations for f in way}
        assert "bias-not-updated" in told, found
    forgotten = {"x0": X, "grad0": np.zeros((2, 2)), "db0": np.zeros(2)}
    assert not loopbp.diagnose(net, X, Y, forgotten).agrees
    # halves are exact in binary: σ(0) = 0.5 is no rounded σ(S)
    assert not loopbp.diagnose(net, X, Y, {"x1": np.full((3, 2), 0.5)}).agrees


def test_weights_that_hardly_move_are_right_when_they_are_rounded():
    """δ = 0, as f = 0: all that the numbers show are the old weights, to 2 decimals."""
    net = Problem((4, 5, 3), ("sigmoid",), "identity", "half_sse", 3, "float64", 1).network()
    X = np.arange(12.0).reshape(3, 4) / 7
    results = compute(net, X, net.forward(X).x[-1], eta=0.1).arrays("W_new b_new")
    found = loopbp.diagnose(net, X, net.forward(X).x[-1], rounded(results, 2), eta=0.1)
    assert found.agrees, found


def test_too_few_decimals_are_neither_right_nor_wrong():
    """x = σ(0.41) = 0.601 as 0.6: rounded, or wrong; the option says that it was rounded."""
    net = loopbp.Network([1, 1], output="sigmoid", loss="half_sse", init=[[[0.0], [0.41]]])
    given = ([[1.0]], [[0.0]], {"x1": [[0.6]]})
    found = loopbp.diagnose(net, *given)
    assert found.verdict == "unclear" and not found.agrees and found.first is None
    assert str(found).startswith("Nothing can be told: all numbers are right if they were rounded")
    assert loopbp.diagnose(net, *given, decimals=1).agrees
    found = loopbp.diagnose(net, [[1.0]], [[0.0]], {"x1": [[0.7]]})
    assert found.verdict == "unexplained"


def decimals_of(way: Way) -> list[int | None]:
    return [digits.decimals for digits in way.by_name.values()]


def test_the_strictest_way_comes_first():
    """0.12, 0.23, 0.34 have 2 decimals; ⅓ has no end; 0.5 and 0.25 are exact in binary."""
    a, b, third = np.array([0.12, 0.23, 0.34]), np.array([0.1, 0.2, 0.3]), np.array([1 / 3])
    kinds = {"dW0": "grad", "dW1": "grad", "S0": "S"}
    arrays = {"dW0": a, "dW1": b, "S0": third}
    found = ways(arrays, kinds, {})
    assert [decimals_of(way) for way in found] == [[None] * 3, [2, 2, None], [2, 1, None]]
    assert found[1].notes == ["dW0, dW1 are read as rounded to 2 decimals"]
    halves = {"dW0": np.array([0.5, 0.25, 0.75, 1.25]), "dW1": np.array([0.0, 1.0])}
    assert [decimals_of(way) for way in ways(halves, kinds, {}) if way.proven] == [[None] * 2]
    assert [decimals_of(way) for way in ways(arrays, kinds, {}, 5)] == [[5] * 3]
    large = {"dW0": np.array([1e12 + 0.1, 1e12 + 0.3, 1e12 + 0.7])}
    assert all(one is None for way in ways(large, kinds, {}) for one in decimals_of(way)[1:])


def test_half_a_unit_of_the_last_digit():
    """Of 0.123 it is 0.0005; of 1234.5 with five significant digits 0.05."""
    double = np.dtype(np.float64)
    error = Digits(double, None, 3).error(np.array([0.123]))
    assert error[0] == pytest.approx(0.0005, rel=1e-12) and error[0] >= 0.0005
    assert Digits(double, 5, None).error(np.array([1234.5]))[0] == pytest.approx(0.05)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("decimals", [None, 4])
def test_what_is_not_finite_was_not_rounded(wrong, decimals):
    """One such number among others with four decimals, and nothing but such numbers."""
    net = loopbp.Network([4, 5, 3], hidden="tanh", seed=0)
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(6, 4)), random.integers(0, 3, 6)
    grad = [part.round(4) for part in net.backprop(X, Y).grad]
    grad[0][1, 2] = wrong
    found = loopbp.diagnose(net, X, Y, {"grad0": grad[0], "grad1": grad[1]}, decimals=decimals)
    assert found.first is not None and found.first.name == "∂f/∂w_13^(0)"
    found = loopbp.diagnose(net, X, Y, {"grad0": np.full((5, 5), wrong)}, decimals=decimals)
    assert found.first is not None and not found.unclear


def cut(array, digits):
    """As `%.{digits}g` prints it."""
    flat = [float(f"{value:.{digits - 1}e}") for value in np.asarray(array, float).ravel()]
    return np.array(flat).reshape(np.shape(array))


@pytest.mark.parametrize("digits", [3, 5, 6, 8])
@pytest.mark.parametrize("problem", NETWORKS, ids=str)
def test_numbers_printed_with_significant_digits_are_right(problem, digits):
    """Of all sizes: no number of decimals is common to them. A sum for the mean is still found."""
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X, Y)
    given = {}
    for l in range(len(trace.S)):
        given |= {f"S{l}": cut(trace.S[l], digits), f"grad{l}": cut(trace.grad[l], digits)}
    assert loopbp.diagnose(net, X, Y, given).summary == "agrees within rounding"
    for l in range(len(trace.S)):
        given[f"grad{l}"] = cut(len(X) * trace.grad[l], digits)
    found = loopbp.diagnose(net, X, Y, given)
    assert any(way[0].mistake.name == "sum-instead-of-mean" for way in found.explanations)


def test_numbers_chosen_with_few_digits_prove_no_rounding():
    """0.3 for 0.3004: with such weights and inputs, nothing says that it was cut off."""
    assert ways({"a": np.array([0.5, 0.25, 3.0])}, {"a": "S"}, {})[-1].by_name["a"].digits is None
