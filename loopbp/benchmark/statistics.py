"""Statistics of timings: medians, quartiles, and an interval for the ratio of two medians.

Timings are not normal: something else on the machine only ever makes them longer. So nothing
here takes a mean, and the interval comes from resampling what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 10_000

#: With fewer rounds no interval is worth having.
LEAST_ROUNDS = 10

FASTER, SLOWER, EVEN, NOT_COMPUTED = "faster", "slower", "no difference shown", "not computed"


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of some samples, in seconds."""

    median: float
    q1: float
    q3: float

    @property
    def iqr(self) -> float:
        """The interquartile range."""
        return self.q3 - self.q1


@dataclass(frozen=True)
class Ratio:
    """How many times as long another takes: median of its samples / median of ours.

    [low, high] is a bootstrap interval. `verdict`, about ours: faster (low > 1), slower
    (high < 1), no difference shown, or not computed, with the reason; then there are no numbers.
    """

    verdict: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str) -> Ratio:
        """A comparison that cannot be computed."""
        return cls(NOT_COMPUTED, reason=reason)


def summarise(samples: Sequence[float]) -> Summary:
    """Median and quartiles, interpolated linearly (Hyndman and Fan's definition 7)."""
    q1, median, q3 = (float(q) for q in np.quantile(np.asarray(samples, float), (0.25, 0.5, 0.75)))
    return Summary(median, q1, q3)


def ratio(
    theirs: Sequence[float],
    ours: Sequence[float],
    *,
    paired: bool,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Ratio:
    """The ratio of medians, theirs / ours, with its percentile bootstrap interval.

    `paired`: sample r of both belongs to the same round, and rounds are drawn; what disturbed
    both then cancels. Otherwise each side is drawn by itself. Source: Efron and Tibshirani, "An
    Introduction to the Bootstrap" (1993), sections 8.3 and 13.3.
    """
    x, y = np.asarray(theirs, float), np.asarray(ours, float)
    if min(len(x), len(y)) < LEAST_ROUNDS:
        return Ratio.missing(f"fewer than {LEAST_ROUNDS} rounds")
    if paired and len(x) != len(y):
        return Ratio.missing(f"not as many rounds: {len(x)} and {len(y)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        return Ratio.missing("a time that is not a positive number")
    random = np.random.Generator(np.random.PCG64(seed))
    rounds_x = random.integers(len(x), size=(resamples, len(x)))
    rounds_y = rounds_x if paired else random.integers(len(y), size=(resamples, len(y)))
    drawn = _medians(x, rounds_x) / _medians(y, rounds_y)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(q) for q in np.quantile(drawn, (tail, 1 - tail)))
    value = float(np.median(x) / np.median(y))
    return Ratio(_verdict(low, high), value, low, high)


def _medians(samples: NDArray[np.float64], rounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of every row of drawn rounds."""
    medians: NDArray[np.float64] = np.median(samples[rounds], axis=1)
    return medians


def _verdict(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return NOT_COMPUTED
    if low > 1:
        return FASTER
    return SLOWER if high < 1 else EVEN
