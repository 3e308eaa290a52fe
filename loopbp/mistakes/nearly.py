"""Numbers that are nearly right: an observation, and no explanation.

An ε in a logarithm, differences in place of derivatives, or few digits on the way change numbers by
little beside the largest of their array. Of new weights, that is little beside the largest step. Of
numbers that were rounded to decimals, it is little beside the last of these.
"""

from __future__ import annotations

import math

import numpy as np

from .multiples import parts
from .rounding import Floats
from .search import Comparison
from .student import NONE
from .submission import Given

#: Up to this share of the largest number of their array, numbers are nearly right.
NEAR = 1e-3
#: Up to so many units of the last decimal, and this share, they were rounded on the way.
NEAR_UNITS, NEAR_ROUNDED = 10, 1e-2


def observations(comparison: Comparison) -> list[str]:
    """A sentence, if every number that departs is nearly right."""
    with np.errstate(all="ignore"):
        shares = [share for given in comparison.given for share in _shares(comparison, given)]
        units = max((_units(comparison, given) for given in comparison.given), default=np.inf)
    r = max(shares, default=0.0)
    if units <= NEAR_UNITS and r <= NEAR_ROUNDED:
        count = math.ceil(units)
        return [
            f"all numbers are within {count} unit{'s' if count > 1 else ''} of the last decimal of "
            "the right ones: as with rounding on the way"
        ]
    if not 0 < r <= NEAR or any(map(math.isnan, shares)):
        return []
    steps = any(given.quantity.kind == "W_new" for given in comparison.given)
    return [
        f"all numbers are within {rounded_up(r):.1g} of the right ones, relative to the largest of "
        f"their array{' (of new weights: the largest step)' if steps else ''}: as with an ε in a "
        "logarithm, differences in place of derivatives, or rounding on the way"
    ]


def rounded_up(r: float) -> float:
    """The next number with one digit: 3e-9 of 2.1e-9."""
    told = float(f"{r:.0e}")
    return told if told >= r else told + 10.0 ** math.floor(math.log10(r))


def _shares(comparison: Comparison, given: Given) -> list[float]:
    """By how much of the largest number what departs is off at most, in each array."""
    expected = comparison.expected(given.quantity, NONE).value
    departs = comparison.departing(given, NONE)
    scale = expected - _start(comparison, given)
    found = []
    for _, rows in parts(given):
        off = np.abs(given.values - expected)[rows][departs[rows]]
        if off.size:
            found.append(float(off.max() / np.abs(scale[rows][given.known[rows]]).max()))
    return found


def _units(comparison: Comparison, given: Given) -> float:
    """By how many units of the last decimal what departs is off at most; infinite without any."""
    departs = comparison.departing(given, NONE)
    if not departs.any():
        return 0.0
    expected = comparison.expected(given.quantity, NONE).value
    unit = 2 * np.broadcast_to(given.decimal_error, given.values.shape)[departs]
    units = np.abs(given.values - expected)[departs] / unit
    return float(units.max()) if (unit > 0).all() and np.isfinite(units).all() else np.inf


def _start(comparison: Comparison, given: Given) -> Floats | float:
    """What the numbers are beside: the old weights of new ones, else 0."""
    kind, l, _ = given.quantity
    return comparison.student.problem.W[l].value if kind == "W_new" else 0.0
