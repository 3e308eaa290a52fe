"""Medians, quartiles and the interval of a ratio, against hand values and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from loopbp.benchmark import statistics

RANDOM = np.random.default_rng(5)
OURS = 1.0 + 0.2 * RANDOM.random(15)
THEIRS = 1.4 + 0.3 * RANDOM.random(15)


def test_quartiles_lie_between_the_samples() -> None:
    """Of 1, 2, 3, 4 at positions 0.75, 1.5 and 2.25, counted from 0: 1.75, 2.5, 3.25."""
    summary = statistics.summarise([4, 1, 3, 2])
    assert (summary.q1, summary.median, summary.q3, summary.iqr) == (1.75, 2.5, 3.25, 1.5)


@pytest.mark.parametrize("paired", [True, False])
def test_the_interval_is_scipys_percentile_bootstrap(paired: bool) -> None:
    """Both resample 10,000 times with their own draws; 0.02 is some 10 % of the interval."""
    ours = statistics.ratio(THEIRS, OURS, paired=paired)
    theirs = stats.bootstrap(
        (THEIRS, OURS),
        lambda x, y, axis: np.median(x, axis=axis) / np.median(y, axis=axis),
        paired=paired,
        method="percentile",
        n_resamples=10_000,
        random_state=1,
    ).confidence_interval
    assert ours.value == np.median(THEIRS) / np.median(OURS)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert ours.verdict == statistics.FASTER


def test_rounds_that_were_disturbed_together_are_drawn_together() -> None:
    """Whatever the machine did, theirs took 1.5 times as long as ours in every round."""
    ours = np.array([1.0, 3.0, 1.2, 2.5, 1.1, 2.0, 1.4, 1.9, 1.05, 2.8])
    paired = statistics.ratio(1.5 * ours, ours, paired=True)
    alone = statistics.ratio(1.5 * ours, ours, paired=False)
    assert (paired.low, paired.value, paired.high) == pytest.approx((1.5, 1.5, 1.5), rel=1e-15)
    assert alone.low is not None and alone.low < 1 and alone.verdict == statistics.EVEN


def test_the_same_samples_give_the_same_interval() -> None:
    assert statistics.ratio(THEIRS, OURS, paired=True) == statistics.ratio(
        THEIRS, OURS, paired=True
    )


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(2.0, statistics.FASTER), (1.0, statistics.EVEN), (0.5, statistics.SLOWER)],
)
def test_the_verdict_is_about_ours(factor: float, verdict: str) -> None:
    assert statistics.ratio(factor * OURS, OURS, paired=True).verdict == verdict


@pytest.mark.parametrize(
    ("theirs", "ours", "reason"),
    [
        (THEIRS[:9], OURS[:9], "fewer than 10 rounds"),
        ([], [], "fewer than 10 rounds"),
        (THEIRS, OURS[:12], "not as many rounds: 15 and 12"),
        ([*THEIRS[:14], np.nan], OURS, "not a positive number"),
        (THEIRS, [*OURS[:14], 0.0], "not a positive number"),
        ([np.inf] * 15, OURS, "not a positive number"),
    ],
)
def test_what_cannot_be_computed_says_so(theirs: object, ours: object, reason: str) -> None:
    found = statistics.ratio(theirs, ours, paired=True)  # type: ignore[arg-type]
    assert found.verdict == statistics.NOT_COMPUTED
    assert found.reason is not None and reason in found.reason
    assert (found.value, found.low, found.high) == (None, None, None)
