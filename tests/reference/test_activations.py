"""The NumPy twin's activations, losses and softmax: against mpmath, and far out."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from loopbp import reference

from .cases import ELEMENTWISE, close


def test_tables_have_the_same_names():
    assert list(reference.ACTIVATIONS) == list(reference.DERIVATIVES)
    assert set(reference.ACTIVATIONS) == set(ELEMENTWISE)
    assert set(reference.OUTPUTS) == {*ELEMENTWISE, "softmax"}


EXACT = {
    "identity": lambda s: s,
    "sigmoid": lambda s: 1 / (1 + mpmath.exp(-s)),
    "tanh": mpmath.tanh,
    "relu": lambda s: max(s, mpmath.mpf(0)),
    "leaky_relu": lambda s: s if s > 0 else s * mpmath.mpf(0.01),
    "elu": lambda s: s if s > 0 else mpmath.expm1(s),
    "softplus": lambda s: mpmath.log1p(mpmath.exp(s)),
    "silu": lambda s: s / (1 + mpmath.exp(-s)),
    "gelu": lambda s: s * mpmath.ncdf(s),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "exp": mpmath.exp,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_against_mpmath(name):
    """g and g′, the latter by mpmath's numerical differentiation at 60 digits.

    A few roundings of values up to about |s g′(s)| + |g(s)|: 1e-15 relative, with the same
    absolute error where terms cancel (the zeros of sin, cos and of silu′ and gelu′).
    """
    s = np.concatenate((np.linspace(-6, 6, 40), [-0.01, 0.01, 1e-9, -1e-9]))
    with mpmath.workdps(60):
        g = [float(EXACT[name](mpmath.mpf(t))) for t in s]
        g_prime = [float(mpmath.diff(EXACT[name], mpmath.mpf(t), h=1e-25)) for t in s]
    close(reference.ACTIVATIONS[name](s), g, rtol=2e-15, atol=1e-15)
    close(reference.DERIVATIVES[name](s), g_prime, rtol=2e-15, atol=1e-15)


SATURATED = {  # where 1 − σ, 1 − tanh² and 1 + erf would cancel to 0
    "sigmoid": (reference.ACTIVATIONS, EXACT["sigmoid"], -40.0),
    "softplus": (reference.ACTIVATIONS, EXACT["softplus"], -40.0),
    "elu": (reference.ACTIVATIONS, EXACT["elu"], -1e-12),
    "gelu": (reference.ACTIVATIONS, EXACT["gelu"], -12.0),
    "sigmoid_derivative": (
        reference.DERIVATIVES,
        lambda s: 1 / (2 + mpmath.exp(s) + mpmath.exp(-s)),
        40.0,
    ),
    "tanh_derivative": (reference.DERIVATIVES, lambda s: mpmath.sech(s) ** 2, 25.0),
    "gelu_derivative": (
        reference.DERIVATIVES,
        lambda s: mpmath.ncdf(s) + s * mpmath.npdf(s),
        -12.0,
    ),
}


@pytest.mark.parametrize("name", SATURATED)
def test_saturated_ends_keep_their_digits(name):
    table, exact, s = SATURATED[name]
    with mpmath.workdps(60):
        expected = float(exact(mpmath.mpf(s)))
    assert 0 < abs(expected) < 1e-11
    # e^(−s²/2) turns a rounding of s² = 144 into that many roundings of the result
    close(table[name.removesuffix("_derivative")](np.array([s])), [expected], rtol=2e-14)


LIMITS = {  # g(−1000), g(1000), g′(−1000), g′(1000)
    "identity": (-1000, 1000, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, 1000, 0, 1),
    "leaky_relu": (-10, 1000, 0.01, 1),
    "elu": (-1, 1000, 0, 1),
    "softplus": (0, 1000, 0, 1),
    "silu": (0, 1000, 0, 1),
    "gelu": (0, 1000, 0, 1),
    "sin": (-math.sin(1000), math.sin(1000), math.cos(1000), math.cos(1000)),
    "cos": (math.cos(1000), math.cos(1000), math.sin(1000), -math.sin(1000)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_no_overflow_far_out(name, dtype):
    s = np.array([-1000, 1000], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        g, g_prime = reference.ACTIVATIONS[name](s), reference.DERIVATIVES[name](s)
    assert g.dtype == g_prime.dtype == s.dtype
    close([*g, *g_prime], LIMITS[name], rtol=4 * np.finfo(dtype).eps, atol=1e-300)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_overflow_in_losses_far_out(dtype):
    S = np.array([[1000, -1000], [1000, -1000]], dtype=dtype)
    Y = np.array([[0, 1], [1, 0]], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, q = reference.softmax(S), reference.sigmoid(S)
        cross = reference.losses("cross_entropy", S, p, Y)
        binary = reference.losses("binary_cross_entropy", S, q, Y)
        delta = reference.output_delta("sse", "softmax", S, p, Y)
    assert p.tolist() == q.tolist() == [[1, 0], [1, 0]]
    assert cross.tolist() == [2000, 0]  # −ln x_2 = 1000 + 1000; −ln x_1 = 0
    assert binary.tolist() == [2000, 0]  # 1000 for each of two outputs that are wrong
    assert delta.tolist() == [[0, 0], [0, 0]]  # a saturated softmax has a zero Jacobian


def test_binary_cross_entropy_of_a_sure_right_answer_is_not_lost():
    S, Y = np.array([[40.0]]), np.array([[1.0]])
    # −ln σ(40) = ln(1 + e^−40) = e^−40 to 17 digits
    loss = reference.losses("binary_cross_entropy", S, reference.sigmoid(S), Y)
    close(loss, [math.exp(-40)])


def test_softmax_jacobian_product_is_the_explicit_jacobian():
    rng = np.random.default_rng(5)
    x, upstream = reference.softmax(rng.normal(size=(4, 6))), rng.normal(size=(4, 6))
    expected = [u @ (np.diag(p) - np.outer(p, p)) for p, u in zip(x, upstream, strict=True)]
    close(reference.softmax_jacobian_product(x, upstream), expected, rtol=1e-12, atol=1e-15)
