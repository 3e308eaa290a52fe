"""g against mpmath, g′ against mpmath's derivative of g, the kinks, and softmax.

mpmath differentiates its own g numerically with 40 digits: no derivative is written here twice.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from problems import ELEMENTWISE

from loopbp.engines import ACTIVATIONS
from loopbp.kernels import activation, textbook

EXACT_G = {
    "identity": lambda s: s,
    "sigmoid": lambda s: 1 / (1 + mpmath.exp(-s)),
    "tanh": mpmath.tanh,
    "relu": lambda s: max(s, mpmath.mpf(0)),
    "leaky_relu": lambda s: s if s > 0 else s / 100,
    "elu": lambda s: s if s > 0 else mpmath.expm1(s),
    "softplus": lambda s: mpmath.log(1 + mpmath.exp(s)),
    "silu": lambda s: s / (1 + mpmath.exp(-s)),
    "gelu": lambda s: s * mpmath.ncdf(s),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "exp": mpmath.exp,
}

POINTS = [-30, -9.5, -3.25, -1, -0.625, -0.01, 0.02, 0.5, 1, 2.75, 7, 12.5, 31]

# How far g and g′ may be off, in units of eps: of |g| for g, of 1 + |s| for g′, whose textbook
# forms x (1 − x), 1 − x² and s (1 − σ) cancel in places. Elementary functions are good to 2 ulp;
# a chain of three or four operations adds as many half ulps.
UNITS = 5
# In the left tail 1 + erf cancels: what is lost is eps/2 · |s|, whatever is left of gelu.
LOST_IN_TAIL = {"gelu"}


def values(call, number, name, points):
    """g and g′ at the points, by the kernels that apply them."""
    g, g_prime = ACTIVATIONS[name]
    S = np.array([points], number)
    x, delta = np.empty_like(S), np.empty_like(S)
    call(textbook.output, x, S, g=g)
    call(textbook.output_delta, delta, np.ones_like(S), S, x, g=g_prime)
    return S[0], x[0], delta[0]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_g_and_g_prime_against_mpmath(call, number, name):
    eps = np.finfo(number).eps
    with mpmath.workdps(40):
        for s, x, slope in zip(*values(call, number, name, POINTS), strict=True):
            exact = EXACT_G[name](mpmath.mpf(float(s)))
            size = abs(s) if name in LOST_IN_TAIL else abs(exact)
            assert abs(float(x) - exact) <= UNITS * eps * size, f"g({s}) = {x}"
            exact = mpmath.diff(EXACT_G[name], mpmath.mpf(float(s)))
            size = max(1 + abs(s), abs(exact))
            assert abs(float(slope) - exact) <= UNITS * eps * size, f"g′({s}) = {slope}"


@pytest.mark.parametrize(
    ("name", "g_prime"),
    [("relu", 0), ("leaky_relu", 0.01), ("elu", 1), ("identity", 1), ("tanh", 1), ("sin", 1),
     ("sigmoid", 0.25), ("softplus", 0.5), ("silu", 0.5), ("gelu", 0.5), ("cos", 0), ("exp", 1)],
)  # fmt: skip
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_g_prime_at_zero(call, number, name, g_prime, zero):
    assert values(call, number, name, [zero])[2][0] == number(g_prime)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu"])
def test_kinks_are_at_zero_and_nowhere_near(call, number, name):
    tiny = np.finfo(number).smallest_subnormal
    left = {"relu": 0, "leaky_relu": number(0.01), "elu": 1}[name]
    np.testing.assert_array_equal(values(call, number, name, [-tiny, tiny])[2], [left, 1])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_nan_goes_through(call, number, name):
    assert np.isnan(values(call, number, name, [np.nan])[1][0])


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, np.inf), ("leaky_relu", -np.inf, np.inf),
     ("elu", -1, np.inf), ("softplus", 0, np.inf), ("exp", 0, np.inf)],
)  # fmt: skip
def test_far_out_every_g_has_its_limit(call, number, name, low, high):
    _, x, _ = values(call, number, name, [-np.inf, np.inf])
    np.testing.assert_array_equal(x, [low, high])
    # and long before that neither overflows nor loses it
    _, x, slope = values(call, number, name, [-1e30, 1e30])
    assert not np.isnan(x).any() and not np.isnan(slope).any()
    if np.isfinite(low):
        assert x[0] == low
    if np.isfinite(high):
        assert (x[1], slope[1]) == (high, 0)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_python_scalars_keep_their_dtype(number, name):
    g, g_prime = ACTIVATIONS[name]
    for s in (number(-0.5), number(0), number(2)):
        assert type(g(s)) is number
        assert type(g_prime(s, g(s))) is number


# --- Softmax ------------------------------------------------------------------------------------


def softmax(call, number, S):
    S = np.array(S, number)
    x = np.full_like(S, np.nan)
    call(activation.softmax, x, S)
    return x


def test_softmax_by_hand(call, number):
    # e^0 : e^ln 3 = 1 : 3, in each row on its own, in either order
    x = softmax(call, number, [[0, np.log(3)], [np.log(3), 0], [5, 5]])
    np.testing.assert_allclose(
        x, [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]], rtol=4 * np.finfo(number).eps
    )


def test_softmax_of_far_apart_sums_neither_overflows_nor_divides_by_zero(call, number):
    x = softmax(call, number, [[1000, 0, 1000], [-1000, -1000, -2000], [3e38, -3e38, 0]])
    np.testing.assert_array_equal(x, [[0.5, 0, 0.5], [0.5, 0.5, 0], [1, 0, 0]])


def test_softmax_is_the_same_when_all_sums_move(call, number):
    S = np.array([[0.5, -2, 1.25, 0, 3]], number)  # exact in both dtypes, moved by 64 as well
    np.testing.assert_array_equal(softmax(call, number, S), softmax(call, number, S + 64))


@pytest.mark.parametrize(("N", "J"), [(1, 2), (7, 3), (3, 65)])
def test_softmax_against_mpmath(call, number, N, J):
    S = np.random.default_rng(J).uniform(-4, 4, (N, J)).astype(number)
    with mpmath.workdps(40):
        powers = [[mpmath.exp(float(s)) for s in row] for row in S]
        exact = np.array([[float(p / mpmath.fsum(row)) for p in row] for row in powers])
    # e^(S_j − m) is good to 2 ulp after S_j − m (|S_j − m| ≤ 8) was rounded: 4 + 2 units each;
    # the sum of J of them, all positive, adds J/2
    rtol = (14 + J / 2) * np.finfo(number).eps
    np.testing.assert_allclose(softmax(call, number, S), exact, rtol=rtol)


def test_softmax_delta_by_hand(call, number):
    x = np.array([[0.25, 0.75], [0.5, 0.5]], number)
    dfdx = np.array([[1, 0], [3, -1]], number)
    delta = np.empty((2, 2), number)
    call(activation.softmax_delta, delta, dfdx, x)
    # δ_1 = x_1 (1 − x_1) = 3/16, δ_2 = −x_1 x_2 = −3/16
    # δ_1 = 3·½·½ + (−1)(−½·½) = 1; δ_2 = 3 (−½·½) − 1·½·½ = −1
    np.testing.assert_array_equal(delta, [[3 / 16, -3 / 16], [1, -1]])


@pytest.mark.parametrize("J", [2, 5, 65])
def test_softmax_delta_against_the_jacobian(call, number, J):
    random = np.random.default_rng(J)
    x = random.dirichlet(np.ones(J), 3).astype(number)
    dfdx = random.uniform(-1, 1, (3, J)).astype(number)
    delta = np.full((3, J), np.nan, number)
    call(activation.softmax_delta, delta, dfdx, x)
    wide, up = x.astype(np.float64), dfdx.astype(np.float64)
    for n in range(3):
        jacobian = np.diag(wide[n]) - np.outer(wide[n], wide[n])  # symmetric
        # J products of three factors, each below x_k: (J + 3) eps Σ_k x_k ≤ (J + 3) eps
        np.testing.assert_allclose(
            delta[n], jacobian @ up[n], rtol=0, atol=(J + 3) * np.finfo(number).eps
        )
