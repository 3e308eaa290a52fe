"""Lengths, projections and entries of single gradients: by hand, in order, at every boundary."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loopbp.kernels import per_example
from loopbp.kernels.per_example import LANES


def in_order(terms: list[float]) -> float:
    """Lane k takes the terms k, k + LANES, …; then the lanes are added, the first one first."""
    lanes = [0.0] * LANES
    for k, term in enumerate(terms):
        lanes[k % LANES] += term
    total = lanes[0]
    for lane in lanes[1:]:
        total += lane
    return total


def test_norms_by_hand(call, number):
    """|g| = |δ| |x|: 5 · 3 and 13 · 9; the second example is 0."""
    out = np.full(3, np.nan)
    delta = np.array([[3, -4], [0, 0], [-5, 12]], number)
    x = np.array([[1, 2, -2], [1, 5, 5], [1, 4, 8]], number)
    call(per_example.norms, out, delta, x)
    assert out.tolist() == [15, 0, 117]


def test_dots_by_hand(call, number):
    out = np.full(2, np.nan)
    delta = np.array([[1, 2, 3], [0, -1, 0.5]], number)
    sums = np.array([[4, 5, 6], [7, 8, 10]], number)
    call(per_example.dots, out, delta, sums)
    assert out.tolist() == [32, -3]


@pytest.mark.parametrize("K", [1, LANES - 1, LANES, LANES + 1, 3 * LANES, 3 * LANES + 7])
def test_the_order_of_the_sums(call, number, K):
    random = np.random.default_rng(K)
    a, b = random.standard_normal((2, 2, K)).astype(number)
    dots, norms = np.empty(2), np.empty(2)
    call(per_example.dots, dots, a, b)
    call(per_example.norms, norms, a, np.ones((2, 1), number))
    for n in range(2):
        pairs = zip(a[n].tolist(), b[n].tolist(), strict=True)  # float64 products of these numbers
        assert dots[n] == in_order([u * v for u, v in pairs])
        assert norms[n] == math.sqrt(in_order([u * u for u in a[n].tolist()]))


def test_float32_is_summed_in_float64(call):
    out, third = np.empty(1), np.float32(1 / 3)
    call(per_example.norms, out, np.full((1, 1000), third), np.ones((1, 1), np.float32))
    assert out[0] == pytest.approx(float(third) * math.sqrt(1000), rel=1e-15)


@pytest.mark.parametrize("scale", [1e-200, 1e200, 5e-324])
def test_norms_whose_squares_leave_float64(call, scale):
    out = np.empty(1)
    call(per_example.norms, out, np.array([[3 * scale, -4 * scale]]), np.array([[1.0, 0.0]]))
    assert out[0] == pytest.approx(5 * scale, rel=1e-15)


@pytest.mark.parametrize(
    ("I", "J"),
    [(1, 1), (3, 5), (6000, 3), (2, 20_001), (17, 1)],
    ids=["one", "small", "several pieces", "a row beyond a piece", "one output"],
)
def test_gradients_are_single_products(call, number, I, J):
    """Bit for bit, in their columns and nowhere else."""
    random = np.random.default_rng(I)
    delta = random.standard_normal((2, J)).astype(number)
    x = random.standard_normal((2, I)).astype(number)
    out = np.full((2, I * J + 5), 7, number)
    call(per_example.gradients, out, 3, delta, x)
    expected = x[:, :, None] * delta[:, None, :]
    assert out[:, 3:-2].tobytes() == expected.tobytes()
    assert (out[:, [0, 1, 2, -2, -1]] == 7).all()
