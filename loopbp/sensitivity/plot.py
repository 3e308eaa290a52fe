"""The picture: what is asked of inputs and weights, as images where the inputs are one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..derivation.names import Place
from ..report.canvas import INK, MUTED, STYLE
from ..report.formats import prose

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .ranking import Floats, Sensitivity

#: The fewest pixels on a side that make an image.
LEAST_SIDE = 4

#: Bars of a panel.
MOST_BARS = 15

#: Below and above 0; the bars' direction says the same.
NEGATIVE, POSITIVE = "#7b3f99", "#d0661b"


def draw(result: Sensitivity, n: int) -> Figure:
    """Four images where the inputs are a square, otherwise two panels of bars."""
    side = math.isqrt(result.net.sizes[0])
    with matplotlib.style.context(["default", STYLE]):
        if side >= LEAST_SIDE and side * side == result.net.sizes[0]:
            return _images(result, n, side)
        return _bars(result, n)


def _images(result: Sensitivity, n: int, side: int) -> Figure:
    """The example, the wish for its pixels, and both wishes for the weights of a hidden node."""
    first = result.beside_mean(n).query("layer == 0 and i > 0")
    shape = result.net.sizes[:2]
    wish, mean_wish = (first[name].to_numpy().reshape(shape) for name in ("wish", "mean_wish"))
    j = int(np.argmax(np.square(wish).sum(axis=0)))
    figure = Figure(figsize=(9.6, 3.1), layout="constrained")
    axes = figure.subplots(1, 4)
    axes[0].imshow(result.trace.x[0][n, 1:].reshape(side, side), cmap="Greys")
    axes[0].set_title(f"example {n}:\nx_i")
    drawn: tuple[tuple[str, Floats], ...] = (
        ("wish for its inputs:\n−∂f/∂x_i", result.inputs(n, 0)["wish"].to_numpy()),
        (f"its wish for the weights\ninto node {j + 1}: −δ_{j + 1} x_i", wish[:, j]),
        ("the mean wish of all\nfor the same weights", mean_wish[:, j]),
    )
    for ax, (title, values) in zip(axes[1:], drawn, strict=True):
        limit = float(np.abs(values).max()) or 1.0
        image = ax.imshow(values.reshape(side, side), cmap="PuOr_r", vmin=-limit, vmax=limit)
        ax.set_title(title)
        bar = figure.colorbar(image, ax=ax, orientation="horizontal", shrink=0.9, pad=0.03)
        bar.outline.set_visible(False)
        bar.set_ticks([-limit, 0, limit], labels=[_tick(-limit), "0", _tick(limit)])
    for ax in axes:
        ax.set(xticks=[], yticks=[], anchor="N")
        ax.spines[:].set_visible(False)
    return figure


def _bars(result: Sensitivity, n: int) -> Figure:
    """The derivatives of the first weights of the ranking, and the wish for the inputs."""
    weights = result.weights.head(MOST_BARS)
    inputs = result.inputs(n, 0)
    order = np.argsort(-np.abs(inputs["wish"].to_numpy()), kind="stable")[:MOST_BARS]
    inputs = inputs.iloc[np.sort(order)]
    rows = max(len(weights), len(inputs))
    figure = Figure(figsize=(8.4, 1.3 + 0.23 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    names = [str(Place("w", *_place(row))) for row in weights.to_dict("records")]
    slopes = weights["derivative"].to_numpy()
    _draw_bars(left, rows, names, slopes, "∂f/∂w, the largest first")
    pixels = [str(Place("x", 0, (i,))) for i in inputs["i"]]
    wishes = inputs["wish"].to_numpy()
    _draw_bars(right, rows, pixels, wishes, f"wish of example {n}: −∂f/∂x_i")
    return figure


def _draw_bars(axes: Axes, rows: int, names: list[str], values: Floats, title: str) -> None:
    """Bars to both sides of 0, the first one on top, in a panel with room for so many rows."""
    at = np.arange(len(names))
    colours = [POSITIVE if value > 0 else NEGATIVE for value in values]
    axes.barh(at, values, height=0.7, color=colours)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_title(title)
    axes.set(yticks=at, yticklabels=names, ylim=(rows - 0.4, -0.6))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(axis="y", colors=MUTED)


def _place(row: dict[Any, Any]) -> tuple[int, tuple[int, int]]:
    return int(row["layer"]), (int(row["i"]), int(row["j"]))


def _tick(value: float) -> str:
    return prose(value).replace("-", "−")
