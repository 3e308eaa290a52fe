"""Pictures of a record: for each task, how many times as long as ours everybody takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ..report.canvas import INK, MUTED, RULE, STYLE, png
from .table import contenders, seconds
from .workloads import TASKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .record import Cell, Record

#: Colours that the colour-blind can tell apart (Okabe and Ito, "Color Universal Design", 2008),
#: and shapes, so that nothing hangs on the colour alone.
LOOKS = {
    "jax": ("#0072b2", "o"),
    "torch": ("#d55e00", "s"),
    "torch.compile": ("#e69f00", "D"),
    "torch.func": ("#d55e00", "s"),
    "torch.func.compile": ("#e69f00", "D"),
    "sklearn": ("#009e73", "^"),
    "numpy": ("#cc79a7", "v"),
    "textbook": ("#56b4e9", "P"),
}
OTHER = (INK, "X")

PANEL_WIDTH, ROW_HEIGHT = 3.6, 0.36


def draw(record: Record, task: str) -> Figure:
    """The picture of a task: a panel for each dtype and number of threads, a row per network."""
    cells = [cell for cell in record.cells if cell.task == task]
    panels = list(dict.fromkeys((cell.dtype, cell.threads) for cell in cells))
    workloads = list(dict.fromkeys(cell.workload for cell in cells))
    columns = min(2, len(panels))
    lines = math.ceil(len(panels) / columns)
    left, bottom, top, gap, between = 1.85, 0.5, 1.0, 0.35, 0.75
    height = ROW_HEIGHT * len(workloads) + 0.25
    width = left + columns * PANEL_WIDTH + (columns - 1) * gap + 0.25
    total = top + lines * height + (lines - 1) * between + bottom
    limits = _limits(cells)
    with style():
        figure = Figure(figsize=(width, total))
        for number, (dtype, threads) in enumerate(panels):
            line, column = divmod(number, columns)
            x = left + column * (PANEL_WIDTH + gap)
            y = total - top - (line + 1) * height - line * between
            axes: Axes = figure.add_axes(
                (x / width, y / total, PANEL_WIDTH / width, height / total)
            )
            those = {c.workload: c for c in cells if (c.dtype, c.threads) == (dtype, threads)}
            _panel(axes, those, workloads, limits, names=column == 0)
            word = "thread" if threads == 1 else "threads"
            axes.set_title(f"{dtype}, {threads} {word}", color=INK)
        _legend(figure, cells, left / width, 1 - 0.62 / total)
        _text(figure, cells, task, left / width, total)
    return figure


@contextmanager
def style() -> Iterator[None]:
    """The project's own style, whatever the user's settings are."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def save(figure: Figure) -> bytes:
    """The figure as PNG."""
    return png(figure)


def ratio_axis(axes: Axes, limits: tuple[float, float]) -> None:
    """A logarithmic x axis of ratios, labelled ½, 1, 2, 5, 10 …"""
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    ticks = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
    shown = [tick for tick in ticks if limits[0] <= tick <= limits[1]]
    if len(shown) > 7:
        shown = [tick for tick in shown if f"{tick:e}"[0] == "1"]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}×"))


def _panel(
    axes: Axes,
    cells: dict[str, Cell],
    workloads: Sequence[str],
    limits: tuple[float, float],
    *,
    names: bool,
) -> None:
    ratio_axis(axes, limits)
    axes.set_ylim(len(workloads) - 0.5, -0.5)
    axes.axvspan(limits[0], 1, color=RULE, alpha=0.35, linewidth=0, zorder=0)
    axes.axvline(1, color=INK, linewidth=1.0, zorder=1)
    axes.grid(axis="x", zorder=0)
    axes.yaxis.set_major_locator(FixedLocator(range(len(workloads))))
    axes.set_yticklabels(workloads if names else [""] * len(workloads), color=INK)
    axes.spines["left"].set_visible(False)
    for row, workload in enumerate(workloads):
        if workload in cells:
            _row(axes, row, cells[workload])


def _row(axes: Axes, row: int, cell: Cell) -> None:
    """The subject's own time at the line, and a mark with its interval for everybody else."""
    ours = cell.entry(cell.subject)
    if ours is not None and ours.summary is not None:
        axes.annotate(
            seconds(ours.summary.median),
            (1, row),
            xytext=(-3, 6),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=6.5,
            color=MUTED,
        )
    for entry in cell.entries:
        found = entry.ratio
        if found is None or found.value is None or found.low is None or found.high is None:
            continue
        colour, marker = LOOKS.get(entry.name, OTHER)
        axes.plot([found.low, found.high], [row, row], color=colour, linewidth=2.2, zorder=2)
        axes.plot(
            [found.value],
            [row],
            marker=marker,
            color=colour,
            markersize=6.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            linestyle="none",
            zorder=3,
        )


def _legend(figure: Figure, cells: Sequence[Cell], x: float, y: float) -> None:
    """A mark and a name for everybody that was timed."""
    from matplotlib.lines import Line2D

    timed = [
        name
        for name in contenders(cells)
        if any((entry := cell.entry(name)) is not None and entry.samples for cell in cells)
    ]
    handles: list[Any] = []
    for name in timed:
        colour, marker = LOOKS.get(name, OTHER)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="none", label=name))
    if handles:
        figure.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(x, y),
            ncols=len(handles),
            frameon=False,
            handletextpad=0.1,
            columnspacing=1.2,
            borderpad=0,
            borderaxespad=0,
        )


def _text(figure: Figure, cells: Sequence[Cell], task: str, x: float, height: float) -> None:
    subject = cells[0].subject if cells else ""
    figure.text(
        x,
        1 - 0.2 / height,
        f"{TASKS[task][0].upper()}{TASKS[task][1:]}: times as long as {subject}",
        fontsize=11,
        fontweight="bold",
        va="center",
    )
    figure.text(
        x,
        1 - 0.41 / height,
        f"right of the line: {subject} is faster; grey: its own time; bars: 95 %",
        fontsize=8,
        color=MUTED,
        va="center",
    )


def _limits(cells: Sequence[Cell]) -> tuple[float, float]:
    """The ends of the axis: all intervals, and the line at 1 with room to its left."""
    ends = [
        end
        for cell in cells
        for entry in cell.entries
        if entry.ratio is not None
        for end in (entry.ratio.low, entry.ratio.high)
        if end is not None
    ]
    return min([0.5, *(0.85 * end for end in ends)]), max([2.0, *(1.2 * end for end in ends)])
