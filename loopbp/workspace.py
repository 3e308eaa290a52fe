"""What an engine works on: the architecture of a network, and the arrays of one pass over it.

The arrays carry the legend's names and shapes. They are allocated once and filled by an engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import FloatArray
from .kernels import histogram
from .optimizers import Optimizer, OptimizerState
from .recording import SATURATION, Recording, Records

Indices = NDArray[np.int64]


def for_loops(array: FloatArray) -> FloatArray:
    """The same numbers as compiled loops read them: C-contiguous, aligned, of a writable type.

    Nothing is ever written to them, but what cannot be written is another type to Numba, compiled
    anew. A copy only where the numbers are not in such an order.
    """
    if not array.flags.carray:
        array = np.require(array, requirements=("C", "A"))
    return array if array.flags.writeable else np.asarray(_Memory(array))


class _Memory:
    """The memory of an array, for another array on it that does not know it as read-only."""

    def __init__(self, array: FloatArray) -> None:
        self._array = array  # keeps the memory alive

    @property
    def __array_interface__(self) -> dict[str, Any]:
        interface = self._array.__array_interface__
        return {**interface, "data": (interface["data"][0], False)}


class Views(tuple[FloatArray, ...]):
    """Arrays that lie one after another in the vector `flat`, which engines may take instead.

    For engines only: what users see are plain tuples, since others know no tuples of another type.
    """

    flat: FloatArray

    def __new__(cls, arrays: Iterable[FloatArray], flat: FloatArray) -> Views:
        views = super().__new__(cls, arrays)
        views.flat = flat
        return views


@dataclass(frozen=True)
class Architecture:
    """What an engine needs to know of a network.

    `sizes` are n_0 … n_L, `activations` the L names of g (the last may be softmax), `loss` the
    name of f, `dtype` float32 or float64.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    dtype: np.dtype[Any]

    @property
    def L(self) -> int:
        """The number of layers of weights."""
        return len(self.sizes) - 1

    @cached_property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return sum((i + 1) * j for i, j in zip(self.sizes, self.sizes[1:], strict=False))

    def views(self, flat: FloatArray) -> Views:
        """Views (n_l + 1, n_{l+1}) of the flat vector (P,), one for each layer of weights."""
        matrices, start = [], 0
        for i, j in zip(self.sizes, self.sizes[1:], strict=False):
            stop = start + (i + 1) * j
            matrices.append(flat[start:stop].reshape(i + 1, j))
            start = stop
        return Views(matrices, flat)


@dataclass(frozen=True)
class Workspace:
    """The arrays of one pass over N examples, by the legend's names; all of one dtype.

    x[l] (N, n_l + 1) with column 0 = 1, but x[L] (N, n_L); S[l] and delta[l] (N, n_{l+1});
    dfdx (N, n_L), the loss's ∂f/∂x; y (N, n_L), the targets; losses (N,). importance (N,), c ≥ 0,
    what each example counts for, None where all count alike: losses and delta are then c times
    those of the example.
    """

    x: tuple[FloatArray, ...]
    S: tuple[FloatArray, ...]
    delta: tuple[FloatArray, ...]
    dfdx: FloatArray
    y: FloatArray
    losses: FloatArray
    importance: FloatArray | None = None

    @classmethod
    def allocate(
        cls, architecture: Architecture, examples: int, *, weighted: bool = False
    ) -> Workspace:
        """New arrays for `examples` examples; the constant columns are set to 1."""
        sizes, dtype = architecture.sizes, architecture.dtype
        x = [np.empty((examples, size + 1), dtype) for size in sizes[:-1]]
        for layer in x:
            layer[:, 0] = 1
        return cls(
            x=(*x, np.empty((examples, sizes[-1]), dtype)),
            S=tuple(np.empty((examples, size), dtype) for size in sizes[1:]),
            delta=tuple(np.empty((examples, size), dtype) for size in sizes[1:]),
            dfdx=np.empty((examples, sizes[-1]), dtype),
            y=np.empty((examples, sizes[-1]), dtype),
            losses=np.empty(examples, dtype),
            importance=np.empty(examples, dtype) if weighted else None,
        )

    def first(self, examples: int) -> Workspace:
        """The same arrays, cut to their first `examples` rows (views)."""
        if examples == len(self.losses):
            return self
        return Workspace(
            x=tuple(layer[:examples] for layer in self.x),
            S=tuple(layer[:examples] for layer in self.S),
            delta=tuple(layer[:examples] for layer in self.delta),
            dfdx=self.dfdx[:examples],
            y=self.y[:examples],
            losses=self.losses[:examples],
            importance=None if self.importance is None else self.importance[:examples],
        )

    def outputs(self, layer: int) -> FloatArray:
        """x[layer] without its constant column (a view)."""
        return self.x[layer] if layer == len(self.S) else self.x[layer][:, 1:]


@dataclass
class Observer:
    """What the statistics of a run need from step to step, all changed in place.

    `last`, the number of the run's last step; previous (P,), the gradient of the last recorded
    step, and state (L, 2), what `kernels.statistics.closeness` knows of it; bounds (L, 4), the
    sums outside of which a layer is saturated, twice low and high; width, the most columns that
    an array has.
    """

    recording: Recording
    last: int
    previous: FloatArray
    state: NDArray[np.float64]
    bounds: NDArray[np.float64]
    width: int

    @classmethod
    def start(cls, recording: Recording, net: Architecture, last: int) -> Observer:
        """Before the first step of a run of `last` steps."""
        everywhere = (-np.inf, np.inf) * 2
        bounds = [SATURATION.get(name, everywhere) for name in net.activations]
        return cls(
            recording,
            last,
            previous=np.zeros(net.parameters, net.dtype),
            state=np.zeros((net.L, 2)),
            bounds=np.array(bounds),
            width=max(net.sizes) + 1,
        )

    def due(self, taken: int, steps: int) -> NDArray[np.int64]:
        """The numbers of those of the next steps that are recorded, when so many are taken."""
        return self.recording.due(taken, steps, self.last)

    @cached_property
    def memory(self) -> Memory:
        """What `kernels.statistics.measure` works with, for arrays in the legend's shapes."""
        return statistics_memory(self.width, self.previous.dtype)


Memory = tuple[NDArray[np.float64], NDArray[np.int32], FloatArray]


def statistics_memory(width: int, dtype: np.dtype[Any]) -> Memory:
    """The memory that `kernels.statistics.measure` needs for arrays of so many columns."""
    counts = 2 * histogram.exponents(dtype.itemsize) * histogram.OCTAVE
    return np.empty((7, width)), np.zeros(counts, np.int32), np.empty(max(width, 4096), dtype)


@dataclass
class Descent:
    """What gradient descent works on; the caller owns every array.

    theta and grad (P,); inputs (N, n_0) and targets (N, n_L) of the whole training set, read during
    the whole run, and copied where they share memory with theta; work, a workspace of at least
    min(batch_size, N) examples, with an importance if there is one; observer: what the statistics
    need, None if nothing is recorded.
    importance (N,), c ≥ 0: a step's loss and gradient are Σ_n c_n f_n / Σ_n c_n, means where it is
    None. penalty, α ≥ 0: if not 0, a step's weight decay is λ = α / Σ_n c_n, or α / N, instead of
    the optimiser's.
    """

    theta: FloatArray
    grad: FloatArray
    inputs: FloatArray
    targets: FloatArray
    work: Workspace
    batch_size: int
    optimizer: Optimizer
    state: OptimizerState
    observer: Observer | None = None
    importance: FloatArray | None = None
    penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            array = for_loops(getattr(self, name))
            shares = np.may_share_memory(array, self.theta)
            setattr(self, name, array.copy() if shares else array)
        if self.importance is not None:
            self.importance = for_loops(self.importance)

    def load(self, batch: Indices) -> Workspace:
        """The workspace of a mini-batch, with the inputs and targets of these examples."""
        work = self.work.first(len(batch))
        work.x[0][:, 1:] = self.inputs[batch]
        work.y[...] = self.targets[batch]
        if self.importance is not None and work.importance is not None:
            np.take(self.importance, batch, out=work.importance)
        return work

    def rule(self, divisor: Any) -> Optimizer:
        """The optimiser of a step whose Σ_n c_n, or N, is the divisor, a number of theta's dtype.

        Its λ is α / divisor where there is a penalty α.
        """
        if self.penalty == 0:
            return self.optimizer
        decay = float(self.theta.dtype.type(self.penalty) / divisor)
        return replace(self.optimizer, weight_decay=decay)

    def due(self, steps: int) -> NDArray[np.bool_]:
        """Which of the next steps are recorded, (steps,)."""
        due = np.zeros(steps, np.bool_)
        if self.observer is not None:
            due[self.observer.due(self.state.step, steps) - self.state.step - 1] = True
        return due


@dataclass(frozen=True)
class Steps:
    """What some steps of descent tell.

    loss (T,) float64, the mean over the step's mini-batch before its update; records, the
    statistics of the recorded ones among them, None where nothing is recorded.
    """

    loss: NDArray[np.float64]
    records: Records | None

    @classmethod
    def allocate(cls, net: Architecture, descent: Descent, steps: int) -> Steps:
        """Room for so many steps, with the numbers of those that are to be recorded.

        There is room for one more, which is recorded if its loss is not finite.
        """
        loss = np.empty(steps)
        if descent.observer is None:
            return cls(loss, None)
        due = descent.observer.due(descent.state.step, steps)
        records = Records.allocate(descent.observer.recording.rows, len(due) + 1, net.L)
        records.steps[:-1] = due
        return cls(loss, records)

    def first(self, steps: int, taken_before: int) -> Steps:
        """The first so many steps, after so many before (views)."""
        records, last = self.records, taken_before + steps
        if records is not None:
            recorded = int(np.searchsorted(records.steps[:-1], last, side="right"))
            if not math.isfinite(self.loss[steps - 1]) and last not in records.steps[:recorded]:
                records.steps[recorded] = last
                recorded += 1
            records = records.first(recorded)
        return Steps(self.loss[:steps], records)
