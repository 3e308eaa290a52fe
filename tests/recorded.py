"""Histories of runs that never were, with chosen statistics."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from loopbp.kernels.statistics import NAMES
from loopbp.recording import Recording, Records
from loopbp.training import History
from loopbp.workspace import Architecture, Steps


def history_of(*epochs: Any, sizes: tuple[int, ...], examples: int = 4) -> History:
    """A run that was recorded at every step, of gradient and δ.

    Each epoch is (T, L, 5): mean |∂f/∂w|, l2, max |∂f/∂w|, the share of zeros and the root mean
    square over the examples of the norm of δ, of every step and layer.
    """
    activations = ("tanh",) * (len(sizes) - 2) + ("softmax",)
    net = Architecture(sizes, activations, "cross_entropy", np.dtype("float64"))
    history, taken = History(architecture=net), 0
    rows = Recording(quantities=("gradient", "delta")).rows
    at = {name: NAMES.index(name) for name in NAMES}
    for values in epochs:
        T = len(values)
        records = Records.allocate(rows, T, net.L)
        records.steps[:] = np.arange(taken + 1, taken + T + 1)
        records.histograms[:] = 0
        records.numbers[:] = 0
        gradient, delta = records.numbers[:, :, 0], records.numbers[:, :, 1]
        gradient[..., at["count"]] = [(i + 1) * j for i, j in pairwise(sizes)]
        delta[..., at["count"]] = [examples * j for j in sizes[1:]]
        gradient[..., at["l1"]] = values[:, :, 0] * gradient[..., at["count"]]
        gradient[..., at["l2"]], gradient[..., at["max_abs"]] = values[:, :, 1], values[:, :, 2]
        gradient[..., at["zeros"]] = np.round(values[:, :, 3] * gradient[..., at["count"]])
        delta[..., at["l2"]] = values[:, :, 4] * np.sqrt(examples)
        taken += T
        history.add(
            {"epoch": len(history.epochs) + 1, "steps": taken, "loss": 1.0},
            Steps(np.ones(T), records),
        )
    return history
