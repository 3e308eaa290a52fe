"""The map of a run: layers by steps, the darker (on light paper) the larger the gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from .canvas import MOST_LEVELS, MUTED, ramp, titles
from .formats import ten_to

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .gradient import GradientReport

#: At most so many columns: more would not be told apart on a phone.
MOST_COLUMNS = 60

#: At most so many numbers beside the colours.
MOST_NUMBERS = 6


def heatmap(axes: Axes, report: GradientReport) -> None:
    """Mean |∂f/∂w| of each layer (rows, the output on top) and part of the run (columns)."""
    steps, values = _grid(report)
    shown = values[(values > 0) & np.isfinite(values)]
    edges = level_edges(shown)
    shades = ramp()
    picked = np.linspace(0, MOST_LEVELS - 1, max(1, len(edges) - 1)).round().astype(int)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(values)
    level = np.clip(np.searchsorted(edges, logs, side="right") - 1, 0, max(0, len(edges) - 2))
    level = np.where((values > 0) & np.isfinite(values), level, -1)
    for l in range(values.shape[1]):
        _row(axes, l, steps, level[:, l], [shades[k] for k in picked])
    axes.set_xlim(0, steps[-1])
    axes.set_ylim(-0.5, values.shape[1] - 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    axes.set_ylabel("layer", labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("training step", labelpad=2)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    _scale(axes, edges, [shades[k] for k in picked], empty=bool((level < 0).any()))
    titles(axes, "Mean |∂f/∂w| by layer and step", "from the input (below) to the output (above)")


def level_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The bounds between the colours, as powers of ten: multiples of a half, a whole, two …"""
    if not len(values):
        return np.array([0.0, 1.0])
    low, high = math.log10(values.min()), math.log10(values.max())
    for width in (0.25, 0.5, 1, 2, 5, 10, 20, 50, 100):
        first, last = math.floor(low / width), math.floor(high / width) + 1
        if last - first <= MOST_LEVELS:
            break
    return np.asarray(np.arange(first, last + 1) * float(width), np.float64)


def _grid(report: GradientReport) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The bounds (C + 1,) of the columns in steps, and the geometric mean of each cell (C, L)."""
    frame, L = report.history, len(report.layers)
    values = frame["mean_abs"].to_numpy(float).reshape(-1, L)
    last = frame["step_last"].to_numpy(np.int64)[::L]
    columns = min(len(values), MOST_COLUMNS)
    stops = np.arange(1, columns + 1) * len(values) // columns
    starts = np.concatenate([[0], stops[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.add.reduceat(np.log(values), starts) / (stops - starts)[:, None]
        return np.concatenate([[0], last[stops - 1]]), np.exp(logs)


def _row(
    axes: Axes, l: int, steps: NDArray[np.int64], level: NDArray[np.int64], shades: list[str]
) -> None:
    """One layer: neighbours of the same colour are one rectangle."""
    changes = np.flatnonzero(np.diff(level)) + 1
    for start, stop in zip([0, *changes], [*changes, len(level)], strict=True):
        k = level[start]
        if k < 0:
            continue
        axes.add_patch(
            Rectangle(
                (steps[start], l - 0.45),
                steps[stop] - steps[start],
                0.9,
                facecolor=shades[k],
                edgecolor=shades[k],
                linewidth=0.3,
            )
        )


def _scale(axes: Axes, edges: NDArray[np.float64], shades: list[str], *, empty: bool) -> None:
    """The colours with their numbers, at the right."""
    n = len(shades)
    height = min(0.085, 1 / n)
    for k, shade in enumerate(shades):
        axes.add_patch(
            Rectangle(
                (1.04, k * height),
                0.05,
                height,
                facecolor=shade,
                edgecolor=shade,
                linewidth=0.3,
                transform=axes.transAxes,
                clip_on=False,
            )
        )
    whole = [k for k, edge in enumerate(edges) if edge == round(edge)]
    labelled = whole if len(whole) > 1 else range(len(edges))
    stride = max(1, math.ceil(len(labelled) / MOST_NUMBERS))
    for k in labelled[::stride]:
        axes.text(
            1.105,
            k * height,
            ten_to(edges[k]),
            transform=axes.transAxes,
            va="center",
            fontsize=8,
            color=MUTED,
        )
    if empty:
        axes.text(
            1.04,
            n * height + 0.06,
            "empty: 0,\n∞ or NaN",
            transform=axes.transAxes,
            va="bottom",
            fontsize=8,
            color=MUTED,
        )
