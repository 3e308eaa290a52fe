"""The pictures of a report: the checkpoint, the course of the run with its alarms, and the map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import (
    INK,
    MOST_LABELS,
    MUTED,
    End,
    axes_at,
    colours,
    label_ends,
    limits,
    logarithmic,
    positive,
    style,
    titles,
)
from .distribution import checkpoint
from .formats import percent
from .heatmap import heatmap
from .words import WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .gradient import GradientReport

#: The line of the validation loss.
DASHES = (0, (4, 1.6))

#: Inches for the mark of one alarm.
MARK = 0.17


def draw(report: GradientReport) -> Figure:
    """The whole picture: the checkpoint, beside it the course of the run if there is one."""
    with style():
        if not has_course(report):
            figure = Figure(figsize=(5.6, 3.8))
            checkpoint(axes_at(figure, 0.75, 0.65, 4.6, 2.45), report)
            return figure
        strip = _strip_height(report)
        figure = Figure(figsize=(9.6, 4.9 + strip))
        checkpoint(axes_at(figure, 0.75, 0.65, 2.75, 3.55 + strip), report)
        _run(figure, report, left=4.45, width=4.0, loss=0.75, top=4.2 + strip)
        return figure


def panels(report: GradientReport) -> list[tuple[str, Figure]]:
    """The parts of the picture by name, each a figure that is narrow enough for a phone."""
    with style():
        figure = Figure(figsize=(4.4, 4.2))
        checkpoint(axes_at(figure, 0.5, 0.6, 3.75, 2.95), report)
        parts = [("checkpoint", figure)]
        if has_course(report):
            strip = _strip_height(report)
            figure = Figure(figsize=(4.4, 5.0 + strip))
            _run(figure, report, left=0.5, width=3.05, loss=0.8, top=4.35 + strip)
            parts.append(("course", figure))
            figure = Figure(figsize=(4.4, 3.1))
            heatmap(axes_at(figure, 0.5, 0.6, 3.05, 1.85), report)
            parts.append(("map", figure))
            figure = Figure(figsize=(4.4, 3.1))
            _updates(axes_at(figure, 0.5, 0.6, 3.05, 1.85), report)
            parts.append(("updates", figure))
        return parts


def has_course(report: GradientReport) -> bool:
    """Whether there is a recorded run with something to draw."""
    return bool((report.history["mean_abs"] > 0).any())


def _run(
    figure: Figure, report: GradientReport, *, left: float, width: float, loss: float, top: float
) -> None:
    """The course, below it the alarms, below them the loss, on the same steps."""
    strip = _strip_height(report)
    bottom = 0.65 + loss + 0.55 + strip
    course = axes_at(figure, left, bottom, width, top - bottom)
    _course(course, report)
    course.tick_params(labelbottom=False)
    course.set_xlabel("")
    _loss(axes_at(figure, left, 0.65, width, loss), report)
    if strip:
        _alarms(axes_at(figure, left, bottom - strip, width, strip - 0.06), report)


def _strip_height(report: GradientReport) -> float:
    """Inches for the marks of the alarms."""
    marks = sum(finding.alarm for finding in report.findings)
    return MARK * marks + 0.1 if marks else 0.0


def _alarms(axes: Axes, report: GradientReport) -> None:
    """When each alarm was seen: a line from the first to the last step, with its number."""
    findings = [finding for finding in report.findings if finding.alarm]
    end = _last_step(report)
    for number, finding in enumerate(findings):
        y = -number
        first = min(alarm.step for alarm in finding.alarms)
        last = max(alarm.last_step for alarm in finding.alarms)
        axes.plot([first, last], [y, y], color=INK, linewidth=1.6, clip_on=False)
        axes.plot([first], [y], ">", color=INK, markersize=4.5, clip_on=False)
        axes.text(
            1.03 * end, y, f"{number + 1} {WORDS[finding.name].label}", va="center", fontsize=7.5
        )
    axes.set_ylim(0.5 - len(findings), 0.5)
    axes.set_yticks([])
    axes.set_ylabel("alarms", rotation=0, ha="right", va="center", fontsize=7.5, labelpad=3)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlim(0, end)
    axes.tick_params(bottom=False, labelbottom=False)


def _course(axes: Axes, report: GradientReport) -> None:
    """A line for each layer: mean |∂f/∂w| of the mini-batches, with the range in each part."""
    _lines(axes, report, "mean_abs")
    titles(axes, "Its course over the training", _parts(report))


def _updates(axes: Axes, report: GradientReport) -> None:
    """A line for each layer: the length of its step over that of its weights."""
    _lines(axes, report, "update_weight")
    titles(
        axes, "Step relative to the weights", "about 10⁻³ is usual; alike for all layers is good"
    )


def _lines(axes: Axes, report: GradientReport, name: str) -> None:
    """A line for each layer, with the range in each part of the run."""
    frame = report.history
    ends = limits([*frame[f"{name}_low"], *frame[f"{name}_high"]])
    logarithmic(axes, ends)
    marks = []
    for layer, colour in zip(report.layers, colours(len(report.layers)), strict=True):
        rows = frame[frame["l"] == layer.l]
        step = ((rows["step_first"] + rows["step_last"]) / 2).to_numpy()
        mean, low, high = (
            positive(rows[column]) for column in (name, f"{name}_low", f"{name}_high")
        )
        if len(report.layers) <= MOST_LABELS:
            axes.fill_between(step, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(step, mean, color=colour, linewidth=1.4 if len(report.layers) <= 6 else 0.9)
        known = np.isfinite(mean)
        alone = known & ~np.append(known[1:], False) & ~np.append(False, known[:-1])
        axes.plot(step[alone], mean[alone], ".", color=colour, markersize=4)
        if known.any():
            last = int(np.flatnonzero(known)[-1])
            marks.append(End(f"layer {layer.l}", colour, step[last], mean[last]))
    _steps(axes, report)
    label_ends(axes, marks)


def _parts(report: GradientReport) -> str:
    """What a line and a band of the course are."""
    frame, layers = report.history, len(report.layers)
    if (frame["step_first"] == frame["step_last"]).all():
        return f"mini-batches; {len(frame) // layers:,} recorded steps"
    band = ", band: range" if layers <= MOST_LABELS else ""
    return f"mini-batches; line: mean{band} of recorded steps"


def _loss(axes: Axes, report: GradientReport) -> None:
    """The loss of the mini-batches and, by epoch, that of the validation set."""
    thin, frame = report.losses, report.epochs
    curves: list[tuple[str, Any, Any, Any]] = []
    if len(frame) > 1:
        curves.append(("training", frame["steps"], positive(frame["loss"]), "-"))
    if "validation_loss" in frame:
        curves.append(("validation", frame["steps"], positive(frame["validation_loss"]), DASHES))
    values = [float(v) for _, _, y, _ in curves for v in y if math.isfinite(v)]
    band = positive(thin["low"]), positive(thin["high"])
    logarithmic(axes, limits([*values, *band[0], *band[1]]), between=False)
    axes.fill_between(thin["step"], *band, color=MUTED, alpha=0.25, linewidth=0)
    if not curves:
        axes.plot(thin["step"], positive(thin["loss"]), color=INK, linewidth=1.1)
    marks = []
    for text, steps, loss, dashes in curves:
        axes.plot(steps, loss, color=INK, linewidth=1.1, linestyle=dashes)
        if math.isfinite(loss[-1]):
            marks.append(End(text, INK, steps.iloc[-1], loss[-1]))
    _steps(axes, report)
    label_ends(axes, marks)
    subtitle = "line: by epoch; band: mini-batches" if curves else "mini-batches"
    if "validation_accuracy" in frame and len(frame):
        accuracy = frame["validation_accuracy"].iloc[-1]
        subtitle = f"by epoch; validation accuracy at the end {percent(accuracy)}"
    titles(axes, "Loss", subtitle)


def _last_step(report: GradientReport) -> int:
    return int(report.history["step_last"].max())


def _steps(axes: Axes, report: GradientReport) -> None:
    """The x axis of the course: training steps, all of them."""
    axes.set_xlim(0, _last_step(report))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("training step", labelpad=2)
