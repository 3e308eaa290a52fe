"""Steps that are a constant multiple of the right one: an observation, and no explanation.

Another learning rate leaves them: w_new − w = −c η ∂f/∂w with one c, within rounding. Nothing is
said where anything else departs, since a wrong gradient leads to a wrong step as well.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from .multiples import constants, parts
from .rounding import Bounded
from .search import Comparison
from .student import NONE
from .submission import Given
from .unasked import MOST_DIGITS, Interval


def observations(comparison: Comparison) -> list[str]:
    """A sentence for the new weights whose step has another length."""
    with np.errstate(all="ignore"):
        wrong = [one for one in comparison.given if comparison.departing(one, NONE).any()]
        if any(one.quantity.kind != "W_new" for one in wrong):
            return []
        rates = {name: rate for one in wrong for name, rate in _rates(comparison, one).items()}
    if not rates:
        return []
    together = reduce(Interval.within, rates.values())
    if not together.empty:
        rates = dict.fromkeys(rates, together)
    told: dict[float, list[str]] = {}
    for name, rate in rates.items():
        told.setdefault(rate.plainest, []).append(name)
    eta = comparison.student.problem.eta
    assert eta is not None
    return [_told(names, rate, eta) for rate, names in told.items()]


def _rates(comparison: Comparison, given: Given) -> dict[str, Interval]:
    """The learning rates that each array's step can have been taken with."""
    _, l, _ = given.quantity
    problem = comparison.student.problem
    assert problem.eta is not None
    W, unit = problem.W[l], float(np.finfo(comparison.submission.unit_dtype).eps)
    gradient = comparison.student.compute(given.quantity._replace(kind="grad"), NONE)
    right = gradient.times(-problem.eta)
    step = given.values - W.value
    error = given.decimal_error + W.error + 4 * unit * (np.abs(given.values) + np.abs(W.value))
    departs, found = comparison.departing(given, NONE), {}
    for name, rows in parts(given):
        known = given.known[rows]
        if not departs[rows].any():
            continue
        expected = Bounded(right.value[rows][known], right.error[rows][known])
        between = constants(step[rows][known], error[rows][known], expected)
        if between is not None:
            found[name] = Interval(*between).times(problem.eta)
    return found


def _told(names: list[str], rate: float, eta: float) -> str:
    several = len(names) > 1
    told = (
        f"the step{'s' if several else ''} of {', '.join(names)} {'are' if several else 'is'} "
        f"{rate / eta:.{MOST_DIGITS}g} times the expected".replace("-", "−")
    )
    return f"{told}: as with η = {rate:.{MOST_DIGITS}g}" if rate > 0 else told
