"""Weights by how much they move the loss, and what one example asks of them.

For a small step Δw of one weight, Δf ≈ ∂f/∂w · Δw: an entry of the gradient says how much its
weight matters, its sign which way. A step of gradient descent, Δw = −η ∂f/∂w in every weight at
once, changes the loss by about −η Σ (∂f/∂w)².

A sum S_j = w_0j + Σ_i w_ij x_i has three levers:

    ∂f/∂w_0j = δ_j         the bias
    ∂f/∂w_ij = δ_j x_i     the weights, in proportion to the x_i that they carry
    δ_j w_ij               the nodes before it, in proportion to the weights

What the nodes j ask of a node i before them is added over j: ∂f/∂x_i = Σ_j δ_j w_ij. All wishes go
downhill, so that a wish is minus a derivative.

Source: Sanderson, "Backpropagation, intuitively" (3Blue1Brown, 2017); Nielsen, "Neural Networks
and Deep Learning" (2015), chapter 2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import FloatArray, describe, flag, integer, real
from ..network import Network
from ..trace import Trace

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """How the loss depends on every weight, and on what one example asks.

    trace, the pass over all N examples that it comes from; net, a copy of the network; eta, the
    learning rate η of the predicted step; biases, whether they are ranked among the weights.

    In the frames layer, i and j are the legend's: w_ij^(layer) leads from node i of that layer to
    node j of the next, and i = 0 is the bias. Numbers are float64; single products δ_j x_i and
    δ_j w_ij are rounded once, in the network's dtype.
    """

    trace: Trace
    net: Network
    eta: float
    biases: bool

    @cached_property
    def weights(self) -> pd.DataFrame:
        """A row per weight, the largest |∂f/∂w| first.

        rank, from 1; layer, i and j; value, w; derivative, ∂f/∂w: what a step of 1 would change
        the loss by, were it a straight line; magnitude, |∂f/∂w|; ratio, the magnitude by the
        median of those that are not 0 (NaN where all are); step, −η ∂f/∂w; change, −η (∂f/∂w)²,
        what that step alone changes the loss by, to first order. Equal magnitudes keep the order
        of `Network.theta`.
        """
        import pandas as pd

        layer, i, j = _indices(self.net)
        value, derivative = self.net.theta.astype(np.float64), _double(self.trace.gradient)
        chosen = np.arange(len(value)) if self.biases else np.flatnonzero(i > 0)
        order = chosen[np.argsort(-np.abs(derivative[chosen]), kind="stable")]
        slopes = derivative[order]
        size = np.abs(slopes)
        middle = float(np.median(size[size > 0])) if size.any() else np.nan
        return pd.DataFrame(
            {
                "rank": np.arange(1, len(order) + 1),
                "layer": layer[order],
                "i": i[order],
                "j": j[order],
                "value": value[order],
                "derivative": slopes,
                "magnitude": size,
                "ratio": size / middle,
                "step": -self.eta * slopes,
                "change": -self.eta * slopes**2,
            }
        )

    @property
    def loss(self) -> float:
        """The mean loss over the examples."""
        assert self.trace.loss is not None
        return self.trace.loss

    @cached_property
    def predicted_change(self) -> float:
        """−η Σ (∂f/∂w)²: what one step of descent in all weights does to the loss, first order."""
        return -self.eta * float(np.square(_double(self.trace.gradient)).sum())

    @cached_property
    def measured_change(self) -> float:
        """What that step does to the loss: the loss after it minus the loss before it."""
        moved = self.net.copy()
        moved.theta -= moved.dtype.type(self.eta) * self.trace.gradient
        after = moved.evaluate(self.trace.x[0][:, 1:], self._targets, engine=self.trace.engine)
        return after.loss - self.loss

    def levers(self, neuron: int, example: int = 0, layer: int | None = None) -> pd.DataFrame:
        """What can be changed about one neuron, a row per lever; j = `neuron`, from 1.

        lever: bias, weight or activation; i, from 0; value, w_0j, w_ij or x_i; carries, what the
        wish is in proportion to: 1, x_i or w_ij; derivative, δ_j, δ_j x_i or δ_j w_ij; wish, minus
        that. `layer`: of the weights into the neuron, by default the last: an output neuron.

        Raises `TypeError` or `ValueError` for a neuron, example or layer that there is not.
        """
        import pandas as pd

        n, l = self._example(example), self._layer(layer)
        column = integer("neuron", neuron, low=1, high=self.net.sizes[l + 1]) - 1
        x, w, delta = self.trace.x[l][n], self.trace.W[l][:, column], self._delta(l)[n, column]
        I = len(x)
        names = np.array(["bias"] + ["weight"] * (I - 1) + ["activation"] * (I - 1), dtype=object)
        derivative = np.concatenate([delta * x, delta * w[1:]])
        return pd.DataFrame(
            {
                "lever": names,
                "i": np.concatenate([np.arange(I), np.arange(1, I)]),
                "value": _double(np.concatenate([w, x[1:]])),
                "carries": _double(np.concatenate([x, w[1:]])),
                "derivative": _double(derivative),
                "wish": -_double(derivative),
            }
        )

    def asked(self, example: int = 0, layer: int | None = None) -> pd.DataFrame:
        """What every node j asks of every node i ≥ 1 before it, a row per pair, i by i.

        i; j; x, x_i; w, w_ij; derivative, δ_j w_ij; wish, minus that. `layer` and what is raised
        as in `levers`. The sums over j: `inputs`.
        """
        import pandas as pd

        n, l = self._example(example), self._layer(layer)
        I, J = self.net.sizes[l], self.net.sizes[l + 1]
        derivative = _double(self._parts(n, l)).ravel()
        return pd.DataFrame(
            {
                "i": np.repeat(np.arange(1, I + 1), J),
                "j": np.tile(np.arange(1, J + 1), I),
                "x": _double(self.trace.x[l][n, 1:]).repeat(J),
                "w": _double(self.trace.W[l][1:]).ravel(),
                "derivative": derivative,
                "wish": -derivative,
            }
        )

    def inputs(self, example: int = 0, layer: int | None = None) -> pd.DataFrame:
        """What is asked of every node i ≥ 1 in all: ∂f/∂x_i = Σ_j δ_j w_ij, a row per node.

        i; x, x_i; derivative, summed in ascending order of j in the network's dtype; wish, minus
        that. `layer` and what is raised as in `levers`; layer 0 is the input.
        """
        import pandas as pd

        n, l = self._example(example), self._layer(layer)
        derivative = _double(np.add.accumulate(self._parts(n, l), axis=1)[:, -1])
        return pd.DataFrame(
            {
                "i": np.arange(1, self.net.sizes[l] + 1),
                "x": _double(self.trace.x[l][n, 1:]),
                "derivative": derivative,
                "wish": -derivative,
            }
        )

    def beside_mean(self, example: int = 0) -> pd.DataFrame:
        """What one example asks of every weight, beside the mean over all; in the order of theta.

        layer, i and j; value, w; derivative, the example's own ∂f_n/∂w; mean, ∂f/∂w over all N;
        wish and mean_wish, minus these; against, whether the two have opposite signs. Raises
        `TypeError` or `ValueError` for an example that there is not.
        """
        import pandas as pd

        n = self._example(example)
        own = np.concatenate(
            [np.outer(self.trace.x[l][n], self._delta(l)[n]).ravel() for l in range(self.net.L)]
        )
        layer, i, j = _indices(self.net)
        own, mean = _double(own), _double(self.trace.gradient)
        return pd.DataFrame(
            {
                "layer": layer,
                "i": i,
                "j": j,
                "value": _double(self.net.theta),
                "derivative": own,
                "mean": mean,
                "wish": -own,
                "mean_wish": -mean,
                "against": np.sign(own) * np.sign(mean) < 0,
            }
        )

    def strongest(self, example: int = 0) -> int:
        """The output neuron, from 1, with the largest |δ_j| in this example."""
        return int(np.argmax(np.abs(self._delta(self.net.L - 1)[self._example(example)]))) + 1

    def plot(self, example: int = 0) -> Figure:
        """Images of ∂f/∂x and of the first layer for square inputs, otherwise bars; matplotlib."""
        from .plot import draw

        return draw(self, self._example(example))

    def text(self, count: int = 10, example: int = 0, neuron: int | None = None) -> str:
        """The ranking, one neuron's levers, and one example beside the mean; in 80 columns.

        By default the neuron is the output with the largest |δ_j|.
        """
        from .text import describe

        return describe(self, integer("count", count, low=1), example, neuron)

    def to_dict(
        self, count: int | None = None, example: int = 0, neuron: int | None = None
    ) -> dict[str, Any]:
        """All tables in types that JSON has; of weights the first `count`, by default all."""
        from ..report.writing import plain_values

        j = self.strongest(example) if neuron is None else neuron
        apart = self.beside_mean(example)
        if count is not None:
            number = integer("count", count, low=1)
            apart = apart.iloc[_largest(apart["derivative"].to_numpy(), number)]
        tables = {
            "weights": self.weights if count is None else self.weights.head(count),
            "levers": self.levers(j, example),
            "inputs": self.inputs(example),
            "beside_mean": apart,
        }
        return {
            "loss": self.loss,
            "examples": len(self.trace.x[0]),
            "eta": self.eta,
            "predicted_change": self.predicted_change,
            "measured_change": plain_values(self.measured_change),
            "example": int(example),
            "neuron": int(j),
            **{name: plain_values(table.to_dict("records")) for name, table in tables.items()},
        }

    def to_json(self, count: int | None = None, example: int = 0, neuron: int | None = None) -> str:
        """`to_dict` as JSON text."""
        found = self.to_dict(count, example, neuron)
        return json.dumps(found, ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    @property
    def _targets(self) -> FloatArray:
        assert self.trace.y is not None
        return self.trace.y

    def _delta(self, l: int) -> FloatArray:
        assert self.trace.delta is not None
        return self.trace.delta[l]

    def _parts(self, n: int, l: int) -> FloatArray:
        """δ_j w_ij of one example (n_l, n_{l+1})."""
        parts: FloatArray = self._delta(l)[n] * self.trace.W[l][1:]
        return parts

    def _example(self, example: int) -> int:
        return integer("example", example, low=0, high=len(self.trace.x[0]) - 1)

    def _layer(self, layer: int | None) -> int:
        last = self.net.L - 1
        return last if layer is None else integer("layer", layer, low=0, high=last)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in self.net.sizes)
        N = len(self.trace.x[0])
        examples = "1 example" if N == 1 else f"{N:,} examples"
        return f"<Sensitivity {sizes}: {examples}, loss {self.loss:.6g}>"

    def _repr_html_(self) -> str:
        table = self.weights.head(10).to_html(index=False, float_format="{:.4g}".format)
        return f"<p>{escape(repr(self))}</p>{table}"


def sensitivity(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    eta: float = 0.1,
    biases: bool = True,
    engine: str = "auto",
) -> Sensitivity:
    """Δf ≈ ∂f/∂w Δw: how much every weight matters to the loss, and what each example asks.

    Parameters
    ----------
    net : Network
        Is not modified.
    X, Y : array (N, n_0); array (N, n_L) or integer labels (N,)
        Examples as in `Network.backprop`; the loss is their mean.
    eta : float
        η > 0 of the predicted step of gradient descent.
    biases : bool
        Whether the biases are ranked among the weights.
    engine : str
        Who computes δ and x.

    Raises `TypeError` or `ValueError` for what does not fit, and for derivatives that overflow.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    rate = real("eta", eta, low=0, open_low=True)
    ranked = flag("biases", biases)
    trace = net.backprop(X, Y, engine=engine)
    if not np.isfinite(trace.gradient).all():
        raise ValueError(
            "X: expected examples whose derivatives are finite at these weights; got overflow"
        )
    return Sensitivity(trace, net.copy(), rate, ranked)


def _indices(net: Network) -> tuple[Any, Any, Any]:
    """layer, i (from 0, the bias) and j (from 1) of every parameter, in the order of theta."""
    layer = np.repeat(np.arange(net.L), [W.size for W in net.W])
    grids = [np.indices(W.shape).reshape(2, -1) for W in net.W]
    i, j = np.concatenate(grids, axis=1)
    return layer, i, j + 1


def _largest(values: Floats, count: int) -> NDArray[np.int64]:
    """Where the largest magnitudes stand, the largest first; equal ones in their order."""
    order: NDArray[np.int64] = np.argsort(-np.abs(values), kind="stable")[:count]
    return order


def _double(values: FloatArray) -> Floats:
    """The same numbers as float64."""
    doubled: Floats = np.asarray(values, np.float64)
    return doubled
