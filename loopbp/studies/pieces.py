"""What the pieces of several studies take and measure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..checks import choice
from ..engines import ACTIVATIONS
from ..initial import INITS
from ..network import Network
from ..trace import Trace
from .data import NAMES
from .study import Column, Parameters, known

#: Standard deviation of the weights for init normal.
STD = 0.1

SEED = Column("seed", "int64", "run of the same setting, from 0: weights and order of examples")


def product(
    settings: Mapping[str, Any], axes: Mapping[str, str], common: Sequence[str]
) -> list[Parameters]:
    """Every combination of the axes' values and the seeds, the last one fastest.

    axes : the name of a piece's parameter, and that of the setting with its values. Every piece
    also has the settings in `common`, and the data. Raises `ValueError` for an activation or a
    scheme of initial weights that there is not.
    """
    for name, known_names in (("activations", ACTIVATIONS), ("inits", INITS)):
        for value in settings.get(name, ()):
            choice(name, value, known_names)
    shared = {name: settings[name] for name in (*NAMES, *common)}
    runs = itertools.product(*(settings[name] for name in axes.values()), range(settings["seeds"]))
    return [{**dict(zip((*axes, "seed"), run, strict=True)), **shared} for run in runs]


def std_of(init: str) -> float | None:
    """`STD` for the scheme that takes one."""
    return STD if init == "normal" else None


def magnitudes(trace: Trace) -> list[dict[str, Any]]:
    """For each layer l: mean |∂f/∂w|, ‖∂f/∂w‖₂, max |∂f/∂w|, and the rms of δ."""
    assert trace.grad is not None and trace.delta is not None
    rows = []
    with np.errstate(over="ignore", invalid="ignore"):
        for l, (g, d) in enumerate(zip(trace.grad, trace.delta, strict=True)):
            rows.append(
                {
                    "l": l,
                    "mean_abs": known(np.abs(g).mean()),
                    "l2": known(np.sqrt(np.sum(g * g))),
                    "max_abs": known(np.abs(g).max()),
                    "delta_rms": known(np.sqrt(np.mean(d * d))),
                }
            )
    return rows


def score(net: Network, X: Any, Y: Any) -> dict[str, Any]:
    """Loss and accuracy on some examples."""
    found = net.evaluate(X, Y)
    return {
        "loss": known(found.loss),
        "accuracy": None if found.accuracy is None else known(found.accuracy),
    }
