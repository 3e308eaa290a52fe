"""The numbers of a checkpoint: each layer's gradient, and where its zeros come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import frames
from ..checks import FloatArray
from ..engines.observing import Quantities, observe
from ..kernels.statistics import NAMES
from ..recording import Recording, Records
from ..trace import Trace
from ..workspace import Observer

if TYPE_CHECKING:
    import pandas as pd

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

    `mean_abs`, `l2`, `max_abs` and `zeros` are mean |∂f/∂w|, √(Σ (∂f/∂w)²), max |∂f/∂w| and the
    share of entries that are exactly 0; `delta_norm` is the root mean square over the examples of
    √(Σ_j δ_j²). `ratio` is mean_abs over that of layer l+1, None
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


@dataclass(frozen=True)
class Checkpoint:
    """The statistics of one pass, taken as those of a step of a run are.

    `statistics` and `layers` are the frames of `loopbp.frames`, with step 0, epoch 0 and no
    updates; records, the numbers behind them.
    """

    trace: Trace
    records: Records

    @classmethod
    def of(cls, trace: Trace, *, biases: bool = False) -> Checkpoint:
        """The statistics of a trace of `backprop`; biases as in `Recording`."""
        assert trace.grad is not None and trace.delta is not None
        net = trace.architecture
        recording = Recording(quantities=("gradient", "weight", "delta", "S", "x"), biases=biases)
        records = Records.allocate(recording.rows, 1, net.L)
        observer = Observer.start(recording, net, 0)
        found = Quantities(trace.grad, trace.W, trace.W, trace.delta, trace.S, trace.x[1:])
        with np.errstate(all="ignore"):  # compiled loops do not warn; others should not either
            observe(records, 0, observer, found, net.views(observer.previous))
        return cls(trace, records)

    @property
    def statistics(self) -> pd.DataFrame:
        """A row per layer, quantity and part."""
        return frames.statistics(self.records, np.zeros(1, np.int64))

    @property
    def layers(self) -> pd.DataFrame:
        """A row per layer of weights."""
        return frames.layers(self.records, np.zeros(1, np.int64), self.trace.architecture)

    @property
    def histograms(self) -> pd.DataFrame:
        """A row per layer, quantity, part, sign and power of 2."""
        return frames.histograms(self.records)

    def number(self, l: int, quantity: str, name: str) -> float:
        """One of the numbers of `kernels.statistics.NAMES`, of layer l."""
        row = self.records.rows.index((quantity, "all"))
        return float(self.records.numbers[0, l, row, NAMES.index(name)])


def layer_gradients(checkpoint: Checkpoint) -> tuple[LayerGradient, ...]:
    """The statistics of every layer, in network order."""
    W = checkpoint.trace.W
    L = len(W)
    means = np.array([checkpoint.number(l, "gradient", "l1") / W[l].size for l in range(L)])
    return tuple(_layer(checkpoint, l, means) for l in range(L))


def _layer(checkpoint: Checkpoint, l: int, means: FloatArray) -> LayerGradient:
    """The statistics of one layer; means (L,), the mean |∂f/∂w| of all."""
    trace = checkpoint.trace
    assert trace.grad is not None and trace.delta is not None
    grad, delta = trace.grad[l], trace.delta[l]
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
        mean_abs=float(means[l]),
        l2=checkpoint.number(l, "gradient", "l2"),
        max_abs=checkpoint.number(l, "gradient", "max_abs"),
        zeros=checkpoint.number(l, "gradient", "zeros") / grad.size,
        delta_norm=checkpoint.number(l, "delta", "l2") / np.sqrt(len(delta)),
        ratio=_ratio(means, l),
        weight_l2=checkpoint.number(l, "weight", "l2"),
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
