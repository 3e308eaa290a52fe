"""What one pass through a network leaves: every quantity, by the legend's names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import FloatArray
from .workspace import Architecture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Trace:
    """Every quantity of one pass, by the legend's names.

    W[l] (n_l + 1, n_{l+1}), a copy of the weights that were used; x[l] (N, n_l + 1) with column
    0 = 1, but x[L] (N, n_L); S[l] (N, n_{l+1}). After `backprop` also delta[l] (N, n_{l+1}),
    grad[l] like W[l], losses (N,), y (N, n_L), the targets, and loss, the mean (or sum) of losses;
    after `forward` these are None. All arrays have the network's dtype.
    """

    architecture: Architecture
    engine: str
    reduction: str
    W: tuple[FloatArray, ...]
    x: tuple[FloatArray, ...]
    S: tuple[FloatArray, ...]
    delta: tuple[FloatArray, ...] | None = None
    grad: tuple[FloatArray, ...] | None = None
    losses: FloatArray | None = None
    y: FloatArray | None = None
    loss: float | None = None

    @cached_property
    def gradient(self) -> FloatArray:
        """All ∂f/∂w as one flat vector (P,), in the order of `Network.theta`."""
        if self.grad is None:
            raise ValueError("gradient: expected a trace of backprop; got one of forward")
        return np.concatenate([g.ravel() for g in self.grad])

    def to_frame(self) -> pd.DataFrame:
        """A tidy frame, a row per number.

        Columns: quantity (w, x, S, delta, grad, loss), l, n, i, j and value. l is the layer, n
        the example (from 0), i and j the legend's node numbers: nodes from 1, the constant node
        0. An index that a quantity does not have is missing (<NA>).
        """
        import pandas as pd

        parts = [_rows("w", l, W, ("i", "j"), (0, 1)) for l, W in enumerate(self.W)]
        last = len(self.S)
        parts += [
            _rows("x", l, x, ("n", "i"), (0, 1 if l == last else 0)) for l, x in enumerate(self.x)
        ]
        parts += [_rows("S", l, S, ("n", "j"), (0, 1)) for l, S in enumerate(self.S)]
        if self.delta is not None and self.grad is not None and self.losses is not None:
            parts += [_rows("delta", l, d, ("n", "j"), (0, 1)) for l, d in enumerate(self.delta)]
            parts += [_rows("grad", l, g, ("i", "j"), (0, 1)) for l, g in enumerate(self.grad)]
            parts.append(_rows("loss", None, self.losses, ("n",), (0,)))
        return pd.concat(parts, ignore_index=True)

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in self.architecture.sizes)
        N = len(self.x[0])
        examples = "1 example" if N == 1 else f"{N:,} examples"
        half = "forward only" if self.loss is None else f"loss {self.loss:.6g} ({self.reduction})"
        return f"<Trace {sizes}: {examples}, {half}, engine {self.engine}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{l}</td><td>S {S.shape}</td><td>max |S| = {np.abs(S).max():.4g}</td>"
            + (
                f"<td>max |δ| = {np.abs(self.delta[l]).max():.4g}</td>"
                f"<td>max |∂f/∂w| = {np.abs(self.grad[l]).max():.4g}</td>"
                if self.delta is not None and self.grad is not None
                else ""
            )
            + "</tr>"
            for l, S in enumerate(self.S)
        )
        return f"<p>{escape(repr(self))}</p><table>{rows}</table>"


def _rows(
    quantity: str,
    l: int | None,
    values: FloatArray,
    axes: tuple[str, ...],
    first: tuple[int, ...],
) -> pd.DataFrame:
    """One array as rows of the tidy frame; `axes` names its indices, `first` their first value."""
    import pandas as pd

    size = values.size
    grid = np.indices(values.shape).reshape(values.ndim, size)
    columns: dict[str, Any] = {"quantity": np.full(size, quantity, dtype=object)}
    columns["l"] = pd.array([pd.NA if l is None else l], dtype="Int64").repeat(size)
    for axis in ("n", "i", "j"):
        if axis in axes:
            at = axes.index(axis)
            columns[axis] = pd.array(grid[at] + first[at], dtype="Int64")
        else:
            columns[axis] = pd.array([pd.NA], dtype="Int64").repeat(size)
    columns["value"] = values.ravel()
    return pd.DataFrame(columns)
