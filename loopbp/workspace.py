"""What an engine works on: the architecture of a network, and the arrays of one pass over it.

The arrays carry the legend's names and shapes. They are allocated once and filled by an engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import FloatArray
from .kernels import statistics
from .optimizers import Optimizer, OptimizerState

Indices = NDArray[np.int64]


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

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return sum((i + 1) * j for i, j in zip(self.sizes, self.sizes[1:], strict=False))

    def views(self, flat: FloatArray) -> tuple[FloatArray, ...]:
        """Views (n_l + 1, n_{l+1}) of the flat vector (P,), one for each layer of weights."""
        matrices, start = [], 0
        for i, j in zip(self.sizes, self.sizes[1:], strict=False):
            stop = start + (i + 1) * j
            matrices.append(flat[start:stop].reshape(i + 1, j))
            start = stop
        return tuple(matrices)


@dataclass(frozen=True)
class Workspace:
    """The arrays of one pass over N examples, by the legend's names; all of one dtype.

    x[l] (N, n_l + 1) with column 0 = 1, but x[L] (N, n_L); S[l] and delta[l] (N, n_{l+1});
    dfdx (N, n_L), the loss's ∂f/∂x; y (N, n_L), the targets; losses (N,).
    """

    x: tuple[FloatArray, ...]
    S: tuple[FloatArray, ...]
    delta: tuple[FloatArray, ...]
    dfdx: FloatArray
    y: FloatArray
    losses: FloatArray

    @classmethod
    def allocate(cls, architecture: Architecture, examples: int) -> Workspace:
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
        )

    def outputs(self, layer: int) -> FloatArray:
        """x[layer] without its constant column (a view)."""
        return self.x[layer] if layer == len(self.S) else self.x[layer][:, 1:]


@dataclass
class Descent:
    """What gradient descent works on; the caller owns every array.

    theta and grad (P,); inputs (N, n_0 + 1) with the constant column, and targets (N, n_L), of
    the whole training set; work, a workspace of at least min(batch_size, N) examples; watch:
    whether to take the statistics of every step's gradient.
    """

    theta: FloatArray
    grad: FloatArray
    inputs: FloatArray
    targets: FloatArray
    work: Workspace
    batch_size: int
    optimizer: Optimizer
    state: OptimizerState
    watch: bool

    def load(self, batch: Indices) -> Workspace:
        """The workspace of a mini-batch, with the inputs and targets of these examples."""
        work = self.work.first(len(batch))
        np.take(self.inputs, batch, axis=0, out=work.x[0])
        np.take(self.targets, batch, axis=0, out=work.y)
        return work


@dataclass(frozen=True)
class Steps:
    """What some steps of descent tell: a row per step, all float64.

    loss (T,), the mean over the step's mini-batch before its update; statistics (T, L, 5), the
    numbers of `kernels.statistics.NAMES` per layer, or (T, 0, 5) where nobody watches.
    """

    loss: NDArray[np.float64]
    statistics: NDArray[np.float64]

    @classmethod
    def allocate(cls, net: Architecture, steps: int, watch: bool) -> Steps:
        """Room for so many steps."""
        layers = net.L if watch else 0
        return cls(np.empty(steps), np.empty((steps, layers, len(statistics.NAMES))))

    def first(self, steps: int) -> Steps:
        """The first so many steps (views)."""
        return Steps(self.loss[:steps], self.statistics[:steps])
