"""Bounds on rounding: they hold, and they are not so wide that nothing could be found."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from problems import ELEMENTWISE
from students import ORDERS, g, g_prime

from loopbp.mistakes.rounding import Arithmetic, Bounded

S = np.concatenate((np.linspace(-30, 30, 241), [-1e-3, 0.0, 1e-3, 1e-8]))


def exactly(value: np.ndarray) -> Bounded:
    return Bounded(value, np.zeros_like(value))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_plain_formulas_of_activations_are_within_the_bounds(name, dtype):
    """Of S that is off by a rounding; the bound is at most 100 roundings of the largest term."""
    do, unit = Arithmetic.of(np.dtype(dtype)), np.finfo(dtype).eps / 2
    for function, bounded in ((g, do.activation), (g_prime, do.slope)):
        bound = bounded(name, Bounded(S, unit * np.abs(S)))
        with np.errstate(all="ignore"):
            computed = function(name, S.astype(dtype)).astype(np.float64)
        usable = np.isfinite(computed) & (bound.value < np.finfo(dtype).max)
        assert usable.sum() > 200
        off = np.abs(computed - bound.value)
        assert (off[usable] <= bound.error[usable]).all()
        smooth = np.abs(S) > 1e-2
        scale = 1 + np.abs(S) + np.abs(bound.value) * (1 + np.abs(S))
        wide = bound.error[smooth] > 100 * (unit + 2.0**-53) * scale[smooth] + 1e-8 * (
            S[smooth] > 19
        )
        assert not wide.any()


def test_a_relu_that_may_be_either_side_of_its_kink_has_either_slope():
    do = Arithmetic.of(np.dtype(np.float32))
    slope = do.slope("relu", Bounded(np.array([1e-9, 0.5, -0.5, 0]), np.array([1e-8, 0.1, 0.1, 0])))
    assert slope.error.round(5).tolist() == [1, 0, 0, 1]


def test_a_function_that_turns_within_a_wide_range():
    """cos(1 ± 7) is anything from −1 to 1, although both ends are near −0.15 and 0.96."""
    do = Arithmetic.of(np.dtype(np.float64))
    wide = Bounded(np.ones(1), np.full(1, 7.0))
    assert do.activation("cos", wide).error[0] >= 1 + np.cos(1)
    # σ′ is at most ¼, at 0; at both ends of 1 ± 1.5 it is below that
    hump = do.slope("sigmoid", Bounded(np.ones(1), np.full(1, 1.5)))
    assert hump.value[0] + hump.error[0] >= 0.25


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 17, 785])
def test_sums_in_any_order_are_within_the_bound(n, dtype):
    """Against the exact sum, by mpmath; and the bound is that of the theory, (n + 4) u Σ|ab|."""
    random = np.random.default_rng(n)
    a, b = (random.normal(size=shape).astype(dtype) for shape in ((3, n), (n, 2)))
    do, unit = Arithmetic.of(np.dtype(dtype)), np.finfo(dtype).eps / 2
    wide = a.astype(np.float64), b.astype(np.float64)
    bound = do.matmul(exactly(wide[0]), exactly(wide[1]))
    with mpmath.workdps(40):
        for i in range(3):
            for j in range(2):
                exact = mpmath.fdot(zip(map(float, a[i]), map(float, b[:, j]), strict=True))
                assert abs(float(exact) - bound.value[i, j]) <= bound.error[i, j]
                for add in ORDERS:
                    computed = add(a[i] * b[:, j])
                    assert abs(float(computed) - float(exact)) <= bound.error[i, j]
    terms = np.abs(wide[0]) @ np.abs(wide[1])
    assert (bound.error <= 1.01 * (n + 4) * (unit + 2.0**-53) * terms + 1e-30).all()


def test_errors_of_factors_count():
    """(2 ± 0.1)(3 ± 0.2) lies from 1.9 · 2.8 to 2.1 · 3.2: 6 − 0.68 to 6 + 0.72."""
    do = Arithmetic.of(np.dtype(np.float64))
    a, b = (
        Bounded(np.full((1, 1), 2.0), np.full((1, 1), 0.1)),
        Bounded(np.full((1, 1), 3.0), np.full((1, 1), 0.2)),
    )
    for found in (do.product(a, b), do.matmul(a, b)):
        assert found.value[0, 0] == 6
        assert found.error[0, 0] == pytest.approx(0.72, rel=1e-12)
    assert do.difference(a, b).error[0, 0] == pytest.approx(0.3, rel=1e-12)


def test_softmax_moves_with_its_sums():
    """x_j of two equal sums is ½; a sum that is off by d moves it by about d / 4, at most d."""
    do = Arithmetic.of(np.dtype(np.float64))
    x = do.softmax(Bounded(np.zeros((1, 2)), np.full((1, 2), 1e-6)))
    assert x.value.tolist() == [[0.5, 0.5]]
    assert (x.error >= 0.5e-6).all() and (x.error <= 1.01e-6).all()
