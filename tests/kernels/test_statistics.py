"""The statistics of an array: by hand, against NumPy, and for numbers of every kind."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from loopbp.kernels import histogram, moments, observation, product
from loopbp.kernels.statistics import NAMES
from loopbp.workspace import statistics_memory

PERCENT = {"q01": 1, "q05": 5, "q50": 50, "q95": 95, "q99": 99}


def measured(values: Any, quantity: str = "S", biases: bool = False) -> tuple[Any, Any, Any]:
    """Numbers by name, histogram and layer numbers of an array: of its last part, if of two."""
    values = np.ascontiguousarray(values)
    J = values.shape[1]
    rows = 2 if biases else 1
    numbers = np.full((rows, len(NAMES)), 7.0)
    bins = np.full((rows, 2, histogram.OCTAVES), 7, np.int32)
    layer, state = np.full(4, np.nan), np.zeros(2)
    memory = statistics_memory(J, values.dtype)
    wanted = np.array([name == quantity for name in observation.QUANTITIES] + [biases], np.int64)
    place = (len(values), J, J, J, J, 0)
    flat = values.ravel()
    flats = tuple(flat.copy() for _ in range(7))
    with np.errstate(all="ignore"):
        observation.observe(
            numbers, bins, layer, state, memory, wanted, np.array([-1.0, 2, -4, 3]), 0, 6,
            flats, (place,) * 4,
        )  # fmt: skip
    assert not memory[1].any(), "counts are left for the next array"
    found = [dict(zip(NAMES, row.tolist(), strict=True)) for row in numbers]
    return (found, bins, layer) if biases else (found[0], bins[0], layer)


def test_by_hand(number):
    got, bins, _ = measured(np.array([[3, 0, -4], [0, -12, 0]], number))
    assert (got["count"], got["l1"], got["l2"], got["max_abs"]) == (6, 19, 13, 12)
    assert got["mean"] == pytest.approx(-13 / 6, rel=1e-15)
    assert got["std"] == pytest.approx(np.sqrt(169 / 6 - (13 / 6) ** 2), rel=1e-15)
    assert (got["zeros"], got["subnormals"], got["nonfinite"], got["exponent"]) == (3, 0, 0, 3)
    # In order 0 0 0 3 4 12: the ⌈0.5 · 6⌉ = third is 0, the ⌈0.95 · 6⌉ = sixth lies in [12, 12.5).
    assert got["q01"] == got["q50"] == 0
    assert got["q95"] == got["q99"] == 12  # the middle of its bin would be more than the largest
    # 12 = −1.5 · 2^3, 4 = −1 · 2^2, 3 = 1.5 · 2^1
    assert [tuple(at) for at in np.argwhere(bins)] == [(0, 2), (1, 0), (1, 1)]
    assert bins.sum() == 3


def numpys(values: Any) -> dict[str, float]:
    """The same numbers by NumPy, of numbers scaled so that no square leaves float64's range."""
    v = values.astype(np.float64)
    finite = np.abs(v[np.isfinite(v)])
    exponent = np.frexp(finite.max(initial=0.0))[1]
    least = np.finfo(values.dtype).tiny
    with np.errstate(all="ignore"):
        a, scaled = np.abs(v), np.ldexp(v, -exponent)
        return {
            "count": v.size,
            "l1": np.ldexp(np.abs(scaled).sum(), exponent),
            "l2": np.ldexp(np.linalg.norm(scaled), exponent),
            "max_abs": a.max(),
            "mean": np.ldexp(scaled.mean(), exponent),
            "std": np.ldexp(scaled.std(), exponent),
            "zeros": (v == 0).sum(),
            "subnormals": ((a > 0) & (a < least)).sum(),
            "nonfinite": (~np.isfinite(v)).sum(),
        }


def check_quantiles(got: dict[str, float], values: Any) -> None:
    """Each is the right one of |v| in order, to the width of its bin."""
    in_order = np.sort(np.abs(values.astype(np.float64)).ravel())
    tiny = float(np.finfo(values.dtype).tiny)
    for name, percent in PERCENT.items():
        exact = in_order[-(-percent * len(in_order) // 100) - 1]
        if np.isnan(in_order[-1]):
            assert np.isnan(got[name])
        elif exact == 0 or np.isinf(exact):
            assert got[name] == exact
        else:
            width = max(2.0 ** (np.frexp(exact)[1] - 5), tiny / 16)  # a sixteenth of 2^e
            assert abs(got[name] - exact) < width or got[name] == exact, name
            assert got[name] <= in_order[-1]


#: Results below the normal numbers have fewer digits: four units of the last.
SUBNORMAL = 2e-323

SPECIAL = [0.0, -0.0, 1.0, -1.0, 1.0625, 0.99, 3e38, -3e38, 1e-38, 1e-45, -1e-45, 2e-39, 1e-30]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_arrays_of_every_kind(dtype: str, data: st.DataObject) -> None:
    limit = 1e140 if dtype == "float64" else float(np.finfo(dtype).max)
    width = int(dtype[5:])
    elements = st.one_of(
        st.sampled_from([float(np.dtype(dtype).type(v)) for v in SPECIAL]),
        st.sampled_from([np.inf, -np.inf, np.nan, 0.5, 0.5, 0.5]),
        st.floats(-2, 2, width=width),
        st.floats(-limit, limit, width=width) if dtype == "float64" else st.floats(width=width),
    )
    limit, fill = data.draw(st.sampled_from([(1e-32, 0.0), (1e-310, 0.0), (limit, 0.25)]))
    if limit < 1:
        elements = st.floats(-limit, limit).map(lambda v: float(np.dtype(dtype).type(v)))
    shape = data.draw(st.tuples(st.integers(2, 9), st.integers(1, 40)))
    values = data.draw(arrays.arrays(dtype, shape, elements=elements, fill=st.just(fill)))
    got, bins, layer = measured(values)
    expected = numpys(values)
    for name in ("count", "max_abs", "zeros", "subnormals", "nonfinite"):
        assert got[name] == expected[name] or np.isnan([got[name], expected[name]]).all(), name
    for name in ("l1", "l2"):
        np.testing.assert_allclose(
            got[name], expected[name], rtol=1e-13, atol=SUBNORMAL, err_msg=name
        )
    # A sum of n terms may be off by n eps times the largest of them.
    scale = expected["max_abs"] if np.isfinite(expected["max_abs"]) else 1.0
    atol = 1e-13 * scale + SUBNORMAL
    np.testing.assert_allclose(got["mean"], expected["mean"], rtol=1e-13, atol=atol)
    np.testing.assert_allclose(got["std"], expected["std"], rtol=1e-12, atol=atol)
    check_quantiles(got, values)
    check_histogram(bins, got["exponent"], values)
    v = values.astype(np.float64)
    assert layer[observation.SATURATED] == ((v < -1) | (v > 2)).sum()
    assert layer[observation.SATURATED_HARD] == ((v < -4) | (v > 3)).sum()


def check_histogram(bins: Any, exponent: float, values: Any) -> None:
    """Counts of normal numbers by sign and power of 2, the last bin with everything below."""
    a = np.abs(values.astype(np.float64))
    normal = np.isfinite(a) & (a >= np.finfo(values.dtype).tiny)
    expected = np.zeros((2, histogram.OCTAVES), np.int32)
    if normal.any():
        exponents = np.frexp(a[normal])[1] - 1
        assert exponent == exponents.max()
        at = np.minimum(exponents.max() - exponents, histogram.OCTAVES - 1)
        np.add.at(expected, (np.signbit(values[normal]).astype(int), at), 1)
    assert np.array_equal(bins, expected)


def test_what_is_far_below_the_largest_is_in_the_lowest_bin():
    bins = measured(np.array([[2.0**100, 2.0**37, 2.0**36, -(2.0**35), 2.0**-300]]).T)[1]
    assert (bins[0, 0], bins[0, 63], bins[0, 64], bins[1, 64], bins.sum()) == (1, 1, 2, 1, 5)


@pytest.mark.parametrize("percent", [1, 5, 50, 95, 99])
@pytest.mark.parametrize("n", [1, 2, 19, 20, 21, 99, 100, 101, 200, 1000])
def test_ranks(n, percent):
    """Of 2^1 … 2^n only the power of the ⌈q n⌉-th is right: NumPy's inverted distribution."""
    if n > 1000:
        pytest.skip("float64 ends")
    values = 2.0 ** (np.arange(n) - n // 2)
    got = measured(np.random.default_rng(0).permutation(values)[:, None])[0]
    exact = values[-(-percent * n // 100) - 1]
    assert exact == np.quantile(values, percent / 100, method="inverted_cdf") or n * percent > 1e3
    name = next(name for name, p in PERCENT.items() if p == percent)
    assert exact <= got[name] < exact * 17 / 16


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300, 5e-324])
def test_squares_that_leave_float64(scale):
    values = np.array([[3 * scale, 0], [0, -4 * scale], [0, 0]])
    got, _, _ = measured(values)
    assert got["l2"] == pytest.approx(5 * scale, rel=1e-15, abs=5e-324)
    assert got["mean"] == pytest.approx(-scale / 6, rel=1e-14, abs=5e-324)
    assert got["std"] == pytest.approx(np.sqrt(25 / 6 - 1 / 36) * scale, rel=1e-14, abs=5e-324)
    assert got["l1"] == pytest.approx(7 * scale, rel=1e-15, abs=5e-324)
    assert (got["max_abs"], got["zeros"]) == (4 * scale, 4)


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6, -1e8])
def test_deviations_of_numbers_far_from_zero(offset):
    values = offset + np.random.default_rng(3).standard_normal((300, 13))
    exact = float(values.astype(np.longdouble).std())
    # Σ v² − n m² would lose all digits at 1e8
    assert measured(values)[0]["std"] == pytest.approx(exact, rel=1e-12)
    assert measured(np.full((300, 13), offset))[0]["std"] == 0


def test_biases_apart_and_together(number):
    """Row 0 is that of the biases; the deviation of the weights alone is kept beside the rest."""
    values = np.random.default_rng(1).standard_normal((5, 11)).astype(number)
    values[0] = 100
    together = measured(values, "weight")[0]
    assert together["std"] == pytest.approx(values.astype(float).std(), rel=1e-13)
    assert together["inner_std"] == pytest.approx(values[1:].astype(float).std(), rel=1e-13)
    assert together["l1"] == pytest.approx(np.abs(values.astype(float)).sum(), rel=1e-13)
    (weights, biases), bins, _ = measured(values, "weight", biases=True)
    assert (weights["count"], biases["count"]) == (44, 11)
    assert weights["std"] == together["inner_std"]
    assert (biases["l1"], biases["std"], biases["exponent"]) == (1100, 0, 6)
    check_histogram(bins[0], weights["exponent"], values[1:])
    check_histogram(bins[1], 6, values[:1])


def test_float32_is_summed_in_float64():
    tenth = float(np.float32(0.1))
    got = measured(np.full((1000, 3), 0.1, np.float32))[0]
    # 3000 terms in float32 would be off by 1e-5; in float64 by some 1e-14
    assert got["l1"] == pytest.approx(3000 * tenth, rel=1e-13)
    assert got["l2"] == pytest.approx(tenth * np.sqrt(3000), rel=1e-13)
    assert measured(np.full((1, 2), 2.0**127, np.float32))[0]["l2"] == 2.0**127 * np.sqrt(2)


def test_columns_are_summed_first():
    # In columns 1 + 1 + 1 = 3, and 3 + 2^53 = 2^53 + 4; row by row 1 + 2^53 stays 2^53
    big = 2.0**53
    assert measured(np.array([[1, big], [1, 0], [1, 0]]))[0]["l1"] == big + 4


@given(
    rows=st.integers(1, 5),
    lanes=st.integers(1, 3),
    seed=st.integers(0, 99),
    fresh=st.booleans(),
    counted_less=st.integers(0, 3),
)
@example(rows=3, lanes=2, seed=0, fresh=True, counted_less=1)
@settings(deadline=None, max_examples=20)
def test_vectors_of_columns(
    rows: int, lanes: int, seed: int, fresh: bool, counted_less: int
) -> None:
    """The compiled sums have the bits of the loops that define them."""
    random = np.random.default_rng(seed)
    for dtype in (np.float32, np.float64):
        width = lanes * product.REGISTERS.bytes // np.dtype(dtype).itemsize
        a, b = random.standard_normal((2, rows, width + 3)).astype(dtype)[:, :, :width]
        a[0, 0], a[-1, 1], a[0, 2], a[-1, 3] = np.nan, -0.0, 0, -np.inf
        columns = random.standard_normal((7, width)) ** 2
        counted = width - counted_less
        counts, expected_counts = ((statistics_memory(1, a.dtype)[1], counted) for _ in range(2))
        expected = columns.copy()
        with np.errstate(all="ignore"):
            moments.sum_rows(expected, (a,), (0.5,), fresh, *expected_counts)
            add_to_columns(columns, a, fresh, *counts)
            assert columns.tobytes() == expected.tobytes() or same(columns, expected)
            moments.sum_products(expected, (a, b), (0.5, 2.0), True)
            add_products_to_columns(columns, a, b)
        assert same(columns, expected)
        bins, expected_bins = (
            found[0].reshape(-1, histogram.COPIES).sum(axis=1)
            for found in (counts, expected_counts)
        )
        assert bins.tobytes() == expected_bins.tobytes()
        assert bins.sum() == rows * counted


def same(found: Any, expected: Any) -> bool:
    """Equal, NaN where NaN is."""
    return bool(np.array_equal(found, expected, equal_nan=True))


@numba.njit
def add_to_columns(columns: Any, values: Any, fresh: bool, counts: Any, counted: int) -> None:
    """Calls what exists in compiled code alone."""
    moments.add_rows(columns, values, 0.5, fresh, counts, counted)


@numba.njit
def add_products_to_columns(columns: Any, a: Any, b: Any) -> None:
    """Calls what exists in compiled code alone."""
    moments.add_products(columns, a, b, (0.5, 2.0))


def test_a_quantile_among_subnormal_numbers_leaves_zeros_out():
    """The 19th of 20 is the lower one of two in a bin [0, 2^-1026), so at a quarter of it."""
    values = np.array([[0.0] * 18 + [1e-310, 1.3e-309]]).T
    got = measured(values)[0]
    assert (got["q95"], got["q50"], got["subnormals"]) == (0.25 * 2.0**-1026, 0, 2)
