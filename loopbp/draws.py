"""Random draws that are the same on every machine and with every version of NumPy.

They take the raw 64-bit integers of PCG64, which NumPy promises to keep, and whole-number and
exact floating-point operations only; the streams of `numpy.random.Generator` may change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .checks import integer


def source(seed: object) -> np.random.PCG64:
    """The source of bits that belongs to a seed ≥ 0; raises `TypeError` or `ValueError`."""
    return np.random.PCG64(integer("seed", seed, low=0))


def uniform(bits: np.random.PCG64, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Numbers from [0, 1): multiples of 2^−53, float64, in an array of that shape."""
    raw = bits.random_raw(int(np.prod(shape)))
    numbers: NDArray[np.float64] = (raw >> np.uint64(11)) * np.float64(2.0**-53)
    return numbers.reshape(shape)


def permutation(bits: np.random.PCG64, n: int) -> NDArray[np.int64]:
    """0 … n − 1 in a random order: sorted by n draws; of equal draws the earlier comes first."""
    return np.argsort(bits.random_raw(n), kind="stable").astype(np.int64, copy=False)
