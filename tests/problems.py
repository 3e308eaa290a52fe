"""Test problems as data: networks with inputs and targets, each with a readable id.

Together they cover every activation in a hidden layer, every activation with every loss that
goes with it, depths from 1 to 6, widths from 1 to 65, one example and several, and both dtypes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from loopbp.engines import ENGINES
from loopbp.network import Network

#: The engines that agree bit for bit; an alias such as `auto` is not one of its own.
EXACT = [name for name, engine in ENGINES.items() if engine.exact and engine.name == name]

DTYPES = ("float32", "float64")
ELEMENTWISE = (
    "identity",
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "sin",
    "cos",
    "exp",
)
OUTPUT_LOSSES = ("sse", "half_sse", "mse")

#: Every output activation with every loss that goes with it.
PAIRS = (
    *itertools.product((*ELEMENTWISE, "softmax"), OUTPUT_LOSSES),
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
)


@dataclass(frozen=True)
class Problem:
    """A network with weights of moderate size, none of its biases 0, and N examples."""

    sizes: tuple[int, ...]
    hidden: tuple[str, ...]
    output: str
    loss: str
    N: int
    dtype: str
    seed: int = 0

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        names = ",".join((*self.hidden, self.output, self.loss))
        return f"{sizes}:{names}:N{self.N}:{self.dtype}"

    def network(self) -> Network:
        """The network; its weights are uniform in ±1.5 / √n_l, its biases in ±1.5."""
        random = np.random.default_rng(self.seed)
        weights = []
        for i, j in itertools.pairwise(self.sizes):
            W = random.uniform(-1.5, 1.5, (i + 1, j))
            W[1:] /= np.sqrt(i)
            weights.append(W)
        return Network(self.sizes, self.hidden, self.output, self.loss, weights, dtype=self.dtype)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, n_0) and targets (N, n_L) of the problem's dtype."""
        random = np.random.default_rng(self.seed + 1)
        X = random.uniform(-1.5, 1.5, (self.N, self.sizes[0]))
        Y = random.uniform(0, 1, (self.N, self.sizes[-1]))
        if self.loss == "cross_entropy":
            Y /= Y.sum(axis=1, keepdims=True)
        return X.astype(self.dtype), Y.astype(self.dtype)


def _names() -> list[Problem]:
    """Every pair of output and loss, each with another two hidden activations, in both dtypes."""
    problems = []
    for k, (output, loss) in enumerate(PAIRS):
        # 5 and 7 are prime to 12: each of the twelve comes first and comes second
        hidden = (ELEMENTWISE[5 * k % 12], ELEMENTWISE[(7 * k + 3) % 12])
        N = (5, 1, 2)[k % 3]
        problems += [Problem((4, 5, 3, 2), hidden, output, loss, N, d, seed=k) for d in DTYPES]
    return problems


def _shapes() -> list[Problem]:
    """Depths 1 to 6, widths 1 to 65 on both sides of the powers of two, N from 1 to 33."""
    shapes = [
        ((1, 1), 1),
        ((1, 1, 1, 1), 4),
        ((65, 1), 3),
        ((1, 65), 2),
        ((64, 10), 33),
        ((7, 1, 3), 8),
        ((8, 9, 7), 17),
        ((16, 17, 15), 16),
        ((31, 32, 33), 7),
        ((64, 65, 63), 9),
        ((5, 4, 3, 2), 1),
        ((2, 3, 5, 8, 13), 15),
        ((6, 5, 4, 5, 6, 7), 5),
        ((3, 4, 5, 6, 5, 4, 3), 13),
    ]
    smooth = ("tanh", "sigmoid", "silu", "gelu", "softplus")
    ends = (("identity", "sse"), ("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"))
    problems = []
    for k, (sizes, N) in enumerate(shapes):
        hidden = tuple(smooth[(k + l) % 5] for l in range(len(sizes) - 2))
        output, loss = ends[k % 3] if sizes[-1] > 1 else ends[k % 2 * 2]
        problems += [Problem(sizes, hidden, output, loss, N, d, seed=100 + k) for d in DTYPES]
    return problems


PROBLEMS = [*_names(), *_shapes()]


def hand_computed() -> Network:
    """The 2-2-2 network with identity and f = Σ (y − x)² whose numbers are worked out by hand."""
    weights = [[[1, -1], [2, 1], [-1, 3]], [[2, -3], [1, 2], [-2, 1]]]
    return Network([2, 2, 2], "identity", "identity", "sse", weights)
