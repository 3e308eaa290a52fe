"""The course of a run in a bounded number of points: parts of consecutive recorded steps.

However long a run and however wild, nothing that sticks out is lost: each part has the smallest
and the largest value beside the mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

#: At most so many points per layer in the course of a run, and so many in all.
MOST_POINTS = 100
MOST_POINTS_IN_ALL = 4000

#: At most so many points of the losses.
MOST_LOSSES = 400

#: Columns of the statistics of the gradient whose mean over the steps of a part is taken.
MEANS = ("mean_abs", "l2", "q05", "q50", "q95")

COLUMNS = (
    "step_first",
    "step_last",
    "epoch",
    "l",
    *MEANS,
    "max_abs",
    "zeros",
    "mean_abs_low",
    "mean_abs_high",
    "update_weight",
    "update_weight_low",
    "update_weight_high",
)


def course(statistics: pd.DataFrame, layers: pd.DataFrame) -> pd.DataFrame:
    """The gradient of a recorded run, a row per part of it and layer.

    Columns: step_first and step_last, the first and the last recorded step of the part; epoch, of
    its last; l; the means over its steps of mean_abs, l2 and the quantiles of |∂f/∂w|, the largest
    max_abs, zeros, the mean share of exact zeros; mean_abs_low and mean_abs_high, the smallest and
    largest mean_abs; and in the same way update_weight, low and high. There are at most
    `MOST_POINTS` parts. Rows of part "biases" are left out.
    """
    import pandas as pd

    chosen = (statistics["quantity"] == "gradient") & (statistics["part"] != "biases")
    gradient = statistics[chosen].sort_values(["step", "l"], kind="stable")
    if gradient.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    steps, first = np.unique(gradient["step"].to_numpy(), return_index=True)
    T, L = len(steps), int(gradient["l"].max()) + 1
    epochs = gradient["epoch"].to_numpy()[first]
    parts = min(T, MOST_POINTS, max(2, MOST_POINTS_IN_ALL // L))
    stops = np.arange(1, parts + 1) * T // parts
    starts = np.concatenate([[0], stops[:-1]])

    def grid(frame: pd.DataFrame, name: str) -> NDArray[Any]:
        return np.asarray(frame[name].to_numpy(float).reshape(T, L))

    ratios = layers.sort_values(["step", "l"], kind="stable")
    columns: dict[str, Any] = {
        "step_first": np.repeat(steps[starts], L),
        "step_last": np.repeat(steps[stops - 1], L),
        "epoch": np.repeat(epochs[stops - 1], L),
        "l": np.tile(np.arange(L), parts),
    }
    lengths = (stops - starts)[:, None]

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.add.reduceat(values, starts) / lengths).ravel()

    for name in MEANS:
        columns[name] = mean(grid(gradient, name))
    columns["max_abs"] = np.maximum.reduceat(grid(gradient, "max_abs"), starts).ravel()
    columns["zeros"] = mean(grid(gradient, "zeros") / grid(gradient, "count"))
    known = {"mean_abs": grid(gradient, "mean_abs"), "update_weight": grid(ratios, "update_weight")}
    columns["update_weight"] = mean(known["update_weight"])
    for name, values in known.items():
        columns[f"{name}_low"] = np.minimum.reduceat(values, starts).ravel()
        columns[f"{name}_high"] = np.maximum.reduceat(values, starts).ravel()
    return pd.DataFrame(columns)[list(COLUMNS)]


def thinned_losses(losses: pd.DataFrame) -> pd.DataFrame:
    """The loss of every step in at most `MOST_LOSSES` parts: step (the last), mean, low, high."""
    import pandas as pd

    values, steps = losses["loss"].to_numpy(float), losses["step"].to_numpy()
    T = len(values)
    parts = min(T, MOST_LOSSES)
    if not parts:
        return pd.DataFrame(columns=["step", "loss", "low", "high"])
    stops = np.arange(1, parts + 1) * T // parts
    starts = np.concatenate([[0], stops[:-1]])
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.add.reduceat(values, starts) / (stops - starts)
    return pd.DataFrame(
        {
            "step": steps[stops - 1],
            "loss": mean,
            "low": np.minimum.reduceat(values, starts),
            "high": np.maximum.reduceat(values, starts),
        }
    )
