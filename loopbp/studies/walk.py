"""Gradient descent step by step, where every single step is to be seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import draws
from ..checks import FloatArray
from ..network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def walk(net: Network, X: Any, Y: Any, eta: float, batches: Iterable[Any]) -> FloatArray:
    """The parameters before the first step and after each, (steps + 1, P): w ← w − η ∂f/∂w.

    batches : the rows of X and Y that each step takes. Modified in place: the network's weights.
    """
    path = [net.theta.copy()]
    for rows in batches:
        net.theta -= eta * net.backprop(X[rows], Y[rows]).gradient
        path.append(net.theta.copy())
    return np.array(path)


def batches(examples: int, size: int, seed: int) -> Iterator[Any]:
    """The rows of one mini-batch after the other, without end; a new order in every epoch.

    The last batch of an epoch holds what is left, as in `fit`.
    """
    bits = draws.source(seed)
    while True:
        order = draws.permutation(bits, examples)
        for start in range(0, examples, size):
            yield order[start : start + size]


def contours(axes: Axes, b: ArrayLike, w: ArrayLike, cost: Any, lines: int = 12) -> None:
    """Contour lines of a cost over two parameters, closer together near its least value."""
    from ..report.canvas import MUTED

    levels = np.geomspace(cost.min() * 1.05, cost.max(), lines)
    axes.contour(b, w, cost, levels=levels, colors=MUTED, linewidths=0.6, alpha=0.6)
