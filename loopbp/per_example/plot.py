"""The picture: how long the gradients of single examples are, and which way they point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..report.canvas import INK, LIGHT_RANGE, MUTED, STYLE
from ..report.formats import prose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .gradients import Floats, PerExampleGradients

BINS = 40

#: More layers than this are not drawn one by one. Their lines differ without colour, too.
MOST_LAYERS = 6
DASHES: tuple[Any, ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1, 1)),
    (0, (6, 1, 1, 1)),
    (0, (8, 3)),
    (0, (2, 3)),
)


def draw(result: PerExampleGradients) -> Figure:
    """Lengths of every layer as histograms; beside them every example's length and direction."""
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(9.2, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _histograms(left, result)
        _directions(right, result)
        return figure


def _histograms(axes: Axes, result: PerExampleGradients) -> None:
    """A histogram of |g_n| over all layers, and the outline of one for each layer."""
    N, L = result.norms.shape
    axes.set_title(f"how long the gradients of {N:,} examples are")
    axes.set(xlabel="|g|", ylabel="examples")
    lengths = result.norms[result.norms > 0]
    if len(lengths) == 0:
        axes.text(0.5, 0.5, "every gradient is 0", ha="center", transform=axes.transAxes)
        return
    low, high = float(lengths.min()), float(max(lengths.max(), result.norm.max()))
    low = max(low, high * 1e-6)  # a few that have all but vanished do not squeeze the others
    bins = list(np.geomspace(low, high * (1 if high > low else 2), BINS + 1))
    axes.hist(_within(result.norm, low), bins=bins, color="#d5d9de", label="all layers")
    shades = np.linspace(*LIGHT_RANGE, max(L, 2))
    for l in range(L if L <= MOST_LAYERS else 0):
        colour = to_hex(matplotlib.colormaps["viridis"](shades[l]))
        style = {"histtype": "step", "color": colour, "linewidth": 1.2, "linestyle": DASHES[l]}
        axes.hist(_within(result.norms[:, l], low), bins=bins, label=f"layer {l}", **style)
    axes.axvline(result.mean_norm, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    axes.annotate(
        "|mean g|",
        (result.mean_norm, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, -2),
        textcoords="offset points",
        va="top",
        color=INK,
    )
    _logarithmic(axes, min(low, result.mean_norm or low) / 1.2, high * 1.2)
    axes.legend(frameon=False, loc="best")


def _directions(axes: Axes, result: PerExampleGradients) -> None:
    """Cosine with the mean against length; the extremes by their numbers."""
    shown = (result.norm > 0) & ~np.isnan(result.cosine)
    norm, cosine, n = result.norm[shown], result.cosine[shown], np.flatnonzero(shown)
    axes.set_title("and which way they point")
    axes.set(xlabel="|g|", ylabel="cosine with the mean gradient", ylim=(-1.08, 1.08))
    axes.axhline(0, color=MUTED, linewidth=0.6)
    if len(n) == 0:
        return
    colour = to_hex(matplotlib.colormaps["viridis"](0.3))
    size = float(np.clip(5000 / len(n), 4, 24))
    axes.scatter(norm, cosine, s=size, color=colour, alpha=0.5, linewidths=0, rasterized=True)
    _logarithmic(axes, float(norm.min()) / 1.2, float(norm.max()) * 1.2)
    hardest, contrary = int(np.argmax(norm)), int(np.argmin(cosine))
    for k, what, side in ((hardest, "longest", 1), (contrary, "most against", -1)):
        right = norm[k] > np.sqrt(norm.min() * norm.max())
        axes.annotate(
            f"{what}: {n[k]}",
            (norm[k], cosine[k]),
            xytext=(-8 if right else 8, 10 * side),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6},
        )


def _logarithmic(axes: Axes, low: float, high: float) -> None:
    """Lengths from `low` to `high` on the axis below, with numbers that can be read."""
    axes.set(xscale="log", xlim=(low, high))
    steps = (1.0, 2.0, 5.0) if high < 300 * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: prose(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _within(lengths: Floats, low: float) -> Floats:
    """The lengths that are not 0, none below the first bin."""
    return np.maximum(lengths[lengths > 0], low)
