"""Of layers with many rows a few are looked at first; that changes no diagnosis."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem
from students import case_of, compute, possible

import loopbp
from loopbp.mistakes.catalogue import Atom
from loopbp.mistakes.problem import Quantity, bounded_problem
from loopbp.mistakes.rounding import Arithmetic
from loopbp.mistakes.student import Student

WIDE = Problem((70, 70, 70, 3), ("sigmoid", "tanh"), "softmax", "cross_entropy", 6, "float64", 1)
TASK = {"eta": 0.1, "weight_decay": 0.05}


def student(problem: Problem, X: np.ndarray, Y: np.ndarray) -> Student:
    """Who computes in float64."""
    net, arithmetic = problem.network(), Arithmetic.of(np.dtype(np.float64))
    case = case_of(net, len(X), **TASK)
    decay = TASK["weight_decay"]
    given = bounded_problem(
        case, net.W, (X, X), (Y, Y), TASK["eta"], arithmetic, weight_decay=decay, coarse=False
    )
    return Student(given, arithmetic)


def test_rows_of_the_largest_outputs_are_looked_at():
    """Σ_n |x_n| is 5 in column 60, 4 in column 5 and 1 in column 7; row 0 holds the biases."""
    problem = Problem((64, 3), (), "softmax", "cross_entropy", 2, "float64")
    X, Y = np.zeros((2, 64)), np.array([[1.0, 0, 0], [0, 1, 0]])
    X[0, [5, 7, 60]] = -3, 1, 2
    X[1, [5, 60]] = 1, -3
    rows = student(problem, X, Y).few(0)
    assert rows.tolist()[:4] == [0, 61, 6, 8] and len(set(rows.tolist())) == 16
    narrow = Problem((63, 3), (), "softmax", "cross_entropy", 2, "float64")
    assert student(narrow, X[:, :63], Y).few(0) is None


def test_few_rows_are_rows_of_all():
    net, (X, Y) = WIDE.network(), WIDE.data()
    somebody = student(WIDE, X, Y)
    for name, layers in possible(net, WIDE.N, **TASK).items():
        atoms = frozenset(Atom(name, l) for l in layers)
        for kind in ("grad", "W_new"):
            for l in range(3):
                rows = somebody.few(l)
                few, whole = (somebody.compute(Quantity(kind, l, w), atoms) for w in (True, False))
                assert few.value.shape == (16, net.sizes[l + 1])
                assert np.abs(few.value - whole.value[rows]).max() <= 1e-12
                assert np.abs(few.error - whole.error[rows]).max() <= 1e-6 * whole.error.max()


@pytest.mark.parametrize("kinds", ["grad db", "W_new b_new", "db"])
def test_mistakes_are_found_in_wide_layers(kinds):
    net, (X, Y) = WIDE.network(), WIDE.data()
    examiner = loopbp.mistakes.Examiner(net, X, Y, **TASK)
    right = compute(net, X, Y, **TASK).arrays(kinds)
    for name, layers in possible(net, WIDE.N, **TASK).items():
        wrong = compute(net, X, Y, {name: layers}, **TASK).arrays(kinds)
        found = examiner.diagnose(wrong)
        told = [tuple(f.mistake.name for f in way) for way in found.explanations]
        differs = any(not np.allclose(wrong[at], right[at], rtol=1e-6, atol=1e-9) for at in right)
        assert (name,) in told or (found.agrees and not differs), (name, found)


def test_rounded_numbers_of_wide_layers():
    """They are right; and a mistake in them is found."""
    net, (X, Y) = WIDE.network(), WIDE.data()
    wrong = compute(net, X, Y, {"gradient-sign": (0, 1, 2)}, **TASK)
    rounded = {name: np.round(array, 3) for name, array in wrong.arrays("grad").items()}
    found = loopbp.diagnose(net, X, Y, rounded, **TASK)
    assert [f.mistake.name for f in found.mistakes] == ["error-swapped"], found
    assert [f.mistake.name for f in found.explanations[1]] == ["gradient-sign"]
    for name, array in compute(net, X, Y, **TASK).arrays("grad W_new").items():
        for decimals in (2, 3, 4):
            rounded = {name: np.round(array, decimals)}
            found = loopbp.diagnose(net, X, Y, rounded, decimals=decimals, **TASK)
            assert found.agrees, (name, decimals, found)


def test_what_is_off_in_another_row_is_found(monkeypatch):
    """In every row only what the few allow is computed: the right gradient, in five ways."""
    net, (X, Y) = WIDE.network(), WIDE.data()
    rows, computed = student(WIDE, X, Y).few(0), compute(net, X, Y, **TASK).arrays("grad")
    other = next(i for i in range(1, 71) if i not in rows)
    computed["grad0"][2, other - 1] += 0.3
    whole: list[int] = []
    product = Student._product

    def counted(self, l, few, atoms):
        whole.extend([] if few else [l])
        return product(self, l, few, atoms)

    monkeypatch.setattr(Student, "_product", counted)
    found = loopbp.diagnose(net, X, Y, computed, **TASK)
    assert found.verdict == "unexplained" and found.first.index == (other, 3)
    # also: a swapped error whose sign is wrong again; biases that are not given; two ways of going
    # back through new weights that are the old ones
    assert whole.count(0) == 5


def test_few_rows_alone_explain_nothing():
    """In the rows that are looked at first the decay term is left out, in the others it is not."""
    net, (X, Y) = WIDE.network(), WIDE.data()
    computed = compute(net, X, Y, **TASK).arrays("grad")
    rows = student(WIDE, X, Y).few(0)[1:]
    computed["grad0"][:, rows - 1] -= 0.05 * net.W[0][rows].T
    assert loopbp.diagnose(net, X, Y, computed, **TASK).verdict == "unexplained"
    computed["grad0"] = computed["grad0"].copy()
    others = np.setdiff1d(np.arange(1, 71), rows)
    computed["grad0"][:, others - 1] -= 0.05 * net.W[0][others].T
    found = loopbp.diagnose(net, X, Y, computed, **TASK)
    assert [(f.mistake.name, f.layers) for f in found.explanations[0]] == [("decay-left-out", (0,))]
