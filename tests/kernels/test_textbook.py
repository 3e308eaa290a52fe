"""The loops against hand computation, against NumPy within a proven bound, and their order.

`call` runs every test twice: with the kernel as it is compiled, and as plain Python.
"""

from __future__ import annotations

import numpy as np
import pytest

from loopbp.kernels import activation, textbook
from loopbp.kernels.compile import scalar

WIDTHS = [(1, 1, 1), (1, 2, 65), (3, 65, 1), (2, 7, 8), (5, 9, 17), (9, 33, 31), (4, 64, 63)]


@scalar
def both(s, x):
    """A g′ that tells its two arguments apart."""
    return s + type(s)(10) * x


@scalar
def tenth(s, x):
    """g′ = 0.1, which is rounded."""
    return type(s)(0.1)


def uniform(random, number, *shape):
    return random.uniform(-1, 1, shape).astype(number)


def assert_within_rounding(actual, left, right):
    """actual = left @ right but for the rounding of sums of m products in actual's dtype.

    |error| ≤ m u Σ |left| |right| to first order, with u = eps / 2 (Higham, "Accuracy and
    Stability of Numerical Algorithms", section 3.1); m eps leaves a factor of two for the rest.
    The comparison is with a float64 product: for float32 it is as good as exact, for float64 its
    own error has the same bound.
    """
    left, right = left.astype(np.float64), right.astype(np.float64)
    terms = left.shape[1] + 1
    bound = 2 * terms * np.finfo(actual.dtype).eps * (np.abs(left) @ np.abs(right))
    assert actual.shape == bound.shape
    assert (np.abs(actual - left @ right) <= bound).all()


# --- By hand ------------------------------------------------------------------------------------


def test_weighted_sum_by_hand(call, number):
    W = np.array([[1, 2, 3], [10, 20, 30], [100, 200, 300]], number)  # row 0: the biases
    x = np.array([[1, 4, 5], [1, -1, 0]], number)
    S = np.empty((2, 3), number)
    call(textbook.weighted_sum, S, W, x)
    # 1 + 10·4 + 100·5 = 541, twice and three times that; 1 − 10, twice and three times that
    np.testing.assert_array_equal(S, [[541, 1082, 1623], [-9, -18, -27]])


def test_output_by_hand(call, number):
    x = np.empty((2, 2), number)
    call(textbook.output, x, np.array([[1, -2], [0, 3]], number), g=activation.relu)
    np.testing.assert_array_equal(x, [[1, 0], [0, 3]])


def test_output_leaves_the_constant_alone(call, number):
    x = np.full((2, 3), 7, number)
    call(textbook.output, x[:, 1:], np.array([[1, -2], [0, 3]], number), g=activation.identity)
    np.testing.assert_array_equal(x, [[7, 1, -2], [7, 0, 3]])


def test_output_delta_by_hand(call, number):
    delta = np.empty((1, 2), number)
    dfdx, S, x = (np.array([row], number) for row in ([2, -3], [5, 7], [0.5, 4]))
    call(textbook.output_delta, delta, dfdx, S, x, g=both)
    # 2 (5 + 10·0.5), −3 (7 + 10·4)
    np.testing.assert_array_equal(delta, [[20, -141]])


def test_hidden_delta_by_hand(call, number):
    W = np.array([[99, 99, 99], [1, 2, 3], [4, 5, 6]], number)  # w_jk; row 0, the biases: unused
    delta_above = np.array([[1, 10, 100]], number)
    S, x = np.array([[2, 3]], number), np.array([[1, 1, 0.5]], number)
    delta = np.empty((1, 2), number)
    call(textbook.hidden_delta, delta, delta_above, W[1:], S, x[:, 1:], g=both)
    # (1·1 + 10·2 + 100·3)(2 + 10·1) = 321·12;  (1·4 + 10·5 + 100·6)(3 + 10·0.5) = 654·8
    np.testing.assert_array_equal(delta, [[3852, 5232]])


def test_weight_gradient_by_hand(call, number):
    delta = np.array([[1, 2], [3, -4]], number)
    x = np.array([[1, 5, 7, 9], [1, 6, 8, 0]], number)
    grad = np.empty((4, 2), number)
    call(textbook.weight_gradient, grad, delta, x, number(1))
    # row 0 is Σ δ; then 1·5 + 3·6 = 23, 2·5 − 4·6 = −14, 7 + 24 = 31, 14 − 32 = −18, 9, 18
    sums = np.array([[4, -2], [23, -14], [31, -18], [9, 18]])
    np.testing.assert_array_equal(grad, sums)
    call(textbook.weight_gradient, grad, delta, x, number(2))
    np.testing.assert_array_equal(grad, sums / 2)


def test_total_loss_by_hand(call, number):
    losses = np.array([1, 2, 5], number)
    assert call(textbook.total_loss, losses, number(1)) == 8
    assert call(textbook.total_loss, losses, number(2)) == 4
    assert call(textbook.total_loss, losses[:1], number(1)) == 1


# --- Against NumPy ------------------------------------------------------------------------------


@pytest.mark.parametrize(("N", "I", "J"), WIDTHS)
def test_sums_of_any_size_against_numpy(call, number, N, I, J):
    random = np.random.default_rng(1000 * I + J)
    x, W = uniform(random, number, N, I), uniform(random, number, I, J)
    S = np.full((N, J), np.nan, number)
    call(textbook.weighted_sum, S, W, x)
    assert_within_rounding(S, x, W)

    delta = uniform(random, number, N, J)
    grad = np.full((I, J), np.nan, number)
    call(textbook.weight_gradient, grad, delta, x, number(1))
    assert_within_rounding(grad, x.T, delta)

    below = np.full((N, I), np.nan, number)
    call(textbook.hidden_delta, below, delta, W, x, x, g=activation.identity_prime)
    assert_within_rounding(below, delta, W.T)


# --- The order of the sums, and where they are rounded ------------------------------------------

# 1 + B = B in the dtype, so that the ascending sum of (1, B, −B) is 0; every other order gives 1.
BIG = {np.float32: 2.0**24, np.float64: 2.0**53}


def one_sum(call, number, terms, products=None):
    """The same sum by every kernel that sums: over i in S, k in δ, n in ∂f/∂w and f."""
    terms = np.array(terms, number)
    factors = np.ones_like(terms) if products is None else np.array(products, number)
    m, one = len(terms), np.ones((1, 1), number)
    S, delta, grad = (np.full((1, 1), np.nan, number) for _ in range(3))
    call(textbook.weighted_sum, S, factors.reshape(m, 1), terms.reshape(1, m))
    back = (terms.reshape(1, m), factors.reshape(1, m))
    call(textbook.hidden_delta, delta, *back, one, one, g=activation.identity_prime)
    call(textbook.weight_gradient, grad, terms.reshape(m, 1), factors.reshape(m, 1), number(1))
    sums = [S[0, 0], delta[0, 0], grad[0, 0]]
    if products is None:
        sums.append(call(textbook.total_loss, terms, number(1)))
    return sums


def test_sums_ascend(call, number):
    big = BIG[number]
    assert set(one_sum(call, number, [1, big, -big])) == {0}
    assert set(one_sum(call, number, [big, -big, 1])) == {1}
    # Two halves added at the end, or blocks of four, would find the ones among the big numbers.
    assert set(one_sum(call, number, [big, 1, 1, 1, 1, 1, 1, -big])) == {0}


def test_sums_start_from_their_first_product(call, number):
    # −0 + −0 is −0; a sum that started from 0 would lose the sign
    sums = one_sum(call, number, [-0.0, -0.0])
    assert set(sums) == {0} and np.signbit(sums).all()


def test_no_accumulator_is_wider_than_the_dtype(call, number):
    # 1 + u, where 1 + u rounds to 1, three times: a wider accumulator would keep 3u
    unit = np.finfo(number).eps / 2
    assert set(one_sum(call, number, [1, unit, unit, unit, -1])) == {0}


def test_no_product_is_fused_with_a_sum(call, number):
    # a = 1 + h: a² = 1 + 2h + h² rounds to 1 + 2h, and −(1 + 2h) + a² is 0; fused it is h²
    h = {np.float32: 2.0**-13, np.float64: 2.0**-30}[number]
    sums = one_sum(call, number, [-(1 + 2 * h), 1 + h], products=[1, 1 + h])
    assert set(sums) == {0}


def test_subnormal_numbers_are_not_flushed_to_zero(call, number):
    tiny = np.finfo(number).smallest_subnormal
    assert set(one_sum(call, number, [tiny, tiny])) == {2 * tiny}


@pytest.mark.parametrize(("width", "N"), [("float32", 41), ("float64", 49)])
def test_the_mean_is_one_division_at_the_end(call, width, N):
    # N · 1 / N = 1, but neither N · (1/N) nor the sum of N terms 1/N is: each is off by eps/2
    number = np.dtype(width).type
    share = number(1) / number(N)
    assert number(N) * share != 1 and sum([share] * N, number(0)) != 1
    grad, ones = np.empty((1, 1), number), np.ones((N, 1), number)
    call(textbook.weight_gradient, grad, ones, ones, number(N))
    assert grad[0, 0] == 1
    assert call(textbook.total_loss, ones[:, 0], number(N)) == 1


def test_g_prime_multiplies_the_finished_sum(call, number):
    # (2 + 7) · 0.1 ≠ 2 · 0.1 + 7 · 0.1, as both are rounded
    g = number(0.1)
    assert number(9) * g != number(2) * g + number(7) * g
    delta, one = np.empty((1, 1), number), np.ones((1, 1), number)
    above, W = np.array([[2, 7]], number), np.ones((1, 2), number)
    call(textbook.hidden_delta, delta, above, W, one, one, g=tenth)
    assert delta[0, 0] == number(9) * g
