"""The numbers of a report: each layer's gradient at a checkpoint, and its course over a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import FloatArray
from ..kernels import statistics as kernels
from ..trace import Trace
from ..training import History

if TYPE_CHECKING:
    import pandas as pd

#: At most so many points per layer in the course of a run, and so many in all.
MOST_POINTS = 100
MOST_POINTS_IN_ALL = 4000

#: At most so many node numbers are kept of a list of nodes.
MOST_NODES = 8


@dataclass(frozen=True)
class Nodes:
    """Some nodes of a layer: how many of `of` they are, and the numbers (from 1) of the first."""

    count: int
    of: int
    first: tuple[int, ...]

    @classmethod
    def where(cls, chosen: Any) -> Nodes:
        """The nodes j for which `chosen`, bool (n,), is true at j − 1."""
        numbers = np.flatnonzero(chosen) + 1
        return cls(len(numbers), len(chosen), tuple(int(j) for j in numbers[:MOST_NODES]))


@dataclass(frozen=True)
class LayerGradient:
    """The gradient of the weights w^(l), which lead from layer l to layer l+1.

    `mean_abs`, `l2`, `max_abs`, `zeros` and `delta_norm` are those of `kernels.statistics`: mean
    |∂f/∂w|, √(Σ (∂f/∂w)²), max |∂f/∂w|, the share of entries that are exactly 0, and the root
    mean square over the examples of √(Σ_j δ_j²). `ratio` is mean_abs over that of layer l+1, None
    for the last layer and where layer l+1 has a mean of 0. `weight_l2` is √(Σ w²).

    `zero_inputs` are the nodes i of layer l with x_i = 0 in every example, `zero_deltas` the nodes
    j of layer l+1 with δ_j = 0 in every example, `dead` the nodes j of layer l+1 whose g is relu
    and whose x_j is 0 in every example. `zeros_from_inputs` and `zeros_from_deltas` are the shares
    of all entries that are 0 for the one and (of the others) for the other reason. `cut_off`: all
    weights that lead on from layer l+1 are 0. `finite`: every entry of the gradient and every δ
    is finite.
    """

    l: int
    n_in: int
    n_out: int
    activation: str
    parameters: int
    mean_abs: float
    l2: float
    max_abs: float
    zeros: float
    delta_norm: float
    ratio: float | None
    weight_l2: float
    zero_inputs: Nodes
    zero_deltas: Nodes
    dead: Nodes
    zeros_from_inputs: float
    zeros_from_deltas: float
    cut_off: bool
    finite: bool


def layer_gradients(trace: Trace) -> tuple[LayerGradient, ...]:
    """The statistics of every layer of a trace of `backprop`, in network order."""
    assert trace.grad is not None and trace.delta is not None
    L = len(trace.grad)
    table = np.empty((L, len(kernels.NAMES)))
    for l in range(L):
        kernels.gradient_statistics(table[l], trace.grad[l], trace.delta[l])
    means = table[:, kernels.NAMES.index("mean_abs")]
    return tuple(
        _layer(trace, l, table[l], _ratio(means, l), trace.grad[l], trace.delta[l])
        for l in range(L)
    )


def _layer(
    trace: Trace,
    l: int,
    numbers: Any,
    ratio: float | None,
    grad: FloatArray,
    delta: FloatArray,
) -> LayerGradient:
    """The statistics of one layer."""
    activation = trace.architecture.activations[l]
    x = trace.x[l][:, 1:]
    above = trace.x[l + 1] if l + 1 == len(trace.S) else trace.x[l + 1][:, 1:]
    zero_inputs, zero_deltas = ~x.any(axis=0), ~delta.any(axis=0)
    dead = ~above.any(axis=0) if activation == "relu" else np.zeros(grad.shape[1], dtype=bool)
    rows, columns = int(zero_inputs.sum()), int(zero_deltas.sum())
    return LayerGradient(
        l=l,
        n_in=grad.shape[0] - 1,
        n_out=grad.shape[1],
        activation=activation,
        parameters=grad.size,
        **dict(zip(kernels.NAMES, map(float, numbers), strict=True)),
        ratio=ratio,
        weight_l2=_norm(trace.W[l]),
        zero_inputs=Nodes.where(zero_inputs),
        zero_deltas=Nodes.where(zero_deltas),
        dead=Nodes.where(dead),
        zeros_from_inputs=rows * grad.shape[1] / grad.size,
        zeros_from_deltas=(grad.shape[0] - rows) * columns / grad.size,
        cut_off=l + 1 < len(trace.W) and not trace.W[l + 1][1:].any(),
        finite=bool(np.isfinite(grad).all() and np.isfinite(delta).all()),
    )


def _ratio(means: FloatArray, l: int) -> float | None:
    """Mean |∂f/∂w| of layer l over that of layer l+1, where there is one above 0."""
    if l + 1 == len(means) or means[l + 1] == 0:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return float(means[l] / means[l + 1])


def _norm(values: FloatArray) -> float:
    """√(Σ v²), in float64."""
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.square(values, dtype=np.float64).sum()))


def course(history: History) -> pd.DataFrame:
    """The statistics over a run, in parts of consecutive steps: a row per part and layer.

    Columns: step_first and step_last, the part's steps (from 1); epoch, of its last step; l; the
    means over its steps of the five statistics, but of max_abs the maximum; and mean_abs_low and
    mean_abs_high, the smallest and largest mean_abs. There are at most `MOST_POINTS` parts,
    however long the run.
    """
    import pandas as pd

    if not history.statistics:
        return pd.DataFrame(columns=COURSE_COLUMNS)
    steps = np.concatenate(history.statistics)
    T, L, _ = steps.shape
    parts = min(T, MOST_POINTS, max(2, MOST_POINTS_IN_ALL // L))
    stops = np.arange(1, parts + 1) * T // parts
    starts = np.concatenate([[0], stops[:-1]])
    epoch_stops = np.cumsum([len(block) for block in history.statistics])
    columns: dict[str, Any] = {
        "step_first": np.repeat(starts + 1, L),
        "step_last": np.repeat(stops, L),
        "epoch": np.repeat(np.searchsorted(epoch_stops, stops) + 1, L),
        "l": np.tile(np.arange(L), parts),
    }
    lengths = (stops - starts)[:, None]
    for k, name in enumerate(kernels.NAMES):
        values = steps[:, :, k]
        if name == "max_abs":
            columns[name] = np.maximum.reduceat(values, starts).ravel()
        else:
            columns[name] = (np.add.reduceat(values, starts) / lengths).ravel()
    mean_abs = steps[:, :, kernels.NAMES.index("mean_abs")]
    columns["mean_abs_low"] = np.minimum.reduceat(mean_abs, starts).ravel()
    columns["mean_abs_high"] = np.maximum.reduceat(mean_abs, starts).ravel()
    return pd.DataFrame(columns)[COURSE_COLUMNS]


COURSE_COLUMNS = [
    "step_first",
    "step_last",
    "epoch",
    "l",
    *kernels.NAMES,
    "mean_abs_low",
    "mean_abs_high",
]
