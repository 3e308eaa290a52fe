"""Runs that end above the loss at which they began: medians of their losses say nothing of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..report.formats import prose

#: A loss at the end over the one at the start. Where nothing is learned it wobbles by less than
#: `RISEN`; beyond `BLOWN_UP` it is no overfitting any more.
RISEN, BLOWN_UP = 1.01, 10.0


def read(start: ArrayLike, end: ArrayLike, stopped: ArrayLike = False) -> list[str]:
    """In how many runs the test loss has risen, and by what factor; nothing where in none.

    start, end : the losses of each run, NaN for one that is not finite; stopped : whether training
    stopped because a number was no longer finite.
    """
    before, after = np.asarray(start, np.float64), np.asarray(end, np.float64)
    infinite = ~np.isfinite(after) | np.asarray(stopped, np.bool_)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = after / before
    risen = factors > RISEN
    largest = float(factors[risen].max(initial=1.0))
    parts = []
    if risen.any():
        parts.append(
            f"in {risen.sum()} of {len(after)} runs the test loss is higher after training than "
            f"before it, by a factor of up to {prose(largest)}"
        )
    if infinite.any():
        parts.append(f"in {infinite.sum()} of {len(after)} runs a number is no longer finite")
    if not parts:
        return []
    text = ", and ".join(parts)
    why = ": training blew up there" if infinite.any() or largest > BLOWN_UP else ""
    return [f"{text[0].upper()}{text[1:]}{why}."]
