"""What of a run of gradient descent is recorded, and the compact arrays that hold it."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .checks import choice, describe, flag, integer
from .kernels import histogram, statistics
from .kernels.observation import LAYER_NAMES, QUANTITIES

#: The quantities that have biases.
WITH_BIASES = ("gradient", "update", "weight")

#: Weighted sums S outside of (low, high) saturate g: |g′(S)| is below 1 % of its largest value.
#: σ′ = σ (1 − σ) = 0.01/4 at σ = (1 − √0.99)/2; tanh′ = 1 − tanh² = 0.01 at tanh = √0.99.
_SIGMOID = math.log((1 + math.sqrt(0.99)) / (1 - math.sqrt(0.99)))
_TANH = math.atanh(math.sqrt(0.99))

#: By the name of g: the bounds of `saturated`, then those of `saturated_hard`, which are the
#: defaults of the rules "SaturatedActivation" of Amazon SageMaker Debugger.
SATURATION = {
    "sigmoid": (-_SIGMOID, _SIGMOID, -23.0, 17.0),
    "tanh": (-_TANH, _TANH, -9.5, 9.5),
}

#: A run is recorded at so many steps at most, and at so many at least, if it has them.
MOST_RECORDED, LEAST_RECORDED = 1000, 50

#: To record a number takes as long as 30 to 80 multiply-adds of a step; with so many between two
#: records, these take 4 to 10 % of the time.
WORTH_OF_A_NUMBER = 1500


def spacing(sizes: Sequence[int], batch_size: int, steps: int) -> int:
    """Every how many steps to record, so that it takes little time and memory.

    A record reads 3 P numbers of weights and 3 N Σ n_l of rows, a step has some 3 N P
    multiply-adds. Short runs are recorded more often than that, however long it takes.
    """
    weights = sum((i + 1) * j for i, j in itertools.pairwise(sizes))
    numbers = weights + batch_size * sum(sizes[1:])
    cheap = math.ceil(WORTH_OF_A_NUMBER * numbers / (batch_size * weights))
    return max(math.ceil(steps / MOST_RECORDED), min(cheap, math.ceil(steps / LEAST_RECORDED)), 1)


@dataclass(frozen=True)
class Recording:
    """Which steps of a run are recorded, and what of them.

    every: the steps 1, 1 + every, 1 + 2 every, … counted over the whole run, and always its last
    one; so is a step whose loss is not finite. quantities: some of gradient (∂f/∂w of the
    mini-batch), update (w after the step − w before it), weight (before the step), delta (δ), S
    and x (the outputs of the layers, without the input). biases: whether the first three tell
    biases apart from the other weights.

    Raises `TypeError` or `ValueError` for what does not fit.
    """

    every: int = 10
    quantities: tuple[str, ...] = QUANTITIES
    biases: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "every", integer("every", self.every, low=1))
        flag("biases", self.biases)
        given = self.quantities
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"quantities: expected a tuple of names; got {describe(given)}")
        if not given:
            raise ValueError(
                f"quantities: expected at least one of {', '.join(QUANTITIES)}; got none"
            )
        names = [choice("quantities", name, QUANTITIES) for name in given]
        if len(set(names)) < len(names):
            raise ValueError(f"quantities: expected each name once; got {', '.join(names)}")
        ordered = tuple(name for name in QUANTITIES if name in names)
        object.__setattr__(self, "quantities", ordered)

    @functools.cached_property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Quantity and part (all, weights or biases) of every array that is measured, in order."""
        found = []
        for name in self.quantities:
            apart = self.biases and name in WITH_BIASES
            found += [(name, part) for part in (("weights", "biases") if apart else ("all",))]
        return tuple(found)

    @functools.cached_property
    def wanted(self) -> NDArray[np.int64]:
        """The same for `kernels.observation`: 1 or 0 for every quantity, then for biases apart."""
        flags = [name in self.quantities for name in QUANTITIES]
        return np.array([*flags, self.biases], np.int64)

    def due(self, taken: int, steps: int, last: int) -> NDArray[np.int64]:
        """The numbers of those of the next steps that are recorded, ascending.

        So many steps are taken; last is the number of the run's last.
        """
        first, stop = taken + 1 + -taken % self.every, taken + steps + 1
        numbers = np.arange(first, stop, self.every)
        if taken < last < stop and (last - 1) % self.every != 0:
            numbers = np.append(numbers, last)
        return numbers


@dataclass(frozen=True)
class Records:
    """The statistics of K recorded steps of a network with L layers of weights.

    steps (K,) int64, from 1; numbers (K, L, Q, 16) float64, by `kernels.statistics.NAMES`, a row
    for each of `rows`, which are quantities and parts; layers (K, L, 4) float64, by
    `kernels.observation.LAYER_NAMES`; histograms (K, L, Q, 2, 65) int32, as
    `kernels.histogram.take_counts` writes them. An entry takes 650 bytes: 1,000 steps of 10 layers
    with 6 quantities are 40 MB.
    """

    rows: tuple[tuple[str, str], ...]
    steps: NDArray[np.int64]
    numbers: NDArray[np.float64]
    layers: NDArray[np.float64]
    histograms: NDArray[np.int32]

    @classmethod
    def allocate(cls, rows: tuple[tuple[str, str], ...], steps: int, L: int) -> Records:
        """Room for so many steps; the numbers of layers are NaN."""
        Q = len(rows)
        return cls(
            rows,
            np.zeros(steps, np.int64),
            np.empty((steps, L, Q, len(statistics.NAMES))),
            np.full((steps, L, len(LAYER_NAMES)), np.nan),
            np.empty((steps, L, Q, 2, histogram.OCTAVES), np.int32),
        )

    @classmethod
    def join(cls, parts: Sequence[Records]) -> Records:
        """All records in one, in the order of the (one or more) parts."""
        return cls(
            parts[0].rows,
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.layers for part in parts]),
            np.concatenate([part.histograms for part in parts]),
        )

    def first(self, steps: int) -> Records:
        """The first so many recorded steps (views)."""
        return Records(
            self.rows,
            self.steps[:steps],
            self.numbers[:steps],
            self.layers[:steps],
            self.histograms[:steps],
        )
