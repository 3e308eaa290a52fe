"""The picture of a comparison: mean |∂f/∂w| by layer in A and B, and both losses."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import (
    INK,
    MUTED,
    End,
    axes_at,
    label_ends,
    limits,
    logarithmic,
    positive,
    style,
    titles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .compare import Comparison

#: A and B: line, marker and colour; readable without the colour.
LOOKS: tuple[tuple[str, str, Any, str], ...] = (
    ("A", INK, "-", "o"),
    ("B", MUTED, (0, (4, 1.6)), "s"),
)

#: At most so many points of a loss, so that dashes can be told from noise.
MOST_POINTS = 60


def draw(comparison: Comparison) -> Figure:
    """Both parts in one figure."""
    with style():
        both = bool(len(comparison.losses))
        figure = Figure(figsize=(9.6 if both else 5.2, 3.8))
        _layers(axes_at(figure, 0.75, 0.65, 3.4, 2.45), comparison)
        if both:
            _losses(axes_at(figure, 5.4, 0.65, 3.6, 2.45), comparison)
        return figure


def panels(comparison: Comparison) -> list[tuple[str, Figure]]:
    """The parts by name, each a figure that is narrow enough for a phone."""
    with style():
        figure = Figure(figsize=(4.4, 3.6))
        _layers(axes_at(figure, 0.5, 0.6, 3.4, 2.35), comparison)
        parts = [("layers", figure)]
        if len(comparison.losses):
            figure = Figure(figsize=(4.4, 3.6))
            _losses(axes_at(figure, 0.5, 0.6, 3.4, 2.35), comparison)
            parts.append(("losses", figure))
        return parts


def _layers(axes: Axes, comparison: Comparison) -> None:
    """A line for each report, the output at the right in both."""
    frame = comparison.frame
    logarithmic(axes, limits([*frame["mean_abs_a"], *frame["mean_abs_b"]]))
    place = -frame["from_output"].to_numpy()
    axes.set_xlim(place.min() - 0.3, -0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.set_xlabel("layers from the output (−1 is the last)", labelpad=2)
    ends = []
    for letter, colour, dashes, marker in LOOKS:
        values = positive(frame[f"mean_abs_{letter.lower()}"])
        axes.plot(place, values, color=colour, linestyle=dashes, linewidth=1.2)
        axes.plot(place, values, marker, color=colour, markersize=5.5)
        if math.isfinite(values[0]):
            ends.append(End(letter, colour, -1.0, float(values[0])))
    label_ends(axes, ends)
    titles(axes, "Mean |∂f/∂w| by layer, at the end", "A: line and dots; B: dashes and squares")


def _losses(axes: Axes, comparison: Comparison) -> None:
    """The losses of the mini-batches on the same steps."""
    frame = comparison.losses
    logarithmic(axes, limits([*frame["low"], *frame["high"]]), between=False)
    axes.set_xlim(0, float(frame["step"].max()))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("training step", labelpad=2)
    ends = []
    for letter, colour, dashes, _ in LOOKS:
        rows = frame[frame["report"] == letter]
        if rows.empty:
            continue
        part = np.arange(len(rows)) * MOST_POINTS // max(len(rows), MOST_POINTS)
        rows = rows.groupby(part).agg({"step": "last", "loss": "mean", "low": "min", "high": "max"})
        loss = positive(rows["loss"])
        band = positive(rows["low"]), positive(rows["high"])
        axes.fill_between(rows["step"], *band, color=colour, alpha=0.15, linewidth=0)
        axes.plot(rows["step"], loss, color=colour, linestyle=dashes, linewidth=1.2)
        if math.isfinite(loss[-1]):
            ends.append(End(letter, colour, float(rows["step"].iloc[-1]), float(loss[-1])))
    label_ends(axes, ends)
    titles(axes, "Loss", "of the mini-batches; band: range")
