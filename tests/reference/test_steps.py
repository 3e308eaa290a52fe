"""The NumPy twin's steps of gradient descent, by hand."""

from __future__ import annotations

import math

import numpy as np

from loopbp import reference

from .cases import close


def test_momentum_and_nesterov_by_hand():
    theta, g, v = np.array([1.0]), np.array([2.0]), np.array([0.5])
    # v = 0.9·0.5 + 2 = 2.45;  w = 1 − 0.1·2.45 = 0.755
    w, new_v = reference.sgd(theta, g, v, eta=0.1, momentum=0.9, nesterov=False)
    close(new_v, [2.45])
    close(w, [0.755])
    # w = 1 − 0.1 (2 + 0.9·2.45) = 1 − 0.4205
    w, new_v = reference.sgd(theta, g, v, eta=0.1, momentum=0.9, nesterov=True)
    close(new_v, [2.45])
    close(w, [0.5795])
    # Without momentum: w = 1 − 0.1·2, whatever the velocity was
    w, _ = reference.sgd(theta, g, v, eta=0.1, momentum=0.0, nesterov=False)
    close(w, [0.8])
    assert (theta[0], g[0], v[0]) == (1, 2, 0.5)


def test_adam_by_hand():
    """Two steps with β₁ = ½, β₂ = ¾, η = ¼, ε = ½ and gradients 2, −1."""
    theta, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    coefficients = {"eta": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.5}
    # m = ½·2 = 1, m̂ = 1 / (1 − ½) = 2;  v = ¼·4 = 1, v̂ = 1 / (1 − ¾) = 4
    # w = 1 − ¼·2 / (√4 + ½) = 1 − 0.2
    theta, m, v = reference.adam(theta, np.array([2.0]), m, v, step=1, **coefficients)
    close([theta[0], m[0], v[0]], [0.8, 1, 1])
    # m = ½·1 − ½·1 = 0: a second gradient of −1 stops it, w stays;  v = ¾·1 + ¼·1 = 1
    stopped = reference.adam(theta, np.array([-1.0]), m, v, step=2, **coefficients)
    close([a[0] for a in stopped], [0.8, 0, 1])
    # With gradient 1: m = 1, m̂ = 1 / (1 − ¼) = 4/3;  v = 1, v̂ = 1 / (1 − 9/16) = 16/7
    second = reference.adam(theta, np.array([1.0]), m, v, step=2, **coefficients)
    close([a[0] for a in second], [0.8 - 0.25 * (4 / 3) / (4 / math.sqrt(7) + 0.5), 1, 1])
    assert (theta[0], m[0], v[0]) == (0.8, 1, 1)


def test_steps_keep_float32():
    """Also with coefficients that are NumPy float64 scalars."""
    a = np.array([1, 2], dtype="float32")
    tenth = np.float64(0.1)
    for nesterov in (False, True):
        assert {r.dtype for r in reference.sgd(a, a, a, tenth, tenth, nesterov)} == {a.dtype}
    assert {r.dtype for r in reference.adam(a, a, a, a, 1, tenth, tenth, tenth, tenth)} == {a.dtype}


def test_adam_float32_coefficients_are_rounded_once():
    """1 − β₂ = 0.001 is not the difference of two float32 numbers, which is off by 1.6e-5."""
    one, zero = np.ones(1, dtype="float32"), np.zeros(1, dtype="float32")
    _, _, second = reference.adam(one, one, zero, zero, 1, 0.001, 0.9, 0.999, 1e-8)
    close(second, np.array([0.001], dtype="float32"), rtol=1e-7)
