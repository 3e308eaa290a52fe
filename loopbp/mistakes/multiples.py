"""Arrays that are a constant multiple of the right ones: an observation, and no explanation.

An array v is c times the expected E if one c has v_k = c E_k in every entry, within rounding: each
entry leaves an interval of c, and they have a number in common. Where that is an integer or one
over an integer, c is that number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .rounding import Bounded, Floats
from .search import Comparison
from .student import NONE
from .submission import Given

#: So many entries that are not 0 have to agree about the factor.
LEAST_ENTRIES = 3
#: And up to this share of it.
WIDEST = 1e-2
#: One over an integer up to this is said as such.
MOST_PARTS = 10**6


def observations(comparison: Comparison) -> list[str]:
    """A sentence for the arrays that are one multiple of what they should be."""
    names: dict[str, list[str]] = {}
    unit = float(np.finfo(comparison.submission.unit_dtype).eps)
    with np.errstate(all="ignore"):
        for given in comparison.given:
            expected = comparison.expected(given.quantity, NONE)
            departs = comparison.departing(given, NONE)
            for name, rows in parts(given):
                known = given.known[rows]
                if not departs[rows].any():
                    continue
                values = given.values[rows][known]
                error = np.broadcast_to(given.decimal_error, given.values.shape)[rows][known]
                error = error + unit * np.abs(values)
                found = factor(values, error, expected[rows][known])
                if found:
                    names.setdefault(found, []).append(name)
    return [
        f"{', '.join(listed)} {'is' if len(listed) == 1 else 'are'} {found} the expected, entry by "
        "entry"
        for found, listed in names.items()
    ]


def factor(values: Floats, error: Floats, expected: Bounded) -> str | None:
    """What the values ± error are of the expected: `12 times`, `1/12 of` or `0.7 times`."""
    between = constants(values, error, expected)
    if between is None:
        return None
    c = _plainest(*between)
    if 1 / MOST_PARTS <= abs(c) < 1 and 1 / round(1 / c) == c:
        return f"{'−' if c < 0 else ''}1/{abs(round(1 / c))} of"
    # what is nearly the expected is not a multiple of it
    return None if abs(c - 1) <= WIDEST else f"{c:.6g} times".replace("-", "−")


def constants(values: Floats, error: Floats, expected: Bounded) -> tuple[float, float] | None:
    """The least and the largest c of which the values ± error can be c times the expected."""
    usable = np.abs(expected.value) > 2 * expected.error
    if usable.sum() < LEAST_ENTRIES or not np.isfinite(values).all():
        return None
    v, d, E = values[usable], error[usable], expected[usable]
    corners = np.stack([(v + s * d) / (E.value + t * E.error) for s in (-1, 1) for t in (-1, 1)])
    low, high = float(corners.min(axis=0).max()), float(corners.max(axis=0).min())
    if not low <= high or low <= 0 <= high or high - low > WIDEST * abs(low):
        return None
    c = _plainest(low, high)
    apart = np.abs(values - c * expected.value) > error + abs(c) * expected.error
    return None if apart[~usable].any() else (low, high)


def _plainest(low: float, high: float) -> float:
    """An integer between both, one over an integer, or the middle."""
    middle = (low + high) / 2
    if low <= round(middle) <= high:
        return float(round(middle))
    if abs(middle) < 1 and low <= 1 / round(1 / middle) <= high:
        return 1 / round(1 / middle)
    return middle


def parts(given: Given) -> Iterator[tuple[str, slice]]:
    """The arrays that a quantity came in, and their rows of it."""
    if not given.parts:
        yield given.name, slice(None)
    for part, rows in zip(given.parts, given.rows, strict=True):
        yield part.name, rows
