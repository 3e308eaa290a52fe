"""The statistics of one step, taken of arrays in the legend's shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..checks import FloatArray
from ..kernels import observation
from ..recording import Records
from ..workspace import Observer

Layers = Sequence[FloatArray]


class Quantities(NamedTuple):
    """What is measured, an array per layer of weights: as in `workspace.Workspace`, C-contiguous.

    grad, after and before (n_l + 1, n_{l+1}): the gradient, and the weights after and before the
    step; delta and S (N, n_{l+1}); x, the outputs (N, n_{l+1} + 1) with the constant column, but
    (N, n_L) of the last layer.
    """

    grad: Layers
    after: Layers
    before: Layers
    delta: Layers
    S: Layers
    x: Layers


def observe(
    records: Records, row: int, observer: Observer, found: Quantities, previous: Layers
) -> None:
    """Writes the statistics of a step into a row of records.

    Modified in place: records; the observer; previous, the views of its gradient.
    """
    for l, S in enumerate(found.S):
        arrays = *(layers[l].ravel() for layers in found), previous[l].ravel()
        (I, J), N = found.grad[l].shape, len(S)
        width = found.x[l].shape[1]
        rows = N, J, J, J, J, 0
        places = (I, J, J, J, J, 0), rows, rows, (N, J, J, width, width, width - J)
        observation.observe(
            records.numbers[row, l],
            records.histograms[row, l],
            records.layers[row, l],
            observer.state[l],
            observer.memory,
            observer.recording.wanted,
            observer.bounds[l],
            0,
            len(observation.QUANTITIES),
            arrays,
            places,
        )
