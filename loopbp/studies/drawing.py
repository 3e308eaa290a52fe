"""Panels, lines and axes of the studies' pictures, in the report's style.

Lines differ by colour, by dashes and by markers, and carry their names at their ends, so that a
picture can be read without colour.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from ..report.canvas import DARK, MUTED, End, axes_at, logarithmic, palette, variable
from ..report.formats import percent, prose, ten_to

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Dashes and markers, in the order in which lines take them.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.4, 1.2, 1.4)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

#: Colours of things without an order, for light paper and for dark; they stay apart for the
#: colour-blind and in grey.
NOMINAL = {
    "#22609c": "#7fb2e5",
    "#d0661b": "#f0a05a",
    "#7b3f99": "#c99be0",
    "#2f7d5b": "#79c9a4",
    "#8a6d1a": "#dcc16a",
}

#: The most lines whose colours show an order.
MOST_ORDERED = 9

#: Every colour of a picture on light paper, and the one that takes its place on dark paper.
COLOURS = {
    **{k: v for n in range(1, MOST_ORDERED + 1) for k, v in palette(n).items()},
    **NOMINAL,
    **DARK,
}

#: Room around the panels in inches: for the y axis, the x axis, and the two lines above.
LEFT, BOTTOM, TOP = 0.72, 0.62, 0.66


class Look(NamedTuple):
    """How a line is drawn."""

    colour: str
    dashes: Any
    marker: str

    def line(self, **more: Any) -> dict[str, Any]:
        """The keywords for `Axes.plot`."""
        looks = {"color": self.colour, "linestyle": self.dashes, "marker": self.marker}
        return {**looks, "linewidth": 1.3, "markersize": 4.2, **more}

    def dots(self, **more: Any) -> dict[str, Any]:
        """The same without a line."""
        return self.line(linestyle="none", **more)


def nominal(count: int) -> list[Look]:
    """Looks of things without an order."""
    colours = list(NOMINAL)
    return [
        Look(colours[k % len(colours)], DASHES[k % len(DASHES)], MARKERS[k % len(MARKERS)])
        for k in range(count)
    ]


def ordered(count: int) -> list[Look]:
    """Looks of things in order: lightness falls or rises evenly from one to the next."""
    colours = list(palette(min(count, MOST_ORDERED)))[len(DARK) :]
    return [
        Look(colours[k % len(colours)], DASHES[k % len(DASHES)], MARKERS[k % len(MARKERS)])
        for k in range(count)
    ]


def grid(
    rows: int,
    columns: int,
    width: float,
    height: float,
    *,
    right: float = 0.2,
    gap: float = 0.3,
    between: float = 0.95,
    top: float = TOP,
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with rows × columns panels of width × height inches.

    right, gap : room beside the last panel of a row and between two, for the names of the lines;
    between, top : room between two rows, and above the first.
    """
    total_width = LEFT + columns * width + (columns - 1) * gap + right
    total_height = BOTTOM + rows * height + (rows - 1) * between + top
    figure = Figure(figsize=(total_width, total_height))
    panels = [
        [
            axes_at(
                figure,
                LEFT + column * (width + gap),
                BOTTOM + (rows - 1 - row) * (height + between),
                width,
                height,
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    return figure, panels


def end(text: str, look: Look, x: Any, y: Any) -> End:
    """The name of a line for its right end: the last place where there is a number."""
    places = [(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(b)]
    return End(text, look.colour, *map(float, places[-1]))


def loss_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic y axis from low to high, with numbers at 1, 2 and 5 where it is short."""
    room = max((high / low) ** 0.06, 1.03)
    low, high = low / room, high * room
    short = math.log10(high / low) < 2.5
    logarithmic(axes, (low, high), between=short)
    if short:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        numbers = [digit * 10.0**k for k in powers for digit in (1, 2, 5)]
        axes.yaxis.set_major_locator(FixedLocator([v for v in numbers if low <= v <= high]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: prose(v)))


def logarithmic_x(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with a number at every power of ten."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 6))
    axes.xaxis.set_major_locator(FixedLocator([10.0**k for k in range(first, last + 1, stride)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: plain_power(v)))
    axes.xaxis.set_minor_locator(NullLocator())


def stated_x(axes: Axes, values: Sequence[float], texts: Sequence[str]) -> None:
    """A logarithmic x axis with a number at each of the values, and room at both ends."""
    axes.set_xscale("log")
    low, high = min(values), max(values)
    room = (high / low) ** 0.06 if high > low else 1.5
    axes.set_xlim(low / room, high * room)
    axes.xaxis.set_major_locator(FixedLocator(list(values)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, at: texts[at] if at is not None else ""))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def plain_power(value: float) -> str:
    """A power of ten as people write it: 0.01, 1, 1,000, 10⁶."""
    power = round(math.log10(value))
    if -3 <= power < 0:
        return f"{10.0**power:g}"
    return f"{10**power:,}" if 0 <= power <= 4 else ten_to(power)


def share_axis(axes: Axes) -> None:
    """A y axis of shares from 0 to 1, in per cent."""
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: percent(v)))
    axes.yaxis.grid(True)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def caption(figure: Figure, text: str) -> None:
    """A line above all panels, that says what they have in common."""
    height = figure.get_figheight()
    figure.text(0.24 / figure.get_figwidth(), 1 - 0.24 / height, text, color=MUTED, va="top")


def colours_of(svg: str) -> list[tuple[str, str, str]]:
    """Name, light and dark value of every colour variable in a picture."""
    names = {variable(light): (light, dark) for light, dark in COLOURS.items()}
    used = dict.fromkeys(re.findall(r"var\(--(c[0-9a-f]{6})\)", svg))
    return [(name, *names[name]) for name in used]
