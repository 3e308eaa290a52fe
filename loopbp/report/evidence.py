"""What the alarms look at: the numbers of a run or of one checkpoint, as arrays (T, L).

T recorded steps by L layers of weights; NaN where a number is not known or has no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..training import History
from .statistics import LayerGradient

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Quantities in the order in which a step computes them, for the origin of a NaN.
FORWARD, BACKWARD = ("S", "x"), ("delta", "gradient", "update", "weight")

#: Columns of the frame of layers that are taken over as they are.
RATIOS = (
    "gradient_weight",
    "update_weight",
    "dead",
    "saturated",
    "saturated_hard",
    "delta_ratio",
    "delta_ratio_predicted",
)


class Origin(NamedTuple):
    """Where a number first stopped being finite."""

    step: int
    quantity: str
    layer: int | None


@dataclass(frozen=True, eq=False)
class Evidence:
    """The numbers of a run, or of one checkpoint.

    `steps` (T,), the recorded steps; `numbers`, arrays (T, L) by name; `losses`, the loss of every
    step, `loss_steps` beside it; `sizes`, n_0 … n_L, if they are known; `examples`, how many a
    step looks at, if that is known; `baseline`, the mean loss of the best constant answer, if it is
    known; `origin`, where a number first stopped being finite; `causes`, the layers of the
    checkpoint, empty for a run.
    """

    steps: NDArray[np.int64]
    numbers: Mapping[str, Array]
    losses: Array = field(default_factory=lambda: np.empty(0))
    loss_steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    sizes: tuple[int, ...] | None = None
    examples: int | None = None
    baseline: float | None = None
    origin: Origin | None = None
    causes: tuple[LayerGradient, ...] = ()

    @property
    def L(self) -> int:
        """The number of layers of weights."""
        return int(self.numbers["mean_abs"].shape[1])

    def get(self, name: str) -> Array:
        """The array (T, L) of this name; NaN throughout where there is none."""
        if name in self.numbers:
            return self.numbers[name]
        return np.full((len(self.steps), self.L), np.nan)


def of_run(history: History, baseline: float | None = None) -> Evidence | None:
    """The evidence of a run; None where nothing was recorded."""
    statistics = history.statistics
    if not len(statistics):
        return None
    found = of_frames(statistics, history.layers, history.losses, baseline)
    net = history.architecture
    return found if net is None else replace(found, sizes=net.sizes)


def of_frames(
    statistics: pd.DataFrame,
    layers: pd.DataFrame,
    losses: pd.DataFrame,
    baseline: float | None = None,
) -> Evidence:
    """The evidence of a recorded run: its frames `statistics`, `layers` and `losses`."""
    grid = _Grid(statistics)
    numbers = {
        "mean_abs": grid.total("gradient", "l1") / grid.total("gradient", "count"),
        "l2": np.sqrt(grid.total("gradient", "l2", square=True)),
        "zeros": grid.total("gradient", "zeros") / grid.total("gradient", "count"),
        "weight_l2": np.sqrt(grid.total("weight", "l2", square=True)),
        "weight_std": grid.one("weight", "std"),
        "alike": grid.alike(),
        "nonfinite": np.sum(
            [np.nan_to_num(grid.total(name, "nonfinite")) for name in FORWARD + BACKWARD], axis=0
        ),
    }
    numbers |= {name: grid.pivot(layers, name) for name in RATIOS if name in layers}
    sizes, examples = grid.sizes()
    return Evidence(
        steps=grid.steps,
        numbers=numbers,
        losses=losses["loss"].to_numpy(float),
        loss_steps=losses["step"].to_numpy(np.int64),
        sizes=sizes,
        examples=examples,
        baseline=baseline,
        origin=grid.origin(),
    )


def of_checkpoint(
    causes: Sequence[LayerGradient],
    *,
    step: int = 0,
    examples: int = 1,
    divisor: int = 1,
    numbers: Mapping[str, Any] | None = None,
    loss: float | None = None,
    baseline: float | None = None,
) -> Evidence:
    """The evidence of the layers of one checkpoint.

    `divisor`: what the gradient must be divided by to be a mean over the `examples`. `numbers`:
    further numbers, an array (L,) by name.
    """

    def row(values: Sequence[float]) -> Array:
        return np.array([values], dtype=float)

    found = {
        "mean_abs": row([layer.mean_abs / divisor for layer in causes]),
        "l2": row([layer.l2 / divisor for layer in causes]),
        "zeros": row([layer.zeros for layer in causes]),
        "weight_l2": row([layer.weight_l2 for layer in causes]),
        "dead": row(
            [
                layer.dead.count / layer.n_out if layer.activation == "relu" else math.nan
                for layer in causes
            ]
        ),
        "nonfinite": row([not layer.finite for layer in causes]),
    }
    bad = [layer.l for layer in causes if not layer.finite]
    return Evidence(
        steps=np.array([step]),
        numbers=found | {name: row(values) for name, values in (numbers or {}).items()},
        losses=np.empty(0) if loss is None else np.array([loss]),
        loss_steps=np.array([], np.int64) if loss is None else np.array([step]),
        sizes=(*(layer.n_in for layer in causes), causes[-1].n_out),
        examples=examples,
        baseline=baseline,
        origin=Origin(step, "gradient", bad[-1]) if bad else None,
        causes=tuple(causes),
    )


def constant_loss(loss: str, targets: NDArray[Any]) -> float | None:
    """The smallest mean loss that one answer for all examples can have, None if it is 0.

    targets (N, n_L). Squared losses: the answer is the mean target. Cross-entropies: it is the
    share of each class, and the loss the entropy of the shares.
    """
    y = np.asarray(targets, dtype=float)
    mean = y.mean(axis=0)
    if loss in ("sse", "half_sse", "mse"):
        squares = float(np.square(y - mean).sum(axis=1).mean())
        value = squares * {"sse": 1.0, "half_sse": 0.5, "mse": 1 / y.shape[1]}[loss]
    else:
        value = _entropy(mean)
        if loss == "binary_cross_entropy":
            value += _entropy(1 - mean)
    return value or None


def _entropy(shares: Array) -> float:
    """−Σ p ln p."""
    p = shares[shares > 0]
    return float(-(p * np.log(p)).sum())


def copies(W: Sequence[NDArray[Any]]) -> Array:
    """For each layer l, the share of the nodes of layer l+1 that are copies of another one (L,).

    Two nodes are copies where all weights into them and all that lead on from them are the same.
    W[l] (n_l + 1, n_{l+1}). NaN for the output, whose nodes have targets of their own.
    """
    found = np.full(len(W), np.nan)
    for l in range(len(W) - 1):
        nodes = np.vstack([W[l], W[l + 1][1:].T])
        counts = np.unique(nodes, axis=1, return_counts=True)[1]
        found[l] = counts[counts > 1].sum() / nodes.shape[1]
    return found


class _Grid:
    """A frame of statistics as arrays (T, L) for each quantity; x^(l+1) stands with layer l."""

    def __init__(self, statistics: pd.DataFrame) -> None:
        self.frame = statistics
        self.steps, self._row = np.unique(statistics["step"].to_numpy(), return_inverse=True)
        self._quantity = statistics["quantity"].to_numpy(str)
        self._part = statistics["part"].to_numpy(str)
        self._l = statistics["l"].to_numpy(np.int64) - (self._quantity == "x")
        self.L = int(self._l.max()) + 1 if len(statistics) else 0

    def one(self, quantity: str, column: str, part: str | None = None) -> Array:
        """One column of a quantity; of the parts, the weights."""
        chosen = (self._quantity == quantity) & (
            self._part != "biases" if part is None else self._part == part
        )
        found = np.full((len(self.steps), self.L), np.nan)
        found[self._row[chosen], self._l[chosen]] = self.frame[column].to_numpy(float)[chosen]
        return found

    def total(self, quantity: str, column: str, *, square: bool = False) -> Array:
        """A column (or its square) of a quantity, summed over the parts weights and biases."""
        power = 2 if square else 1
        with np.errstate(over="ignore"):
            biases = np.nan_to_num(self.one(quantity, column, "biases"), posinf=np.inf) ** power
            return self.one(quantity, column) ** power + biases

    def alike(self) -> Array:
        """1 where all weights but zeros are the same number, or all are 0; else 0.

        |Σ w| is then (count − zeros) max |w|; the biases may be zeros among them.
        """
        count, zeros = self.one("weight", "count"), self.one("weight", "zeros")
        total = np.abs(self.one("weight", "mean")) * count
        with np.errstate(over="ignore", invalid="ignore"):
            same = np.isclose(total, (count - zeros) * self.one("weight", "max_abs"), rtol=1e-9)
        few = np.isin(zeros, (0,)) | (zeros == count) | self._only_biases_are_zero(zeros)
        return np.where(np.isnan(count), np.nan, same & few)

    def _only_biases_are_zero(self, zeros: Array) -> NDArray[np.bool_]:
        """Where there are as many zeros as biases, n_{l+1}."""
        sizes, _ = self.sizes()
        if sizes is None:
            return np.zeros(zeros.shape, bool)
        return np.asarray(zeros == np.array(sizes[1:]))

    def pivot(self, layers: pd.DataFrame, column: str) -> Array:
        """A column of the frame of layers."""
        found = np.full((len(self.steps), self.L), np.nan)
        row = np.searchsorted(self.steps, layers["step"].to_numpy())
        found[row, layers["l"].to_numpy()] = layers[column].to_numpy(float)
        return found

    def sizes(self) -> tuple[tuple[int, ...] | None, int | None]:
        """n_0 … n_L and N, the examples of a step, from the counts of the first step.

        With c_l = N n_{l+1} entries of δ^(l) and b_1 = (n_1 + 1) n_2 weights, N solves
        b_1 N² − c_1 N − c_0 c_1 = 0. None for a single layer, where they do not determine N.
        """
        if self.L < 2 or not len(self.steps):
            return None, None
        b, c = self.total("gradient", "count")[0], self.one("delta", "count")[0]
        if np.isnan(b).any() or np.isnan(c).any():
            return None, None
        N = round((c[1] + math.sqrt(c[1] ** 2 + 4 * b[1] * c[0] * c[1])) / (2 * b[1]))
        n = [round(count / N) for count in c]
        return (round(b[0] / n[0]) - 1, *n), N

    def origin(self) -> Origin | None:
        """The first entry that is not finite, in the order of computation."""
        counts = {name: np.nan_to_num(self.total(name, "nonfinite")) for name in FORWARD + BACKWARD}
        bad = np.flatnonzero(np.sum(list(counts.values()), axis=(0, 2)))
        if not len(bad):
            return None
        t, up = int(bad[0]), range(self.L)
        order = [(name, l) for l in up for name in FORWARD]
        order += [(name, l) for l in reversed(up) for name in BACKWARD]
        name, l = next(item for item in order if counts[item[0]][t, item[1]])
        return Origin(int(self.steps[t]), name, l + (name == "x"))
