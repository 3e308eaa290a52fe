"""The picture: mean |∂f/∂w| of each layer at the checkpoint, and its course over the run.

Figures are drawn with matplotlib's object-oriented interface, without pyplot, and in a style of
their own, so that neither a display nor the user's settings matter.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from .formats import percent, prose, ten_to

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .gradient import GradientReport
    from .statistics import LayerGradient

INK, MUTED, RULE, PAPER = "#1b1f24", "#5c6570", "#d5d9de", "#ffffff"

#: The same roles on dark paper.
DARK = {INK: "#e8eaed", MUTED: "#a3abb5", RULE: "#3a4048", PAPER: "#16191d"}

#: Parts of the viridis colour map, from the first layer to the last: lightness rises evenly, and
#: the colours differ for the colour-blind too. Each part stands off its paper by 3:1 or more.
LIGHT_RANGE, DARK_RANGE = (0.0, 0.58), (0.42, 1.0)

#: More labels than this would not fit beside the lines.
MOST_LABELS = 12

LABEL_HEIGHT = 11.0
POINTS_PER_INCH = 72
DOTS_PER_INCH = 160

#: The lines of the loss: column of the frame, label, dashes.
LOSSES: tuple[tuple[str, str, Any], ...] = (
    ("loss", "training", "-"),
    ("validation_loss", "validation", (0, (4, 1.6))),
)

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.0,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "ytick.minor.size": 0.0,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "path.simplify": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "loopbp",
    "figure.dpi": 100.0,
}


class End(NamedTuple):
    """The right end of a line: what it is called, its colour, and where it is."""

    text: str
    colour: str
    x: float
    y: float


def draw(report: GradientReport) -> Figure:
    """The whole picture: the checkpoint, beside it the course of the run if there is one."""
    with style():
        if not _has_course(report):
            figure = Figure(figsize=(5.6, 3.8))
            _checkpoint(axes_at(figure, 0.75, 0.65, 4.6, 2.45), report)
            return figure
        figure = Figure(figsize=(9.6, 4.9 if len(report.epochs) > 1 else 3.8))
        height = figure.get_figheight() - 1.35
        _checkpoint(axes_at(figure, 0.75, 0.65, 2.75, height), report)
        bottom = 0.65 if len(report.epochs) < 2 else 2.05
        axes = axes_at(figure, 4.45, bottom, 4.0, height + 0.65 - bottom)
        _course(axes, report)
        if len(report.epochs) > 1:
            axes.tick_params(labelbottom=False)
            axes.set_xlabel("")
            _loss(axes_at(figure, 4.45, 0.65, 4.0, 0.75), report)
        return figure


def panels(report: GradientReport) -> list[tuple[str, Figure]]:
    """The parts of the picture by name, each a figure that is narrow enough for a phone."""
    with style():
        figure = Figure(figsize=(4.0, 4.2))
        _checkpoint(axes_at(figure, 0.5, 0.6, 3.4, 2.95), report)
        parts = [("checkpoint", figure)]
        if _has_course(report):
            figure = Figure(figsize=(4.4, 4.2))
            both = len(report.epochs) > 1
            bottom = 1.8 if both else 0.6
            axes = axes_at(figure, 0.5, bottom, 3.05, 3.55 - bottom)
            _course(axes, report)
            if both:
                axes.tick_params(labelbottom=False)
                axes.set_xlabel("")
                _loss(axes_at(figure, 0.5, 0.6, 3.05, 0.6), report)
            parts.append(("course", figure))
        return parts


def png(figure: Figure) -> bytes:
    """The figure as PNG, without date and version."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


def svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an <svg> element for a page: text as text, colours as CSS variables.

    `name` comes before every id, so that two such elements fit into one page; `title` says what
    is to be seen, for those who do not see it.
    """
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with style():
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    size = re.search(r'viewBox="[^"]*"', text)
    assert size is not None
    body = text[text.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(url\(|xlink:href=")#', rf"\g<1>#{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"font: ([^;\"]*?)(\d+(?:\.\d+)?px) [^;\"]*", r"font-size: \2", body)
    for colour in re.findall(r"#[0-9a-f]{6}\b", body):
        body = body.replace(colour, f"var(--{variable(colour)})")
    return f'<svg {size[0]} role="img" aria-label="{escape(title)}">{body.rstrip()}'


def variable(colour: str) -> str:
    """The name of the CSS variable for a colour of the light page."""
    return "c" + colour.removeprefix("#")


def palette(layers: int) -> dict[str, str]:
    """Every colour of the pictures of so many layers, light to dark."""
    pairs = zip(_colours(layers), _colours(layers, DARK_RANGE), strict=True)
    return {**DARK, **dict(pairs)}


@contextmanager
def style() -> Iterator[None]:
    """The report's own style, whatever the user's settings are."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches."""
    w, h = figure.get_size_inches()
    axes: Axes = figure.add_axes((left / w, bottom / h, width / w, height / h))
    return axes


def _colours(layers: int, part: tuple[float, float] = LIGHT_RANGE) -> list[str]:
    """A colour for each layer."""
    viridis = matplotlib.colormaps["viridis"]
    places = np.linspace(*part, layers) if layers > 1 else [sum(part) / 2]
    return [to_hex(viridis(place)) for place in places]


def _has_course(report: GradientReport) -> bool:
    return bool((report.history["mean_abs"] > 0).any())


def limits_of(values: Sequence[float]) -> tuple[float, float]:
    """The ends of a logarithmic axis for all of `values` that it can show; a decade at least."""
    shown = [value for value in values if value > 0 and math.isfinite(value)]
    if not shown:
        return 1e-3, 1.0
    low, high = math.log10(min(shown)), math.log10(max(shown))
    room = max(0.08 * (high - low), 0.12)
    low, high = low - room, high + room
    if math.floor(high) < math.ceil(low) + 1:
        low, high = min(low, math.floor(low) - 0.05), max(high, math.ceil(high) + 0.05)
    return 10.0 ** max(low, -320), 10.0 ** min(high, 308)


def logarithmic(axes: Axes, limits: tuple[float, float], *, between: bool = True) -> None:
    """A logarithmic y axis with a line at every power of ten, or at evenly chosen ones.

    With `between`, and where there is room, also fainter ones at 2, 3, … times a power of ten.
    """
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    first = math.ceil(math.log10(limits[0]) - 1e-9)
    last = math.floor(math.log10(limits[1]) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 8))
    axes.yaxis.set_major_locator(FixedLocator([10.0**k for k in range(first, last + 1, stride)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: ten_to(round(math.log10(v)))))
    minor = LogLocator(subs=range(2, 10)) if between and last - first < 3 else NullLocator()
    axes.yaxis.set_minor_locator(minor)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.grid(True)
    axes.yaxis.grid(True, which="minor", alpha=0.45)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def headings(axes: Axes, title: str, subtitle: str) -> None:
    """Two lines above the axes, flush with the labels of the y axis."""
    axes.annotate(
        title,
        (0, 1),
        xytext=(-34, 24),
        xycoords="axes fraction",
        textcoords="offset points",
        weight="bold",
        fontsize=10,
    )
    axes.annotate(
        subtitle,
        (0, 1),
        xytext=(-34, 11),
        xycoords="axes fraction",
        textcoords="offset points",
        color=MUTED,
        fontsize=8.5,
    )


def _checkpoint(axes: Axes, report: GradientReport) -> None:
    """A dot for each layer at its mean |∂f/∂w|, labelled with the number."""
    layers = report.layers
    logarithmic(axes, limits_of([layer.mean_abs for layer in layers]))
    colours = _colours(len(layers))
    shown = [layer for layer in layers if layer.mean_abs > 0 and math.isfinite(layer.mean_abs)]
    axes.plot(
        [layer.l for layer in shown],
        [layer.mean_abs for layer in shown],
        color=MUTED,
        linewidth=0.8,
        zorder=1,
    )
    for layer in shown:
        axes.plot(layer.l, layer.mean_abs, "o", color=colours[layer.l], markersize=7, zorder=2)
        if len(layers) <= 6:
            _above(axes, prose(layer.mean_abs), (layer.l, layer.mean_abs), axes.transData)
    for layer in layers:
        if layer not in shown:
            _off_scale(axes, layer, colours[layer.l])
    if not shown:
        axes.yaxis.set_major_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(-0.5, len(layers) - 0.5)
    if len(layers) <= 6:
        axes.set_xticks(
            range(len(layers)),
            [f"layer {layer.l}\n{layer.n_in} → {layer.n_out}" for layer in layers],
        )
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        axes.set_xlabel("layer, from the input to the output")
    axes.tick_params(axis="x", length=0)
    number = "1 example" if report.examples == 1 else f"{report.examples:,} examples"
    headings(axes, "Mean |∂f/∂w| by layer", f"at the checkpoint, all {number}")


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
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6},
    )


def _course(axes: Axes, report: GradientReport) -> None:
    """A line for each layer: mean |∂f/∂w| of the mini-batches, with the range in each part."""
    frame = report.history
    logarithmic(axes, limits_of([*frame["mean_abs_low"], *frame["mean_abs_high"]]))
    ends = []
    for layer, colour in zip(report.layers, _colours(len(report.layers)), strict=True):
        rows = frame[frame["l"] == layer.l]
        step = ((rows["step_first"] + rows["step_last"]) / 2).to_numpy()
        mean, low, high = (
            _positive(rows[name]) for name in ("mean_abs", "mean_abs_low", "mean_abs_high")
        )
        if len(report.layers) <= MOST_LABELS:
            axes.fill_between(step, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(step, mean, color=colour, linewidth=1.4 if len(report.layers) <= 6 else 0.9)
        if math.isfinite(mean[-1]):
            ends.append(End(f"layer {layer.l}", colour, step[-1], mean[-1]))
    _steps(axes, report)
    label_ends(axes, ends)
    headings(axes, "Its course over the training", _parts(report))


def _parts(report: GradientReport) -> str:
    """What a line and a band of the course are."""
    frame, layers = report.history, len(report.layers)
    steps = math.ceil(frame["step_last"].max() / (len(frame) / layers))
    if steps == 1:
        return "of every mini-batch"
    band = ", band: range" if layers <= MOST_LABELS else ""
    return f"mini-batches; line: mean of {steps} steps{band}"


def _loss(axes: Axes, report: GradientReport) -> None:
    """Training and validation loss of each epoch, below the course, on the same steps."""
    frame = report.epochs
    curves = [
        (name, text, dashes)
        for name, text, dashes in LOSSES
        if name in frame and math.isfinite(_positive(frame[name])[-1])
    ]
    values = [float(v) for name, *_ in curves for v in frame[name]]
    logarithmic(axes, limits_of(values), between=False)
    ends = []
    for name, text, dashes in curves:
        loss = _positive(frame[name])
        axes.plot(frame["steps"], loss, color=INK, linewidth=1.1, linestyle=dashes)
        ends.append(End(text, INK, frame["steps"].iloc[-1], loss[-1]))
    _steps(axes, report)
    label_ends(axes, ends)
    subtitle = "by epoch"
    if "validation_accuracy" in frame:
        accuracy = frame["validation_accuracy"].iloc[-1]
        subtitle += f"; validation accuracy at the end {percent(accuracy)}"
    headings(axes, "Loss", subtitle)


def _steps(axes: Axes, report: GradientReport) -> None:
    """The x axis of the course: training steps, all of them."""
    axes.set_xlim(0, int(report.history["step_last"].max()))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("training step", labelpad=2)


def _positive(column: pd.Series[Any]) -> NDArray[np.float64]:
    """The numbers that a logarithmic axis can show; NaN, a gap, for the others."""
    values = column.to_numpy(dtype=float)
    return np.where((values > 0) & np.isfinite(values), values, np.nan)


def label_ends(axes: Axes, ends: Sequence[End]) -> None:
    """The names of lines at their right ends, moved apart where they would overlap.

    To be called when scales and limits of the axes are final, whatever they are.
    """
    stride = max(1, math.ceil(len(ends) / MOST_LABELS))
    figure = axes.get_figure(root=True)
    assert figure is not None
    height = axes.get_position().height * figure.get_figheight() * POINTS_PER_INCH
    to_axes = axes.transData + axes.transAxes.inverted()
    at_ends = [(end, *to_axes.transform((end.x, end.y))) for end in ends[::stride]]
    at_ends.sort(key=lambda at_end: at_end[2])
    places = apart([y * height for *_, y in at_ends], LABEL_HEIGHT, height)
    for (end, x, y), place in zip(at_ends, places, strict=True):
        line = [x, 1.0, 1.03], [y, y, place / height]
        axes.plot(*line, transform=axes.transAxes, color=end.colour, linewidth=0.6, clip_on=False)
        axes.text(
            1.04, place / height, end.text, transform=axes.transAxes, va="center", fontsize=8.5
        )


def apart(wanted: Sequence[float], gap: float, top: float) -> list[float]:
    """Places between 0 and top, `gap` from each other, nearest to the ascending ones wanted.

    Neighbours that are too near become a group, spread evenly around the mean of what its members
    want (least squares; the pool-adjacent-violators algorithm of isotonic regression).
    """
    groups: list[tuple[float, int]] = []  # (mean of the wanted places, members)
    for place in wanted:
        groups.append((place, 1))
        while len(groups) > 1:
            (below, m), (above, n) = groups[-2:]
            if above - below >= gap * (m + n) / 2:
                break
            groups[-2:] = [((below * m + above * n) / (m + n), m + n)]
    spread = [
        middle + gap * (k - (members - 1) / 2) for middle, members in groups for k in range(members)
    ]
    last = len(spread) - 1
    # Clamped one by one they keep their distances, as the bounds are `gap` apart as well.
    return [
        min(max(p, gap * k), max(gap * k, top - gap * (last - k))) for k, p in enumerate(spread)
    ]
