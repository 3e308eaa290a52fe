"""The picture of the checkpoint: where each layer's |∂f/∂w| lie, on a logarithmic axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator, NullLocator

from .canvas import INK, MUTED, PAPER, colours, limits, logarithmic, titles
from .formats import prose

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from .gradient import GradientReport
    from .statistics import LayerGradient

#: Decades below the smallest 1 % quantile that the axis leaves out: they would flatten the rest.
MOST_DECADES = 12

#: Half the width of the widest bin, in layers.
HALF_WIDTH = 0.36

FEW_LAYERS = 6


def checkpoint(axes: Axes, report: GradientReport) -> None:
    """For each layer a histogram with a bin per power of 2, the quantiles, and the mean.

    The shape is as wide as the bin's share of the layer's entries; the bar goes from the 5 % to
    the 95 % quantile of |∂f/∂w|, the short line is the median, the dot the mean.
    """
    layers = report.layers
    rows = report.statistics
    rows = rows[(rows["quantity"] == "gradient") & (rows["part"] != "biases")].set_index("l")
    histogram = report.histograms
    histogram = histogram[(histogram["quantity"] == "gradient") & (histogram["part"] != "biases")]
    logarithmic(axes, _range(layers, rows), between=False)
    shades = colours(len(layers))
    shown = [layer for layer in layers if layer.mean_abs > 0 and math.isfinite(layer.mean_abs)]
    for layer in shown:
        _shape(axes, layer, histogram[histogram["l"] == layer.l], shades[layer.l])
        _quantiles(axes, layer, rows.loc[layer.l], shades[layer.l])
    axes.plot(
        [layer.l for layer in shown],
        [layer.mean_abs for layer in shown],
        color=MUTED,
        linewidth=0.8,
        zorder=3,
    )
    for layer in shown:
        axes.plot(layer.l, layer.mean_abs, "o", color=shades[layer.l], markersize=6, zorder=4)
        if len(layers) <= FEW_LAYERS:
            _above(axes, prose(layer.mean_abs), (layer.l, layer.mean_abs), axes.transData)
    for layer in layers:
        if layer not in shown:
            _off_scale(axes, layer, shades[layer.l])
    if not shown:
        axes.yaxis.set_major_locator(NullLocator())
    axes.set_xlim(-0.5, len(layers) - 0.5)
    if len(layers) <= FEW_LAYERS:
        axes.set_xticks(
            range(len(layers)),
            [f"layer {layer.l}\n{layer.n_in} → {layer.n_out}" for layer in layers],
        )
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        axes.set_xlabel("layer, from the input to the output")
    axes.tick_params(axis="x", length=0)
    titles(axes, "|∂f/∂w| by layer, at the end", "shape: all entries; bar: 5 % to 95 %; dot: mean")


def _range(layers: tuple[LayerGradient, ...], rows: pd.DataFrame) -> tuple[float, float]:
    """From the 1 % quantiles to the largest entries; outliers at the lower end are cut off."""
    values = [*rows["q01"], *rows["max_abs"], *(layer.mean_abs for layer in layers)]
    low, high = limits([float(value) for value in values])
    means = [layer.mean_abs for layer in layers if 0 < layer.mean_abs < math.inf]
    if means:
        low = max(low, min(means) * 10.0**-MOST_DECADES)
    return max(low, 1e-320), high


def _shape(axes: Axes, layer: LayerGradient, bins: pd.DataFrame, colour: str) -> None:
    """The histogram of |∂f/∂w|, both signs together, on both sides of the layer's place."""
    counts = bins.groupby("exponent")["count"].sum()
    if counts.empty:
        return
    exponents = np.arange(counts.index.min(), counts.index.max() + 1)
    shares = counts.reindex(exponents, fill_value=0).to_numpy(float)
    width = HALF_WIDTH * shares / shares.max()
    with np.errstate(over="ignore"):
        edges = np.ldexp(1.0, np.repeat(np.append(exponents, exponents[-1] + 1), 2)[1:-1])
    edges = np.clip(edges, 1e-320, 1e308)
    width = np.repeat(width, 2)
    axes.fill_betweenx(
        edges, layer.l - width, layer.l + width, color=colour, alpha=0.22, linewidth=0, zorder=1
    )


def _quantiles(axes: Axes, layer: LayerGradient, row: Any, colour: str) -> None:
    """A bar from the 5 % to the 95 % quantile, and a line at the median."""
    if not 0 < row["q95"] < math.inf:
        return
    low = max(float(row["q05"]), axes.get_ylim()[0])
    axes.plot([layer.l] * 2, [low, row["q95"]], color=colour, linewidth=2.2, alpha=0.8, zorder=2)
    if row["q50"] > 0:
        reach = [layer.l - 0.12, layer.l + 0.12]
        axes.plot(reach, [row["q50"]] * 2, color=INK, linewidth=1.2, zorder=3)


def _off_scale(axes: Axes, layer: LayerGradient, colour: str) -> None:
    """A ring at an end of the axis: a logarithmic one has no place for 0, NaN and infinity."""
    place = (layer.l, 0.04 if layer.mean_abs == 0 else 0.88)
    where = axes.get_xaxis_transform()
    axes.plot(*place, "o", color=colour, fillstyle="none", markersize=7, transform=where)
    _above(axes, prose(layer.mean_abs), place, where)


def _above(axes: Axes, text: str, place: tuple[float, float], where: Any) -> None:
    """A small text above a dot, on paper, so that no line runs through it."""
    axes.annotate(
        text,
        place,
        xycoords=where,
        xytext=(0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=8.5,
        zorder=5,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
    )
