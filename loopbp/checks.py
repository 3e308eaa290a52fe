"""Checks of what comes in from outside: one clear error, before anything has changed.

Every function takes the argument's name first, so that the message can say which argument it
was, what was expected and what came. Each returns the checked value in the form that the rest
of the package works with.
"""

from __future__ import annotations

import difflib
import math
import numbers
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

#: Entries that `all_finite` looks at together.
_BLOCK = 1 << 14

#: Units of memory, and their bytes.
_UNITS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate(("k", "M", "G", "T"), 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate(("K", "M", "G", "T"), 1)},
}


def choice(argument: str, value: object, known: Iterable[str]) -> str:
    """`value` if it is one of the names in `known`.

    Raises `TypeError` for anything but a string, `ValueError` for an unknown name; the message
    lists the known names and the nearest one.
    """
    names = list(known)
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected one of {', '.join(names)}; got {describe(value)}")
    if value not in names:
        near = difflib.get_close_matches(value.lower(), names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{argument}: expected one of {', '.join(names)}; got {shorten(value)!r}{hint}"
        )
    return value


def integer(argument: str, value: object, *, low: int, high: int | None = None) -> int:
    """`value` as an `int` with low ≤ value ≤ high.

    Raises `TypeError` for anything but an integer (a bool is not one), `ValueError` outside the
    bounds.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{argument}: expected an integer; got {describe(value)}")
    number = int(value)
    if number < low or (high is not None and number > high):
        expected = f"an integer ≥ {low}" if high is None else f"an integer from {low} to {high}"
        raise ValueError(f"{argument}: expected {expected}; got {number}")
    return number


def real(
    argument: str,
    value: object,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """`value` as a finite `float` between the bounds; `open_low`, `open_high` exclude a bound.

    Raises `TypeError` for anything but a real number, `ValueError` for NaN, infinity and values
    outside the bounds.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{argument}: expected a number; got {describe(value)}")
    number = float(value)
    too_low = number <= low if open_low else number < low
    too_high = number >= high if open_high else number > high
    if not math.isfinite(number) or too_low or too_high:
        bounds = []
        if low > -math.inf:
            bounds.append(f"{'>' if open_low else '≥'} {low:g}")
        if high < math.inf:
            bounds.append(f"{'<' if open_high else '≤'} {high:g}")
        expected = " ".join(["a finite number", " and ".join(bounds)]).strip()
        raise ValueError(f"{argument}: expected {expected}; got {value}")
    return number


def flag(argument: str, value: object) -> bool:
    """`value` as a `bool`; raises `TypeError` for anything but True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{argument}: expected True or False; got {describe(value)}")
    return bool(value)


def memory(argument: str, value: object) -> int:
    """`value` as a number of bytes ≥ 1: an integer, or text such as "512 MiB" or "1.5 GB".

    Raises `TypeError` for anything else, `ValueError` for text that is no amount of memory, and
    for less than one byte.
    """
    if not isinstance(value, str):
        if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
            raise TypeError(
                f"{argument}: expected bytes, or text such as '512 MiB'; got {describe(value)}"
            )
        return integer(argument, value, low=1)
    found = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]{1,3})\s*", value)
    units = {unit.lower(): factor for unit, factor in _UNITS.items()}
    if found is None or found[2].lower() not in units:
        raise ValueError(
            f"{argument}: expected an amount with a unit ({', '.join(_UNITS)}), such as '512 MiB'; "
            f"got {shorten(value)!r}"
        )
    count = int(float(found[1]) * units[found[2].lower()])
    return integer(argument, count, low=1)


def amount(count: float) -> str:
    """Bytes as `memory` reads them: 640 B, 1.5 GiB; rounded up to a tenth, so that it is enough."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    power = 0
    while count >= 1024 and power < len(units) - 1:
        count, power = count / 1024, power + 1
    tenths = math.ceil(10 * count) / 10
    return (
        f"{tenths:,.0f} {units[power]}"
        if tenths == int(tenths)
        else f"{tenths:,.1f} {units[power]}"
    )


def matrix(argument: str, value: object, dtype: np.dtype[Any], *, columns: int) -> FloatArray:
    """`value` as a C-contiguous array (N, columns) of `dtype`, N ≥ 1, all entries finite.

    Raises `TypeError` where the entries are not real numbers, `ValueError` for another shape, no
    rows, or a NaN or infinity; the message names row and column, counted from 0.
    """
    return finite(argument, rows(argument, value, columns=columns), dtype)


def rows(argument: str, value: object, *, columns: int) -> NDArray[Any]:
    """`value` as an array (N, columns) of real numbers of any dtype, N ≥ 1; raises as `matrix`."""
    given = numeric(argument, value)
    if given.ndim != 2 or given.shape[1] != columns:
        raise ValueError(
            f"{argument}: expected shape (N, {columns}), one row per example; got {given.shape}"
        )
    if given.shape[0] == 0:
        raise ValueError(f"{argument}: expected at least one example (row); got none")
    return given


def numeric(argument: str, value: object) -> NDArray[Any]:
    """`value` as an array of real numbers of any dtype.

    Raises `TypeError` where it is not one, `ValueError` for a masked array that hides entries.
    """
    if np.ma.is_masked(value):
        raise ValueError(f"{argument}: expected numbers in every place; got masked entries")
    try:
        given = np.asarray(value)
    except ValueError as problem:  # rows of different lengths
        raise TypeError(f"{argument}: expected an array of numbers; {problem}") from None
    if given.dtype.kind not in "biuf":
        raise TypeError(
            f"{argument}: expected an array of real numbers; got "
            f"{describe(value)} of dtype {given.dtype}"
        )
    return given


def finite(argument: str, given: NDArray[Any], dtype: np.dtype[Any]) -> FloatArray:
    """`given` cast to `dtype`, C-contiguous; `ValueError` names the first entry not finite."""
    array = cast(given, dtype)
    if not all_finite(array):
        bad = ~np.isfinite(array)
        where = np.unravel_index(int(np.argmax(bad)), array.shape)
        place = (
            f"row {where[0]}, column {where[1]}"
            if array.ndim == 2
            else "index " + ", ".join(str(axis) for axis in where)
        )
        raise ValueError(
            f"{argument}: expected finite {dtype.name} numbers; got {given[where]} in {place} "
            f"({np.count_nonzero(bad)} of {array.size} entries are not finite)"
        )
    return array


def cast(given: NDArray[Any], dtype: np.dtype[Any]) -> FloatArray:
    """`given` in this dtype, C-contiguous: itself, if it is so already."""
    if given.dtype == dtype and given.flags.c_contiguous:
        return given
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype=dtype)


def all_finite(array: FloatArray) -> bool:
    """Whether no entry of a C-contiguous array is NaN or infinite.

    Block by block, so that neither the array nor the answers leave the cache in between.
    """
    flat = array.reshape(-1)
    parts = range(0, flat.size, _BLOCK)
    return all(np.isfinite(flat[start : start + _BLOCK]).all() for start in parts)


def describe(value: object) -> str:
    """What came, in few words: the value of a scalar or string, else its type and shape."""
    if value is None or isinstance(value, str | numbers.Number):
        return shorten(repr(value))
    shape = getattr(value, "shape", None)
    suffix = f" of shape {shape}" if isinstance(shape, tuple) else ""
    return f"{type(value).__name__}{suffix}"


def shorten(text: str, limit: int = 60) -> str:
    """`text`, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
