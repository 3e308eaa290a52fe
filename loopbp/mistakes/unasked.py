"""A multiple of the weights beside the right gradient: an observation, and no explanation.

Weight decay that was not asked for, or of another λ, leaves it. Of all gradients that were given
one c has v_k = E_k + c w_k for every weight, within rounding: each leaves an interval of c, and
they have a number in common. New weights are read as E_k − η c w_k. The biases are right, or decay
as the weights do; otherwise nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .multiples import LEAST_ENTRIES, WIDEST, parts
from .rounding import Floats
from .search import Comparison
from .student import NONE
from .submission import Booleans, Given

#: Digits of c that are said, where fewer are not within rounding.
MOST_DIGITS = 6


class Interval(NamedTuple):
    """The numbers from low to high; none if low > high."""

    low: float
    high: float

    def within(self, other: Interval) -> Interval:
        """The numbers in both."""
        return Interval(max(self.low, other.low), min(self.high, other.high))

    def moved(self, by: float) -> Interval:
        """The same numbers plus another."""
        return Interval(self.low + by, self.high + by)

    def times(self, by: float) -> Interval:
        """The same numbers times a positive one."""
        return Interval(self.low * by, self.high * by)

    @property
    def empty(self) -> bool:
        """Whether no number is in it."""
        return not self.low <= self.high

    @property
    def plainest(self) -> float:
        """A number in it with the fewest digits, or the middle."""
        middle = (self.low + self.high) / 2
        rounded = (float(f"{middle:.{digits}g}") for digits in range(1, 18))
        return next((c for c in rounded if self.low <= c <= self.high), middle)


@dataclass(frozen=True)
class Rest:
    """What is left of entries without what they should be: r ± error, beside their weights w."""

    r: Floats
    error: Floats
    w: Floats

    @property
    def left(self) -> Booleans:
        """Where something is left that is not rounding."""
        left: Booleans = np.abs(self.r) > self.error
        return left

    @property
    def factors(self) -> Interval:
        """The c with r = c w in every entry."""
        zero = self.w == 0
        if self.left[zero].any():
            return Interval(np.inf, -np.inf)
        r, error, w = (part[~zero] for part in (self.r, self.error, self.w))
        ends = np.stack([(r - error) / w, (r + error) / w])
        low, high = ends.min(axis=0), ends.max(axis=0)
        return Interval(float(low.max(initial=-np.inf)), float(high.min(initial=np.inf)))


def observations(comparison: Comparison) -> list[str]:
    """A sentence for the gradients that decay more or less, and one for the new weights."""
    with np.errstate(all="ignore"):
        found = [_observed(comparison, kind) for kind in ("grad", "W_new")]
    return [sentence for sentence in found if sentence]


def _observed(comparison: Comparison, kind: str) -> str | None:
    """What stands out in all arrays of this kind together."""
    given = [one for one in comparison.given if one.quantity.kind == kind]
    if not given or not all(np.isfinite(one.values[one.known]).all() for one in given):
        return None
    weights, biases = (
        _joined([_rest(comparison, one, rows) for one in given])
        for rows in (slice(1, None), slice(0, 1))
    )
    c = weights.factors
    vague = c.empty or c.low <= 0 <= c.high or c.high - c.low > WIDEST * abs(c.low)
    if vague or weights.left.sum() < LEAST_ENTRIES:
        return None
    total = c.moved(comparison.student.problem.weight_decay)
    apart, alike = not biases.left.any(), not total.within(biases.factors).empty
    if not (apart or alike):
        return None
    which = "" if apart and alike else ", but for the biases" if apart else ", biases as well"
    names = [
        name
        for one in given
        for name, rows in parts(one)
        if comparison.departing(one, NONE)[rows].any()
    ]
    sign = "plus" if (c.low > 0) == (kind == "grad") else "minus"
    eta = "η " if kind == "W_new" else ""
    told = (
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} the expected {sign} "
        f"{eta}{abs(c.plainest):.{MOST_DIGITS}g} w{which}"
    )
    if total.low <= 0:
        return told
    return f"{told}: as with weight decay {total.plainest:.{MOST_DIGITS}g}"


def _rest(comparison: Comparison, one: Given, rows: slice) -> Rest:
    """What is left in these rows of an array, as a part of the gradient."""
    problem = comparison.student.problem
    known = one.known[rows]
    expected = comparison.expected(one.quantity, NONE)[rows][known]
    values = one.values[rows][known]
    digits = np.broadcast_to(one.decimal_error, one.values.shape)[rows][known]
    r = values - expected.value
    unit = float(np.finfo(comparison.submission.unit_dtype).eps)
    rounding = unit * (4 * np.abs(values) + (problem.case.N + 4) * np.abs(r))
    error = expected.error + digits + rounding
    w = problem.W[one.quantity.l].value[rows][known]
    if one.quantity.kind == "W_new":
        assert problem.eta is not None
        r, error = -r / problem.eta, error / problem.eta
    return Rest(r, error, w)


def _joined(rests: Sequence[Rest]) -> Rest:
    """The entries of all of them."""
    r, error, w = (
        np.concatenate([getattr(rest, name) for rest in rests]) for name in ("r", "error", "w")
    )
    return Rest(r, error, w)
