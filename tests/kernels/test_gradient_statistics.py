"""The numbers of one layer's gradient: by hand, where squares leave float64, and with NaN."""

from __future__ import annotations

import numpy as np
import pytest

from loopbp.kernels import statistics


def measured(call, grad, delta, number=np.float64):
    out = np.full(5, np.nan)
    call(statistics.gradient_statistics, out, np.array(grad, number), np.array(delta, number))
    return dict(zip(statistics.NAMES, out.tolist(), strict=True))


def test_by_hand(call, number):
    grad = [[3, 0, -4], [0, -12, 0]]
    delta = [[1, 2, 2], [4, 0, 0], [0, -5, 0]]
    got = measured(call, grad, delta, number)
    assert got["mean_abs"] == 19 / 6
    assert got["l2"] == 13  # 9 + 16 + 144
    assert got["max_abs"] == 12
    assert got["zeros"] == 3 / 6
    # √((9 + 16 + 25) / 3), the norms being 3, 4 and 5
    assert got["delta_norm"] == pytest.approx(np.sqrt(50 / 3), rel=1e-15)


def test_the_largest_entry_is_found_in_every_place(call):
    for place in np.ndindex(3, 4):
        grad = np.full((3, 4), 0.5)
        grad[place] = -2
        assert measured(call, grad, np.ones((2, 4)))["max_abs"] == 2


def test_one_entry_and_none_but_zeros(call, number):
    assert list(measured(call, [[-2]], [[3]], number).values()) == [2, 2, 2, 0, 3]
    assert list(measured(call, [[0, -0.0]], [[0, 0]], number).values()) == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("scale", [1e-200, 1e200, 5e-324, 1e300])
def test_norms_whose_squares_leave_float64(call, scale):
    got = measured(call, [[3 * scale, 0], [0, -4 * scale]], [[0, 3 * scale], [4 * scale, 0]])
    assert got["l2"] == pytest.approx(5 * scale, rel=1e-15)
    assert got["delta_norm"] == pytest.approx(5 / np.sqrt(2) * scale, rel=1e-15, abs=5e-324)
    assert got["max_abs"] == 4 * scale


def test_float32_is_summed_in_float64(call):
    tenth = float(np.float32(0.1))
    got = measured(call, np.full((1000, 3), 0.1), np.full((1000, 3), 0.1), np.float32)
    # 3000 terms in float32 would be off by 1e-5; in float64 by some 1e-14
    assert got["mean_abs"] == pytest.approx(tenth, rel=1e-13)
    assert got["l2"] == pytest.approx(tenth * np.sqrt(3000), rel=1e-13)
    assert got["delta_norm"] == pytest.approx(tenth * np.sqrt(3), rel=1e-13)
    # 2^127 squares to infinity in float32
    assert measured(call, [[2.0**127]], [[2.0**127]], np.float32)["l2"] == 2.0**127


def test_columns_are_summed_first(call):
    # In columns 1 + B = B and −B + 1 = −B + 1; row by row the sum of |g| would be another
    big = 2.0**53
    got = measured(call, [[1, big], [1, 0], [1, 0]], [[0, 0]])
    assert got["mean_abs"] == (3 + big) / 6  # 3 + 2^53 rounds to 2^53 + 4
    assert (3 + big) != ((1 + big) + 1) + 1


@pytest.mark.parametrize("rest", [0.0, 1.0, np.inf])
def test_a_nan_is_seen_in_every_place(call, rest):
    for place in np.ndindex(2, 2):
        values = np.full((2, 2), rest)
        values[place] = np.nan
        got = measured(call, values, np.ones((1, 2)))
        assert np.isnan([got["mean_abs"], got["l2"], got["max_abs"]]).all()
        assert got["zeros"] == (0.75 if rest == 0 else 0)
        assert got["delta_norm"] == np.sqrt(2)
        assert np.isnan(measured(call, np.ones((1, 2)), values)["delta_norm"])


def test_an_infinite_gradient_is_infinite(call):
    got = measured(call, [[1, -np.inf]], [[np.inf, 1]])
    assert got["mean_abs"] == got["l2"] == got["max_abs"] == got["delta_norm"] == np.inf
