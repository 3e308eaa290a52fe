"""The noise of a gradient: unbiased, against a covariance, and where there is none."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp.per_example.noise import noise


def of(gradients: np.ndarray) -> tuple[float, float, float, float]:
    """The noise of gradients that are given as rows."""
    lengths = np.linalg.norm(gradients, axis=1)
    return noise(lengths, float(np.linalg.norm(gradients.mean(axis=0))))


@pytest.mark.parametrize("N", [2, 3])
def test_the_estimates_are_unbiased(N):
    """Their mean over all N draws from three gradients is the truth, tr(Σ) = 26/3, |G|² = 16."""
    population = np.array([[1.0, 0.0], [3.0, 0.0], [8.0, 0.0]])  # mean 4, deviations −3, −1, 4
    draws = [of(population[list(rows)]) for rows in itertools.product(range(3), repeat=N)]
    traces, signals = [d[0] for d in draws], [d[1] for d in draws]
    assert np.mean(traces) == pytest.approx(26 / 3, rel=1e-14)
    assert np.mean(signals) == pytest.approx(16, rel=1e-14)


def test_the_equations_of_the_source():
    """McCandlish et al. (2018), appendix A.1, with batches of B_small = 1 and B_big = N."""
    gradients = np.random.default_rng(2).normal(0.7, 1, (11, 5))
    small = float((gradients**2).sum(axis=1).mean())
    big = float((gradients.mean(axis=0) ** 2).sum())
    signal = (11 * big - 1 * small) / (11 - 1)
    trace = (small - big) / (1 / 1 - 1 / 11)
    assert of(gradients) == pytest.approx((trace, signal, trace / signal, signal / trace))
    assert trace == pytest.approx(float(np.trace(np.cov(gradients.T))))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**16), power=st.integers(-500, 500))
def test_scale_and_ratio_have_no_unit(seed, power):
    gradients = np.random.default_rng(seed).normal(1, 1, (6, 4))
    ours, scaled = of(gradients), of(np.ldexp(gradients, power))
    assert scaled[2:] == pytest.approx(ours[2:], rel=1e-9)


def test_examples_that_are_all_alike_have_no_noise():
    found = of(np.full((7, 3), 0.1))
    assert (found[0], found[2], found[3]) == (0, 0, math.inf)
    assert found[1] == pytest.approx(0.03)


def test_a_mean_of_0_is_told_from_no_noise_by_nobody():
    found = of(np.array([[1.0], [-1.0]]))  # tr Σ = 2, |G|² = 0 − 2/2
    assert found == (2, -1, math.inf, 0)


@pytest.mark.parametrize("gradients", [np.ones((1, 3)), np.zeros((4, 3))])
def test_nothing_to_estimate(gradients):
    assert all(math.isnan(value) for value in of(gradients))
