"""What is timed: the networks, their data, and the tasks.

A workload is a network with a batch size and a number of examples. The hidden activations are
those that people use at these sizes: sigmoid in the small classical networks, relu in the two
large ones, tanh in the deep one, whose lower layers would stand still with sigmoid. Outputs are
softmax with cross-entropy throughout. The number of examples is a multiple of the batch size, so
that every step has the same shape, and is such that an epoch takes a fast library some 0.05 to
0.3 s and the textbook loops seconds.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import draws
from ..checks import FloatArray, choice
from ..network import Network

#: Task -> what one call does.
TASKS = {
    "epoch": "one epoch of SGD",
    "gradients": "one call for all gradients",
    "forward": "one forward pass",
    "product": "one matrix product",
    "examples": "norms and directions of single gradients",
    "matrix": "the matrix of single gradients",
}

#: The tasks of a network.
NETWORK_TASKS = ("epoch", "gradients", "forward")

#: The tasks on the gradients of single examples, beside those of a network.
EXAMPLE_TASKS = ("examples", "matrix")

DTYPES = ("float32", "float64")

#: Learning rate of every epoch: the loss falls, and no network diverges.
ETA = 0.01

#: Examples of a call for all gradients, and of a forward pass.
CALL_EXAMPLES = 1024

#: The most that a matrix of single gradients takes; it has fewer rows if need be.
MATRIX_BYTES = 2**29


@dataclass(frozen=True)
class Workload:
    """A network (sizes n_0 … n_L), its hidden activation, and an epoch over `examples` in batches.

    `quick`: part of a run without `--full`. The last workload is no network to be trained, but
    one layer of identities without biases: a plain product, C = X W.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: str
    batch_size: int
    examples: int
    quick: bool = False
    output: str = "softmax"
    loss: str = "cross_entropy"
    tasks: tuple[str, ...] = NETWORK_TASKS

    @property
    def parameters(self) -> int:
        """The number of weights and biases."""
        return sum((i + 1) * j for i, j in zip(self.sizes, self.sizes[1:], strict=False))


_ALL = (
    Workload("64-32-10", (64, 32, 10), "sigmoid", 32, 160_000, quick=True),
    Workload("784-30-10", (784, 30, 10), "sigmoid", 10, 40_000, quick=True),
    Workload(
        "784-50-10",
        (784, 50, 10),
        "sigmoid",
        100,
        40_000,
        tasks=(*NETWORK_TASKS, *EXAMPLE_TASKS),
    ),
    Workload("784-16-16-10", (784, 16, 16, 10), "sigmoid", 32, 38_400),
    Workload("784-128-10", (784, 128, 10), "sigmoid", 1, 5_000, quick=True),
    Workload(
        "784-512-512-10",
        (784, 512, 512, 10),
        "relu",
        128,
        2_560,
        quick=True,
        tasks=(*NETWORK_TASKS, *EXAMPLE_TASKS),
    ),
    Workload("784-1024-1024-1024-10", (784, 1024, 1024, 1024, 10), "relu", 256, 1_024),
    Workload("64-[64]x20-10", (64, *[64] * 20, 10), "tanh", 64, 12_800, quick=True),
    Workload(
        "1024x1024x1024",
        (1024, 1024),
        "none",
        1024,
        1024,
        quick=True,
        output="identity",
        loss="sse",
        tasks=("product",),
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}


def find(name: object) -> Workload:
    """The workload of that name; raises `TypeError` or `ValueError` for anything else."""
    return WORKLOADS[choice("workload", name, WORKLOADS)]


@dataclass(frozen=True, eq=False)
class Problem:
    """A workload with its numbers: what every contender is given.

    theta (P,), the initial weights in the order of `Network.theta`; X (N, n_0) in [0, 1) and
    labels (N,) int64, the training set in the order of the batches; call (M, n_0) and
    call_labels (M,), the examples of a single call. Nobody may modify them.
    """

    workload: Workload
    dtype: np.dtype[Any]
    theta: FloatArray
    X: FloatArray
    labels: NDArray[np.int64]
    eta: float = ETA

    @property
    def call(self) -> FloatArray:
        """The inputs of a single call: the first `CALL_EXAMPLES` examples."""
        return self.X[:CALL_EXAMPLES]

    @property
    def call_labels(self) -> NDArray[np.int64]:
        """The labels of a single call."""
        return self.labels[:CALL_EXAMPLES]

    @property
    def rows(self) -> int:
        """The rows of a matrix of single gradients: those of the first so many examples."""
        row = self.workload.parameters * self.dtype.itemsize
        return max(1, min(len(self.call), MATRIX_BYTES // row))

    def examples(self, task: str) -> int:
        """How many examples one call of a task takes."""
        return {"epoch": len(self.X), "matrix": self.rows}.get(task, len(self.call))

    def network(self) -> Network:
        """A new network with the initial weights."""
        return _network(self.workload, self.dtype, self.theta)

    def layers(self, flat: FloatArray) -> tuple[FloatArray, ...]:
        """Views (n_l + 1, n_{l+1}) of a flat vector (P,), row 0 the biases."""
        return self.network().architecture.views(flat)

    def flat(self, weights: Sequence[Any], biases: Sequence[Any]) -> FloatArray:
        """Matrices (n_l, n_{l+1}) and vectors (n_{l+1},) as one vector, ordered as theta."""
        pairs = zip(biases, weights, strict=True)
        return np.concatenate([np.ravel(part) for pair in pairs for part in pair])


@functools.lru_cache(maxsize=2)
def problem(workload: Workload, dtype: str, seed: int = 0) -> Problem:
    """The problem of a workload: the same numbers everywhere.

    Labels are the largest of n_L random linear functions of the inputs, so that there is
    something to learn. Weights and inputs of float32 are those of float64, rounded.
    """
    number = np.dtype(choice("dtype", dtype, DTYPES))
    net = _network(workload, number, "glorot", seed)
    bits = draws.source(seed + 1)
    X = draws.uniform(bits, (workload.examples, workload.sizes[0]))
    teacher = draws.uniform(bits, (workload.sizes[0], workload.sizes[-1])) - 0.5
    labels = np.argmax((X - 0.5) @ teacher, axis=1).astype(np.int64)
    parts = (net.theta, X.astype(number), labels)
    for part in parts:
        part.flags.writeable = False
    return Problem(workload, number, *parts)


def _network(
    work: Workload, dtype: np.dtype[Any], init: str | FloatArray, seed: int = 0
) -> Network:
    hidden = work.hidden if len(work.sizes) > 2 else []
    return Network(
        work.sizes,
        hidden=hidden,
        output=work.output,
        loss=work.loss,
        init=init,
        seed=seed,
        dtype=dtype,
    )
