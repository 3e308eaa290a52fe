"""What the pictures of a report have in common: style, colours, axes, labels, PNG and SVG.

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
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    NullFormatter,
    NullLocator,
)

from .formats import ten_to

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

INK, MUTED, RULE, PAPER = "#1b1f24", "#5c6570", "#d5d9de", "#ffffff"

#: The same roles on dark paper.
DARK = {INK: "#e8eaed", MUTED: "#a3abb5", RULE: "#3a4048", PAPER: "#16191d"}

#: Parts of the viridis colour map, from the first layer to the last: lightness rises evenly, and
#: the colours differ for the colour-blind too. Each part stands off its paper by 3:1 or more.
LIGHT_RANGE, DARK_RANGE = (0.0, 0.58), (0.42, 1.0)

#: The ends of the colours of a map, and how many there are.
LIGHT_RAMP, DARK_RAMP = ("#e3eef1", "#0a3a4a"), ("#22343c", "#c9edf5")
MOST_LEVELS = 10

#: More labels than this would not fit beside the lines.
MOST_LABELS = 12

LABEL_HEIGHT = 11.0

#: Inches for a number beside an axis.
TICK_HEIGHT = 0.2
POINTS_PER_INCH = 72
DOTS_PER_INCH = 160

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


def svg_file(figure: Figure) -> bytes:
    """The figure as an SVG file of its own, on light paper, without date and version."""
    stream = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with style():
        figure.savefig(stream, format="svg", metadata=nothing)
    return stream.getvalue()


def palette(layers: int) -> dict[str, str]:
    """Every colour of the pictures of so many layers, light to dark."""
    pairs = zip(colours(layers), colours(layers, DARK_RANGE), strict=True)
    return {**DARK, **dict(pairs), **dict(zip(ramp(), ramp(dark=True), strict=True))}


def ramp(levels: int = MOST_LEVELS, *, dark: bool = False) -> list[str]:
    """Colours of a map, from small to large: away from the colour of the paper."""
    low, high = (np.array(to_rgb(colour)) for colour in (DARK_RAMP if dark else LIGHT_RAMP))
    return [to_hex(low + (high - low) * place) for place in np.linspace(0, 1, levels)]


@contextmanager
def style() -> Iterator[None]:
    with matplotlib.style.context(["default", STYLE]):
        yield


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches."""
    w, h = figure.get_size_inches()
    axes: Axes = figure.add_axes((left / w, bottom / h, width / w, height / h))
    return axes


def colours(layers: int, part: tuple[float, float] = LIGHT_RANGE) -> list[str]:
    """A colour for each layer."""
    viridis = matplotlib.colormaps["viridis"]
    places = np.linspace(*part, layers) if layers > 1 else [sum(part) / 2]
    return [to_hex(viridis(place)) for place in places]


def limits(values: Sequence[float]) -> tuple[float, float]:
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


def logarithmic(axes: Axes, ends: tuple[float, float], *, between: bool = True) -> None:
    """A logarithmic y axis with a line at every power of ten, or at evenly chosen ones.

    With `between`, and where there is room, also fainter ones at 2, 3, … times a power of ten.
    """
    axes.set_yscale("log")
    axes.set_ylim(*ends)
    first = math.ceil(math.log10(ends[0]) - 1e-9)
    last = math.floor(math.log10(ends[1]) + 1e-9)
    figure = axes.get_figure(root=True)
    assert figure is not None
    room = axes.get_position().height * figure.get_figheight() / TICK_HEIGHT
    stride = max(1, math.ceil((last - first + 1) / min(8, max(2, room))))
    axes.yaxis.set_major_locator(FixedLocator([10.0**k for k in range(first, last + 1, stride)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: ten_to(round(math.log10(v)))))
    minor = LogLocator(subs=range(2, 10)) if between and last - first < 3 else NullLocator()
    axes.yaxis.set_minor_locator(minor)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.grid(True)
    axes.yaxis.grid(True, which="minor", alpha=0.45)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def titles(axes: Axes, title: str, subtitle: str) -> None:
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


def positive(column: pd.Series[Any]) -> NDArray[np.float64]:
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
