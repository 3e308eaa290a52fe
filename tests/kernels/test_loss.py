"""f and ∂f/∂x by hand and against mpmath; no cross-entropy overflows or takes ln 0."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from loopbp.kernels import loss

# Two examples with three outputs; y − x = (1, −2, 3) and (0, 0.5, −1)
X = [[1, 4, -1], [2, 0, 1]]
Y = [[2, 2, 2], [2, 0.5, 0]]


def arrays(number, *rows):
    return [np.array(part, number) for part in rows]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (loss.sse, [1 + 4 + 9, 0.25 + 1]),
        (loss.half_sse, [7, 0.625]),
        (loss.mse, [14 / 3, 1.25 / 3]),
    ],
    ids=["sse", "half_sse", "mse"],
)
def test_squared_errors_by_hand(call, number, f, expected):
    x, y = arrays(number, X, Y)
    losses = np.full(2, np.nan, number)
    call(f, losses, x, y)
    np.testing.assert_array_equal(losses, np.array(expected, number))


@pytest.mark.parametrize(
    ("f_prime", "factor"),
    [(loss.sse_prime, -2), (loss.half_sse_prime, -1), (loss.mse_prime, -2 / 3)],
    ids=["sse", "half_sse", "mse"],
)
def test_their_derivatives_by_hand(call, number, f_prime, factor):
    x, y = arrays(number, X, Y)
    dfdx = np.full((2, 3), np.nan, number)
    call(f_prime, dfdx, x, y)
    expected = factor * np.array([[1, -2, 3], [0, 0.5, -1]])
    np.testing.assert_allclose(dfdx, expected, rtol=2 * np.finfo(number).eps)


@pytest.mark.parametrize("f", [loss.sse, loss.half_sse, loss.mse], ids=["sse", "half_sse", "mse"])
def test_one_output_and_the_order_of_the_sum(call, number, f):
    losses = np.empty(1, number)
    call(f, losses, *arrays(number, [[1]], [[3]]))
    assert losses[0] == (2 if f is loss.half_sse else 4)
    # B² + 1 = B² in the dtype, so that the squares B², 1, …, 1 never grow from the first on; the
    # other way round the ones come together first
    big = {np.float32: 2.0**12, np.float64: 2.0**27}[number]
    ones = 8
    x, y = np.zeros((1, ones + 1), number), np.array([[big, *[1] * ones]], number)
    call(f, losses, x, y)
    scale = {loss.sse: number(1), loss.half_sse: number(2), loss.mse: number(ones + 1)}[f]
    assert losses[0] == number(big * big) / scale
    call(f, losses, x, y[:, ::-1].copy())
    assert losses[0] == number(ones + big * big) / scale


def test_cross_entropy_by_hand(call, number):
    # x = softmax(0, ln 3) = (1/4, 3/4)
    S, y = arrays(number, [[0, np.log(3)]] * 3, [[1, 0], [0, 1], [0.5, 0.5]])
    losses = np.full(3, np.nan, number)
    call(loss.cross_entropy, losses, S, y)
    expected = [np.log(4), np.log(4 / 3), 0.5 * np.log(4) + 0.5 * np.log(4 / 3)]
    np.testing.assert_allclose(losses, expected, rtol=6 * np.finfo(number).eps)


def test_cross_entropy_of_far_apart_sums(call, number):
    # −ln x: 2000 for the outsider, 0 for the winner, ln 2 for one of two equal ones
    S, y = arrays(
        number,
        [[1000, -1000], [1000, -1000], [700, 700]],
        [[0, 1], [1, 0], [0, 1]],
    )
    losses = np.empty(3, number)
    call(loss.cross_entropy, losses, S, y)
    assert losses[0] == 2000 and losses[1] == 0
    np.testing.assert_allclose(losses[2], np.log(2), rtol=2 * np.finfo(number).eps)


@pytest.mark.parametrize(("N", "J"), [(1, 2), (5, 10), (2, 65)])
def test_cross_entropy_against_mpmath(call, number, N, J):
    random = np.random.default_rng(J)
    S = random.uniform(-5, 5, (N, J)).astype(number)
    y = random.dirichlet(np.ones(J), N).astype(number)
    with mpmath.workdps(40):
        exact = [
            -mpmath.fsum(
                float(t) * mpmath.log(mpmath.exp(float(s)) / mpmath.fsum(map(mpmath.exp, row)))
                for s, t in zip(row, target, strict=True)
            )
            for row, target in zip(S.tolist(), y.tolist(), strict=True)
        ]
    losses = np.empty(N, number)
    call(loss.cross_entropy, losses, S, y)
    # Each y_j ln x_j is at most (10 + ln 65) y_j; their J-term sum and ln z add J units each
    atol = (2 * J + 10) * np.finfo(number).eps * 15
    np.testing.assert_allclose(losses, np.array(exact, float), rtol=0, atol=atol)


def test_binary_cross_entropy_by_hand(call, number):
    # σ(0) = 1/2, σ(ln 3) = 3/4, σ(−ln 3) = 1/4
    a = np.log(3)
    S, y = arrays(number, [[0, a], [a, -a]], [[1, 1], [0, 0.5]])
    losses = np.full(2, np.nan, number)
    call(loss.binary_cross_entropy, losses, S, y)
    # ln 2 + ln 4/3;  for y = 0: −ln(1 − 3/4) = ln 4, for y = 1/2: ½ ln 4 + ½ ln 4/3
    expected = [np.log(8 / 3), np.log(4) + 0.5 * np.log(16 / 3)]
    np.testing.assert_allclose(losses, expected, rtol=6 * np.finfo(number).eps)


def test_binary_cross_entropy_of_large_sums(call, number):
    S, y = arrays(number, [[1000], [1000], [-1000], [-1000]], [[1], [0], [1], [0]])
    losses = np.empty(4, number)
    call(loss.binary_cross_entropy, losses, S, y)
    np.testing.assert_array_equal(losses, [0, 1000, 1000, 0])


def test_binary_cross_entropy_keeps_the_small_losses(call, number):
    # −ln σ(20) = ln(1 + e^−20) = 2.0611536203143808e-9: 1 − x would have lost it in float32
    S, y = arrays(number, [[20], [-20]], [[1], [0]])
    losses = np.empty(2, number)
    call(loss.binary_cross_entropy, losses, S, y)
    # For y = 1 the main part (20 − 20) is 0, so that all digits of the small one remain
    expected = 2.0611536203143808e-9
    np.testing.assert_allclose(losses, [expected, expected], rtol=6 * np.finfo(number).eps)


def test_binary_cross_entropy_against_mpmath(call, number):
    random = np.random.default_rng(0)
    S = random.uniform(-8, 8, (6, 7)).astype(number)
    y = random.uniform(0, 1, (6, 7)).astype(number)
    y[0] = [0, 1, 0, 1, 0, 1, 0]
    losses = np.empty(6, number)
    call(loss.binary_cross_entropy, losses, S, y)
    with mpmath.workdps(40):
        for n in range(6):
            exact = mpmath.mpf(0)
            for s, t in zip(S[n].tolist(), y[n].tolist(), strict=True):
                x = 1 / (1 + mpmath.exp(-mpmath.mpf(s)))
                exact -= t * mpmath.log(x) + (1 - t) * mpmath.log(1 - x)
            # seven terms of at most 8, each rounded about five times
            assert abs(float(losses[n]) - exact) <= 7 * 8 * 6 * np.finfo(number).eps


def test_cross_entropy_delta_by_hand(call, number):
    x, y = arrays(number, [[0.25, 0.75], [0.5, 0.125]], [[1, 0], [0.25, 0.5]])
    delta = np.empty((2, 2), number)
    call(loss.cross_entropy_delta, delta, x, y)
    np.testing.assert_array_equal(delta, [[-0.75, 0.75], [0.25, -0.375]])


@pytest.mark.parametrize("f", [loss.cross_entropy, loss.binary_cross_entropy])
def test_cross_entropies_ascend(call, number, f):
    # The terms are 256 B, 256, …, 256 with 1 + B = B: from the first on they stay 256 B, and the
    # other way round they come to 256 (B + 8)
    big = {np.float32: 2.0**24, np.float64: 2.0**53}[number]
    if f is loss.binary_cross_entropy:
        S, y = arrays(number, [[256 * big, *[256] * 8]], [[0] * 9])  # for y = 0 a term is S_j
    else:
        # S_j = −256 below the highest, 0, has ln x_j = −256, since ln(1 + 9 e^−256) = 0
        S, y = arrays(number, [[*[-256] * 9, 0]], [[big, *[1] * 8, 0]])
    losses = np.empty(1, number)
    call(f, losses, S, y)
    assert losses[0] == 256 * big
    call(f, losses, S[:, ::-1].copy(), y[:, ::-1].copy())
    assert losses[0] == 256 * (big + 8)
