"""The elementary functions against mpmath, against NumPy in float64, and against themselves.

Errors are in units of the last place (ulp) of the exact result: 2**(e - p) for a result in
[2**e, 2**(e + 1)), and the least subnormal number below the normal range.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numba
import numpy as np
import pytest
import scipy.special

from loopbp.kernels import elementary
from loopbp.kernels.compile import bind, kernel, uncompiled

COMPILED = not numba.config.DISABLE_JIT
NAMES = ["exp", "log", "log1p", "expm1", "tanh", "sigmoid", "softplus", "erf", "sin", "cos"]
# greatest error allowed: the promise, which the errors observed undercut
ULPS = dict.fromkeys(NAMES, 2.0) | {"exp": 1.0, "log": 1.0, "tanh": 1.0, "sigmoid": 1.0}
INF, NAN = np.inf, np.nan
FORMATS = {"float32": elementary.SINGLE, "float64": elementary.DOUBLE}


@kernel
def apply(y, x, g):
    """y[n] = g(x[n])."""
    for n in range(x.shape[0]):
        y[n] = g(x[n])


def evaluate(name: str, x: np.ndarray, loops: Any = apply) -> np.ndarray:
    y = np.empty_like(x)
    with np.errstate(all="ignore"):
        bind(loops, getattr(elementary, name))(y, x)
    return y


def one(name: str, x: Any) -> Any:
    """The function of one number, through the compiled loop; x keeps its dtype."""
    return evaluate(name, np.array([x]))[0]


def points(name: str, count: int) -> np.ndarray:
    """About `count` float64 numbers, where the function is hard and all over its range."""
    rng = np.random.default_rng(20260101)
    n = count // 8

    def powers(low: float, high: float, size: int) -> np.ndarray:
        return 10.0 ** rng.uniform(low, high, size)

    def both(values: np.ndarray) -> np.ndarray:
        return values * rng.choice([-1.0, 1.0], values.size)

    def between(low: float, high: float, size: int = n) -> np.ndarray:
        return rng.uniform(low, high, size)

    parts = [both(powers(-20, 0, n)), both(powers(-323, -300, n // 8))]
    if name in ("exp", "expm1", "sigmoid", "softplus"):
        parts += [between(-745.2, 709.7, 2 * n), between(-745.2, -708, n), between(709, 709.78)]
        parts += [between(-40, 40), between(-1.5, 1.5)]
    elif name == "log":
        parts = [powers(-323.3, 308, 2 * n), between(0.5, 2, 2 * n)]
        parts += [1 + both(powers(-16, -1, 2 * n))]
        parts += [powers(-323.3, -307, n), 2.0 ** rng.integers(-1074, 1023, n) * 2**0.5]
    elif name == "log1p":
        parts += [powers(-20, 308, n), between(-1, 1, 2 * n), powers(-16, -1, n) - 1]
        parts += [between(1, 100, n), between(0.38, 0.45, n)]
    elif name == "tanh":
        parts += [between(-20, 20), between(-1, 1, 3 * n), both(powers(-10, 0, 2 * n))]
    elif name == "erf":
        parts += [between(-6.5, 6.5), between(-1, 1, 2 * n), between(0.9, 2, 2 * n)]
    else:
        multiples = rng.integers(1, 667_000, 2 * n) * (np.pi / 2)
        near = np.nextafter(multiples, rng.choice([0.0, INF], 2 * n))
        parts += [between(-10, 10, n), between(-(2.0**20), 2.0**20, 2 * n), multiples, near]
    return np.concatenate(parts)


def exact(name: str) -> Callable[[Any], Any]:
    """The function in mpmath, at a precision that survives every cancellation below."""
    return {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    }.get(name, getattr(mpmath, name, None))


def ulps(y: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """|y - reference| in ulps of the reference, for a reference in a wider format."""
    info = np.finfo(y.dtype)
    magnitude = np.maximum(np.abs(reference), reference.dtype.type(info.tiny))
    exponent = np.frexp(magnitude)[1].astype(np.int64) - 1 - info.nmant
    return np.abs(np.ldexp(y.astype(reference.dtype) - reference, -exponent.astype(np.int32)))


def mpmath_ulps(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The errors of y = name(x), float64, each compared with mpmath at 120 bits."""
    function = exact(name)
    errors = np.empty(x.size)
    with mpmath.workprec(120):
        for n, (argument, result) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            value = function(mpmath.mpf(argument))
            exponent = max(value.man.bit_length() + value.exp - 53, -1074) if value else -1074
            errors[n] = float(mpmath.ldexp(abs(mpmath.mpf(result) - value), -exponent))
    return errors


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_within_its_bound_of_mpmath(name: str) -> None:
    count = (200_000 if ULPS[name] == 1 else 40_000) if COMPILED else 2_000
    x = points(name, count)
    errors = mpmath_ulps(name, x, evaluate(name, x))
    worst = int(errors.argmax())
    assert errors[worst] <= ULPS[name], (x[worst], errors[worst])


def numpy_function(name: str) -> Callable[..., Any]:
    return {
        "sigmoid": scipy.special.expit,
        "softplus": lambda x: np.logaddexp(0, x),
        "erf": scipy.special.erf,
    }.get(name, getattr(np, name, None))


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_within_its_bound_of_float64(name: str) -> None:
    """Over bit patterns of all float32 numbers, some 4 in a million when it is not compiled."""
    step = 4_001 if COMPILED else 1_000_003
    x = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = x[np.abs(x) <= elementary.SINGLE.angle_high] if name in ("sin", "cos") else x
    y = evaluate(name, x)
    with np.errstate(all="ignore"):
        reference = numpy_function(name)(x.astype(np.float64))
        # what overflows in float32 is infinite, from half an ulp above the greatest number on
        rounded = reference.astype(np.float32)
        infinite = np.isinf(rounded)
        errors = np.where(infinite, 0, ulps(y, reference))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(reference))
    np.testing.assert_array_equal(y[infinite], rounded[infinite])
    errors = np.nan_to_num(errors)
    assert errors.max() <= ULPS[name], x[errors.argmax()]


SPECIAL = {
    "exp": [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (710, INF), (-746, 0), (1e300, INF)],
    "expm1": [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, -1), (710, INF), (-60, -1)],
    "log": [(0, -INF), (-0.0, -INF), (1, 0), (INF, INF), (-1, NAN), (-1e-40, NAN), (-INF, NAN)],
    "log1p": [(0, 0), (-0.0, -0.0), (-1, -INF), (INF, INF), (-1.5, NAN), (-INF, NAN)],
    "tanh": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (30, 1), (-30, -1)],
    "sigmoid": [(0, 0.5), (-0.0, 0.5), (INF, 1), (-INF, 0), (800, 1), (-800, 0)],
    "softplus": [(INF, INF), (-INF, 0), (800, 800), (-800, 0)],
    "erf": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (7, 1), (-7, -1)],
    "sin": [(0, 0), (-0.0, -0.0), (INF, NAN), (-INF, NAN), (2.0**21, NAN), (-(2.0**21), NAN)],
    "cos": [(0, 1), (-0.0, 1), (INF, NAN), (-INF, NAN), (2.0**21, NAN), (-(2.0**21), NAN)],
}


@pytest.mark.parametrize("name", NAMES)
def test_special_values(name: str, number: Any) -> None:
    with np.errstate(over="ignore"):
        x, expected = np.array([*SPECIAL[name], (NAN, NAN)]).astype(number).T.copy()
    y = evaluate(name, x)
    np.testing.assert_array_equal(y, expected)
    finite = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[finite]), np.signbit(expected[finite]))


def test_the_ends_of_the_range() -> None:
    """Values from mpmath, rounded to nearest; the neighbour beyond an end overflows or is 0."""
    assert one("exp", 709.782712893384) == pytest.approx(1.797693134862273e308, rel=3e-16)
    assert one("exp", 709.7827128933841) == INF
    assert one("exp", -745.1332191019411) == 5e-324
    assert one("exp", -745.1332191019412) == 0
    assert one("expm1", 709.7827128933841) == INF
    assert one("sigmoid", -745.1) == 5e-324
    assert one("sigmoid", -800.0) == 0
    assert one("log", 5e-324) == -744.4400719213812
    assert one("log", np.finfo(np.float64).max) == 709.782712893384
    assert one("log1p", np.finfo(np.float64).max) == 709.782712893384
    assert one("exp", np.float32(88.72284)) == INF
    assert one("log", np.float32(1e-45)) == np.float32(-103.27893)
    assert one("log1p", np.finfo(np.float32).max) == np.float32(88.72284)


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sin"])
def test_subnormals_are_their_own_images(name: str, number: Any) -> None:
    info = np.finfo(number)
    x = info.smallest_subnormal * np.arange(1, 200).astype(number)
    x = np.concatenate([x, -x, [info.tiny, -info.tiny]]).astype(number)
    np.testing.assert_array_equal(evaluate(name, x), x)


def test_tanh_of_a_tiny_number_is_the_number(number: Any) -> None:
    """x - x**3/3 rounds to x where x**2/3 is below a quarter ulp."""
    x = np.geomspace(1e-20, 2.0**-28 if number is np.float64 else 2.0**-13, 20_000).astype(number)
    np.testing.assert_array_equal(evaluate("tanh", x), x)


@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_functions_are_odd_to_the_bit(name: str, number: Any) -> None:
    x = np.random.default_rng(1).normal(scale=3, size=2_000).astype(number)
    np.testing.assert_array_equal(evaluate(name, -x), -evaluate(name, x))


def test_cos_is_even_to_the_bit(number: Any) -> None:
    x = np.random.default_rng(2).normal(scale=9, size=2_000).astype(number)
    np.testing.assert_array_equal(evaluate("cos", -x), evaluate("cos", x))


def test_sin_and_cos_end_with_the_reduction(number: Any) -> None:
    limit = number(2**20 if number is np.float64 else 2**13)
    beyond = np.nextafter(limit, number(INF))
    for name, reference in (("sin", np.sin), ("cos", np.cos)):
        assert one(name, limit) == pytest.approx(reference(float(limit)), rel=1e-6)
        assert np.isnan(one(name, beyond)) and np.isnan(one(name, -beyond))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "erf"])
def test_saturating_functions_stay_in_their_range(name: str, number: Any) -> None:
    x = np.linspace(-45, 45, 20_001 if COMPILED else 2_001).astype(number)
    y = evaluate(name, x)
    assert y.max() == 1
    assert y.min() >= (0 if name == "sigmoid" else -1)


def scales(name: str, number: Any, count: int) -> np.ndarray:
    """Random bit patterns (every exponent, subnormal, infinite, NaN), and the hard points."""
    width = np.dtype(number).itemsize
    rng = np.random.default_rng(3)
    random = rng.integers(0, 256, (count // 2) * width, dtype=np.uint8).view(number)
    least = np.finfo(number).smallest_subnormal
    edges = np.array([0.0, -0.0, INF, -INF, NAN, least, -least, 1, -1], number)
    with np.errstate(over="ignore"):
        return np.concatenate([edges, random, points(name, count // 2).astype(number)])


@pytest.mark.skipif(not COMPILED, reason="compares with compiled code")
@pytest.mark.parametrize("name", NAMES)
def test_compiled_and_uncompiled_agree_bit_for_bit(name: str, number: Any) -> None:
    """Of a NaN only that it is one: its sign and payload are the processor's."""
    x = scales(name, number, 4_000)
    compiled = evaluate(name, x)
    plain = np.empty_like(x)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        uncompiled(apply)(plain, x, getattr(elementary, name))
    nan = np.isnan(plain)
    np.testing.assert_array_equal(np.isnan(compiled), nan)
    integer = f"u{x.itemsize}"
    np.testing.assert_array_equal(compiled[~nan].view(integer), plain[~nan].view(integer))


@pytest.mark.parametrize("name", NAMES)
def test_uncompiled_result_has_the_dtype_of_the_argument(name: str, number: Any) -> None:
    with np.errstate(all="ignore"):
        assert type(getattr(elementary, name)(number(0.75))) is number


@pytest.mark.skipif(not COMPILED, reason="reads compiled code")
@pytest.mark.parametrize("name", NAMES)
def test_a_loop_becomes_vector_code_of_its_own_dtype(name: str, number: Any) -> None:
    g = getattr(elementary, name)

    @numba.njit(error_model="numpy")
    def loop(y, x):
        for n in range(x.shape[0]):
            y[n] = g(x[n])

    loop(np.ones(3, number), np.ones(3, number))
    (code,) = loop.inspect_llvm().values()
    kind = "double" if number is np.float64 else "float"
    assert re.search(rf"fmul <\d+ x {kind}>", code)
    assert "llvm.fma" not in code and "llvm.fmuladd" not in code
    if number is np.float32:
        assert "double" not in code


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    ("polynomial", "function", "low", "high", "bounds"),
    [
        ("exp", lambda r, p: mpmath.exp(r) - (1 + r + r**2 * p), -0.3469, 0.3469,
         (3.5e-9, 6.2e-18)),
        ("log", lambda z, p: p * z / 2 + 1 - mpmath.atanh(mpmath.sqrt(z)) / mpmath.sqrt(z),
         1e-9, 0.17158**2, (8.9e-10, 1.9e-18)),
        ("sin", lambda z, p: mpmath.sin(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1 - z * p, 1e-9,
         0.7855**2, (5.4e-9, 6.0e-18)),
        ("cos", lambda z, p: mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2 - z**2 * p, 1e-9, 0.7855**2,
         (5.0e-10, 9.1e-19)),
        ("erf", lambda z, p: mpmath.erf(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1 - p, 1e-9, 1,
         (1.5e-8, 3.5e-17)),
        ("log_erfc", lambda x, p: mpmath.erfc(x) * (-mpmath.log(mpmath.erfc(x)) - p), 1, 4,
         (4.1e-9, 2.6e-17)),
    ],
    ids=["exp", "log", "sin", "cos", "erf", "log_erfc"],
)  # fmt: skip
def test_polynomials_fit(
    dtype: str,
    polynomial: str,
    function: Callable[..., Any],
    low: float,
    high: float,
    bounds: tuple[float, float],
) -> None:
    """The coefficients as rounded, evaluated without rounding errors."""
    coefficients = [float(c) for c in getattr(FORMATS[dtype], polynomial)]
    with mpmath.workprec(160):
        errors = [
            abs(function(t, mpmath.fsum(c * t**i for i, c in enumerate(coefficients))))
            for t in (mpmath.mpf(low + (high - low) * n / 400) for n in range(401))
        ]
    assert max(errors) <= bounds[dtype == "float64"]


@pytest.mark.parametrize("dtype", FORMATS)
def test_the_parts_of_pi_and_log_2(dtype: str) -> None:
    c = FORMATS[dtype]
    with mpmath.workprec(400):
        half_pi = sum(mpmath.mpf(float(part)) for part in c.half_pi)
        log_2 = mpmath.mpf(float(c.ln2_high)) + mpmath.mpf(float(c.ln2_low))
        # error k |parts - pi/2| beside the least remainder, 2**-62 and 2**-30
        assert abs(half_pi - mpmath.pi / 2) < mpmath.mpf(2) ** (-150 if dtype == "float64" else -66)
        assert abs(log_2 - mpmath.log(2)) < mpmath.mpf(2) ** (-84 if dtype == "float64" else -43)
