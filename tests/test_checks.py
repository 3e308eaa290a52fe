"""The validation layer: whatever comes in, it is either right or refused by name."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from problems import DTYPES

from loopbp import checks
from loopbp.network import Network

settings.register_profile("checks", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("checks")

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
numbers_or_not = hnp.arrays(
    st.one_of(
        hnp.floating_dtypes(endianness="?"),
        hnp.integer_dtypes(endianness="?"),
        hnp.boolean_dtypes(),
        hnp.complex_number_dtypes(),
        hnp.unicode_string_dtypes(max_len=2),
    ),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


# --- Numbers, names and flags -------------------------------------------------------------------


@given(st.integers(), st.integers(), st.none() | st.integers())
def test_integers_between_their_bounds(value, low, high):
    inside = low <= value and (high is None or value <= high)
    for given_value in (value, np.int64(value)) if abs(value) < 2**63 else (value,):
        if inside:
            checked = checks.integer("k", given_value, low=low, high=high)
            assert checked == value and type(checked) is int
        else:
            with pytest.raises(ValueError, match=rf"^k: expected an integer .*; got {value}$"):
                checks.integer("k", given_value, low=low, high=high)


@given(anything)
@example(np.True_)
@example(np.float64(3))
@example(np.array(3))
@example(math.nan)
def test_only_integers_are_integers(value):
    if isinstance(value, int) and not isinstance(value, bool):
        assert checks.integer("k", value, low=value) == value
    else:
        with pytest.raises(TypeError, match=r"^k: expected an integer; got "):
            checks.integer("k", value, low=-(10**9))


@given(st.floats(), st.floats(-10, 0), st.floats(0, 10), st.booleans(), st.booleans())
@example(0.0, 0.0, 1.0, True, False)
@example(1.0, 0.0, 1.0, False, True)
@example(-0.0, 0.0, 1.0, False, False)
def test_reals_between_their_bounds(value, low, high, open_low, open_high):
    above = value > low if open_low else value >= low
    below = value < high if open_high else value <= high
    options = {"low": low, "high": high, "open_low": open_low, "open_high": open_high}
    if above and below:
        checked = checks.real("r", value, **options)
        assert checked == value and type(checked) is float
        assert checks.real("r", np.float32(0.5)) == 0.5
    else:
        with pytest.raises(ValueError, match=r"^r: expected a finite number"):
            checks.real("r", value, **options)


@given(st.floats())
def test_reals_without_bounds_are_finite(value):
    if math.isfinite(value):
        assert checks.real("r", value) == value
    else:
        with pytest.raises(ValueError, match=r"^r: expected a finite number; got "):
            checks.real("r", value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"low": 0}, "a finite number ≥ 0; got -1"),
        ({"low": 0, "open_low": True}, "a finite number > 0; got -1"),
        ({"low": 0, "high": 1}, "a finite number ≥ 0 and ≤ 1; got -1"),
        ({"low": 0, "high": 1, "open_high": True}, "a finite number ≥ 0 and < 1; got -1"),
        ({"high": -2}, "a finite number ≤ -2; got -1"),
    ],
)
def test_how_bounds_are_told(options, words):
    with pytest.raises(ValueError, match=re.escape(f"r: expected {words}")):
        checks.real("r", -1, **options)


@given(anything)
@example(np.bool_(True))
@example(np.array([0.5]))
def test_only_real_numbers_are_real(value):
    if isinstance(value, int | float) and not isinstance(value, bool):
        return
    with pytest.raises(TypeError, match=r"^r: expected a number; got "):
        checks.real("r", value)


@given(anything)
def test_only_true_and_false_are_flags(value):
    if isinstance(value, bool):
        assert checks.flag("f", value) is value
        assert checks.flag("f", np.bool_(value)) is value
    else:
        with pytest.raises(TypeError, match=r"^f: expected True or False; got "):
            checks.flag("f", value)


@given(anything)
@example("sgd")
@example("SGD")
@example("")
def test_only_the_names_are_choices(value):
    names = ("sgd", "adam")
    if isinstance(value, str) and value in names:
        assert checks.choice("o", value, names) == value
    elif isinstance(value, str):
        with pytest.raises(ValueError, match=r"^o: expected one of sgd, adam; got "):
            checks.choice("o", value, names)
    else:
        with pytest.raises(TypeError, match=r"^o: expected one of sgd, adam; got "):
            checks.choice("o", value, names)


@pytest.mark.parametrize(
    ("value", "near"),
    [("sigmod", "sigmoid"), ("ReLU", "relu"), ("tahn", "tanh"), ("soft_plus", "softplus")],
)
def test_the_nearest_name_is_offered(value, near):
    with pytest.raises(ValueError, match=f"; did you mean '{near}'\\?$"):
        checks.choice("g", value, ("sigmoid", "relu", "tanh", "softplus"))


def test_nothing_is_offered_where_nothing_is_near():
    with pytest.raises(ValueError, match=r"got 'quadratic'$"):
        checks.choice("g", "quadratic", ("sigmoid", "relu"))


# --- Arrays -------------------------------------------------------------------------------------


@given(numbers_or_not, st.sampled_from(DTYPES), st.integers(1, 4))
def test_a_matrix_is_right_or_refused(given_array, dtype, columns):
    dtype = np.dtype(dtype)
    real = given_array.dtype.kind in "biuf"
    fits = given_array.ndim == 2 and given_array.shape[1] == columns and len(given_array) > 0
    if real and fits:
        with np.errstate(over="ignore"):
            cast = given_array.astype(dtype)
        if np.isfinite(cast).all():
            checked = checks.matrix("X", given_array, dtype, columns=columns)
            assert checked.dtype == dtype and checked.flags.c_contiguous
            np.testing.assert_array_equal(checked, cast)
            return
        row, column = np.argwhere(~np.isfinite(cast))[0]
        bad = np.count_nonzero(~np.isfinite(cast))
        message = rf"got \S+ in row {row}, column {column} \({bad} of {cast.size} entries are not"
    else:
        message = "expected"
    with pytest.raises(ValueError if real else TypeError, match=f"^X: .*{message}"):
        checks.matrix("X", given_array, dtype, columns=columns)


@given(anything | numbers_or_not)
@settings(max_examples=200)
def test_no_data_brings_a_network_down(value):
    """Any X and any Y: a result, or an error that names it; the weights are never touched."""
    net = Network([2, 3], seed=0)
    before = net.theta.tobytes()
    for name, X, Y in (("X", value, [0]), ("Y", [[1, 2]], value)):
        if name == "Y" and value is None:
            continue
        try:
            trace = net.backprop(X, Y, engine="python")
        except (TypeError, ValueError) as problem:
            assert re.match(r"X: |Y: expected", str(problem))
        else:
            assert np.isfinite(trace.gradient).all()
    assert net.theta.tobytes() == before


@given(
    st.lists(st.integers(-1, 4) | anything, max_size=4),
    st.text(max_size=3) | st.lists(st.sampled_from(["relu", "softmax", "x"]), max_size=3),
    anything,
    anything,
)
@settings(max_examples=200)
def test_no_arguments_bring_the_constructor_down(sizes, hidden, output, seed):
    arguments = {"hidden": hidden, "output": output, "seed": seed}
    for name in arguments:
        try:
            net = Network(sizes, **({name: arguments[name]}))
        except (TypeError, ValueError) as problem:
            assert re.match(r"(sizes|hidden|output|loss|seed)(\[\d\])?: ", str(problem))
        else:
            pairs = itertools.pairwise(sizes)
            assert len(net.theta) == sum((i + 1) * j for i, j in pairs)


def test_where_the_first_bad_entry_is():
    X = np.ones((3, 4))
    X[1, 2], X[2, 0] = np.inf, np.nan
    message = "X: expected finite float64 numbers; got inf in row 1, column 2 (2 of 12 entries are"
    with pytest.raises(ValueError, match=re.escape(message)):
        checks.matrix("X", X, np.dtype("float64"), columns=4)
    with pytest.raises(ValueError, match=r"v: expected finite float32 numbers; got 1e\+39"):
        checks.finite("v", np.array([0, 1e39]), np.dtype("float32"))


def test_a_list_of_lists_of_different_lengths():
    with pytest.raises(TypeError, match=r"^X: expected an array of numbers; "):
        checks.numeric("X", [[1, 2], [3]])


def test_a_checked_array_may_be_the_given_one_and_is_never_changed():
    X = np.arange(6.0).reshape(2, 3)
    assert checks.matrix("X", X, np.dtype("float64"), columns=3) is X
    column_major = np.asfortranarray(X)
    checked = checks.matrix("X", column_major, np.dtype("float64"), columns=3)
    assert checked.flags.c_contiguous and not np.shares_memory(checked, column_major)


# --- Words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        ("ab", "'ab'"),
        (1.5, "1.5"),
        (np.zeros((2, 3)), "ndarray of shape (2, 3)"),
        ([1, 2], "list"),
        ("x" * 100, "'" + "x" * 58 + "…"),
    ],
    ids=str,
)
def test_what_came_in_few_words(value, words):
    assert checks.describe(value) == words


@given(st.text(max_size=200), st.integers(1, 100))
def test_shortened_text_fits(text, limit):
    short = checks.shorten(text, limit)
    assert len(short) <= limit
    assert short == text if len(text) <= limit else short.endswith("…")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, 1),
        (np.int64(4096), 4096),
        ("640 B", 640),
        ("1 KiB", 1024),
        ("1kB", 1000),
        ("1.5 MiB", 1_572_864),
        (" 2 gib ", 2_147_483_648),
        ("0.5 TB", 500_000_000_000),
    ],
)
def test_memory(given, expected):
    assert checks.memory("memory", given) == expected


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (0, ValueError, "memory: expected an integer ≥ 1; got 0"),
        (1.5, TypeError, "memory: expected bytes, or text such as '512 MiB'; got 1.5"),
        (True, TypeError, "expected bytes"),
        (None, TypeError, "expected bytes"),
        ("much", ValueError, "such as '512 MiB'; got 'much'"),
        ("12", ValueError, "expected an amount with a unit"),
        ("1 PiB", ValueError, "B, kB, MB"),
        ("-1 GB", ValueError, "expected an amount with a unit"),
        ("0.1 B", ValueError, "≥ 1; got 0"),
    ],
)
def test_what_is_no_memory(given, error, message):
    with pytest.raises(error, match=message):
        checks.memory("memory", given)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 KiB"),
        (1025, "1.1 KiB"),
        (2**30 + 1, "1.1 GiB"),
        (3 * 2**50, "3,072 TiB"),
    ],
)
def test_an_amount_is_rounded_up(count, text):
    assert checks.amount(count) == text
