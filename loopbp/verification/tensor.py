"""One tensor of derivatives: ours, theirs, and what rounding explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import FloatArray
from ..rounding import Bounds, ulps

#: The worst resolution of a tensor with which gradients can be said to agree.
RESOLVED = 0.1


class Difference(NamedTuple):
    """One entry: ∂f/∂w_ij^(layer), i = 0 for a bias, j from 1.

    name, the place in the other library; ours and theirs, of the network's dtype; ulps, the steps
    between them; error, |theirs − ours| / max(|theirs|, |ours|); bound, of |theirs − ours|.
    """

    layer: int
    i: int
    j: int
    name: str
    ours: np.floating[Any]
    theirs: np.floating[Any]
    ulps: float
    error: float
    bound: float

    def __str__(self) -> str:
        gap = abs(float(self.theirs) - float(self.ours))
        return (
            f"layer {self.layer}, i = {self.i}, j = {self.j} ({self.name}):\n"
            f"       ours {self.ours!s}, theirs {self.theirs!s},\n"
            f"       {counted(self.ulps)} ulps apart: {gap:.2e}, where rounding explains "
            f"{self.bound:.2e}"
        )


@dataclass(frozen=True, eq=False)
class Tensor:
    """The weights or the biases of one layer: ours, theirs and the bounds of |theirs − ours|.

    weights (n_l, n_{l+1}), biases (1, n_{l+1}), of the network's dtype; the bounds float64. name,
    what the other library calls the tensor; transposed, whether its indices are (j, i) there;
    likely, whether the bounds are the likely ones, because the worst case says too little.
    """

    layer: int
    block: str
    name: str
    transposed: bool
    ours: FloatArray
    theirs: FloatArray
    bound: Bounds
    likely: bool = False

    @cached_property
    def ulps(self) -> Bounds:
        """The steps between ours and theirs."""
        return ulps(self.ours, self.theirs)

    @cached_property
    def gap(self) -> Bounds:
        """|theirs − ours|; infinite where theirs is not a number."""
        return gap_between(self.theirs, self.ours)

    @cached_property
    def excess(self) -> Bounds:
        """|theirs − ours| / bound."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.gap / self.bound)

    @property
    def beyond(self) -> int:
        """How many entries rounding does not explain."""
        return int(np.count_nonzero(self.gap > self.bound))

    @property
    def error(self) -> Bounds:
        """|theirs − ours| / max(|theirs|, |ours|), 0 where both are 0."""
        size = np.maximum(np.abs(self.ours), np.abs(self.theirs)).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            found = np.where(self.gap == 0, 0.0, self.gap / size)
        return np.where(np.isnan(found), np.inf, found)

    @property
    def distance(self) -> float:
        """The largest |theirs − ours|, relative to the largest |ours|; 0 where that is 0."""
        largest = float(np.abs(self.ours).max())
        return float(self.gap.max()) / largest if largest else 0.0

    @cached_property
    def resolution(self) -> float:
        """The median of bound / |∂f/∂w| over the entries that are not 0; 0 if there are none."""
        size = np.abs(self.ours[self.ours != 0]).astype(np.float64)
        with np.errstate(over="ignore"):
            share = self.bound[self.ours != 0] / size
        return float(np.median(share)) if size.size else 0.0

    @cached_property
    def ratio(self) -> float:
        """The factor c with the least Σ (theirs − c ours)²; NaN where ours is all 0."""
        return ratio_of([self])

    def at(self, position: int) -> Difference:
        """The entry at a position of the flattened tensor."""
        row, column = (int(k) for k in np.unravel_index(position, self.ours.shape))
        bias = self.block == "biases"
        place = [column] if bias else [column, row] if self.transposed else [row, column]
        return Difference(
            self.layer,
            0 if bias else row + 1,
            column + 1,
            f"{self.name}{place}",
            self.ours.flat[position],
            self.theirs.flat[position],
            float(self.ulps.flat[position]),
            float(self.error.flat[position]),
            float(self.bound.flat[position]),
        )


def eps(array: FloatArray) -> float:
    return float(np.finfo(array.dtype).eps)


def gap_between(theirs: FloatArray, ours: FloatArray, scale: float = 1.0) -> Bounds:
    """|theirs − scale · ours| in float64; infinite where theirs is NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(theirs.astype(np.float64) - scale * ours.astype(np.float64))
    return np.where(np.isnan(gap), np.inf, gap)


def ratio_of(tensors: Sequence[Tensor]) -> float:
    """The factor c with the least Σ (theirs − c ours)², after scaling against overflow."""
    largest = max(float(np.abs(tensor.ours).max()) for tensor in tensors)
    if largest == 0:
        return float("nan")
    both = dot = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for tensor in tensors:
            ours = tensor.ours.astype(np.float64) / largest
            both += float((ours * tensor.theirs).sum())
            dot += float((ours * ours).sum())
        return float(np.float64(both) / dot / largest)


def counted(steps: float) -> str:
    """A number of ulps: in full up to six digits."""
    if not np.isfinite(steps):
        return "inf"
    return f"{steps:,.10g}" if steps < 1e6 else f"{steps:.1e}"
