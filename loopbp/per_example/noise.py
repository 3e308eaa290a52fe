"""How much the gradients of single examples scatter about their mean: the gradient's noise.

Let G be the gradient that infinitely many examples would give, and Σ the covariance of one
example's gradient. The mean over a batch of B examples is G, off by tr(Σ)/B in the mean square:

    B_simple = tr(Σ) / |G|²        the batch at which error and gradient are equally large
    SNR      = |G|² / tr(Σ)        of one example; B times as much for a batch of B

Batches far below B_simple are mostly noise, so that twice the batch is worth twice the learning
rate; far above it, more examples hardly improve a step. Both are estimated from N examples, with
ḡ their mean gradient, by estimates of numerator and denominator that are unbiased:

    tr(Σ) ≈ (Σ_n |g_n|² − N |ḡ|²) / (N − 1)        |G|² ≈ |ḡ|² − tr(Σ)/N

(|ḡ|² alone is too large by tr(Σ)/N: noise has a length too.) Their quotient is not unbiased, but
settles as N grows. Where the estimate of |G|² is not positive, N examples do not tell the gradient
from noise: B_simple is given as ∞ and the SNR as 0.

Source: McCandlish, Kaplan, Amodei et al., "An Empirical Model of Large-Batch Training" (2018),
arXiv:1812.06162, equations 2.9 and A.2 (with batches of 1 and N).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..checks import FloatArray


class Noise(NamedTuple):
    """The noise of a gradient: of one layer, or of the whole network.

    trace, tr(Σ), and signal, |G|², as estimated above (signal may be negative); scale, B_simple,
    and snr, the signal-to-noise ratio of one example. NaN where there is but one example, and where
    every gradient is 0.
    """

    trace: float
    signal: float
    scale: float
    snr: float


def noise(norms: FloatArray, mean_norm: float) -> Noise:
    """The noise from the lengths |g_n|, norms (N,) float64, and the length of their mean, |ḡ|.

    Sums over examples are rounded once (`math.fsum`), so that their order does not count. tr(Σ) is
    a difference: what rounding in float64 can make of examples that are all alike is taken for 0.
    In a float32 network the rounding of ḡ leaves up to some 10⁻⁶ of |ḡ|² there.
    """
    N, largest = len(norms), float(norms.max())
    if N < 2 or largest == 0:
        return Noise(*[math.nan] * 4)
    squares = math.fsum((norms / largest) ** 2)
    mean_square = (mean_norm / largest) ** 2
    scatter = squares - N * mean_square
    trace = 0.0 if scatter <= squares * ROUNDING else scatter / (N - 1)
    signal = mean_square - trace / N
    unit = largest * largest
    if signal <= 0:
        return Noise(trace * unit, signal * unit, math.inf, 0.0)
    snr = signal / trace if trace else math.inf
    return Noise(trace * unit, signal * unit, trace / signal, snr)


#: The share of Σ |g_n|² that rounding in float64 may leave of a tr(Σ) that is 0.
ROUNDING = 64 * float(np.finfo(np.float64).eps)
