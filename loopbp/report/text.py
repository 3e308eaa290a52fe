"""The report as text: a table for the terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .definitions import DEFINITIONS, plain
from .formats import column, percent, prose, ratio
from .statistics import LayerGradient
from .verdict import THRESHOLDS

if TYPE_CHECKING:
    from .gradient import GradientReport

WIDTH = 80

#: The headings of the table in a terminal, in two lines.
HEADINGS = (
    ("", "layer"),
    ("", "nodes"),
    ("weights", "+ biases"),
    ("mean", "|∂f/∂w|"),
    ("L2", "norm"),
    ("max", "|∂f/∂w|"),
    ("exact", "zeros"),
    ("norm", "of δ"),
    ("ratio to", "layer+1"),
)


def cells(layer: LayerGradient) -> tuple[str, ...]:
    """One row of the table."""
    return (
        str(layer.l),
        f"{layer.n_in} → {layer.n_out}",
        f"{layer.parameters:,}",
        column(layer.mean_abs),
        column(layer.l2),
        column(layer.max_abs),
        percent(layer.zeros),
        column(layer.delta_norm),
        ratio(layer.ratio),
    )


def table(layers: Sequence[LayerGradient]) -> str:
    """A row per layer, right-aligned; two spaces between columns, one where 80 are not enough."""
    rows = [*zip(*HEADINGS, strict=True), *(cells(layer) for layer in layers)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEADINGS))]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    lines = [
        gap.join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    ]
    rule = gap.join("─" * width for width in widths)
    return "\n".join([*lines[:2], rule, *lines[2:]])


def summary(report: GradientReport) -> str:
    """What was measured, in one line."""
    net = report.architecture
    sizes = "-".join(str(n) for n in net.sizes)
    number = "1 example" if report.examples == 1 else f"{report.examples:,} examples"
    hidden = ", ".join(dict.fromkeys(net.activations[:-1]))
    names = f"{hidden} and {net.activations[-1]}" if hidden else net.activations[-1]
    return (
        f"Network {sizes} ({names}; {net.dtype.name}), {net.parameters:,} weights and biases; "
        f"gradient of the {report.reduction} of {net.loss} over {number}, "
        f"which is {prose(report.loss, 4)}"
    )


def rules() -> tuple[tuple[str, str], ...]:
    """The words of the sentence, and the thresholds beyond which they are used."""
    t = {name: prose(value) for name, value in THRESHOLDS.items()}
    return (
        (
            "vanishes",
            f"mean |∂f/∂w| below {t['vanishing']} times that of a layer nearer the output",
        ),
        (
            "explodes",
            f"mean |∂f/∂w| more than {t['exploding']} times that of a layer nearer the output; or "
            f"the L2 norm of a layer's gradient above {t['exploding_norm']} and more than "
            f"{t['exploding_norm']} times the L2 norm of its weights",
        ),
        ("uneven", f"the largest mean |∂f/∂w| of a layer more than {t['even']} times the smallest"),
        ("flat", f"mean |∂f/∂w| below {t['flat']} in every layer"),
        (
            "dead",
            "a ReLU node whose output is 0 in every example; needs attention where more than "
            f"{percent(THRESHOLDS['dead'])} of a layer's nodes are dead",
        ),
        ("exactly 0", f"mentioned from {percent(THRESHOLDS['zeros'])} of a layer's entries on"),
    )


def markdown(
    report: GradientReport,
    *,
    settings: Mapping[str, Any] | None = None,
    command: str | None = None,
    picture: str | None = None,
    footer: str | None = None,
) -> str:
    """The report as Markdown; `picture` is the name of the image file beside it."""
    blocks = ["# Gradient report", f"**{escape(report.sentence)}**", f"{escape(summary(report))}."]
    blocks.append(_table([item.heading for item in DEFINITIONS], map(cells, report.layers)))
    if picture is not None:
        blocks.append(f"![{escape(description(report))}]({picture})")
    if settings or command:
        blocks.append("## How it was made")
    if command:
        blocks.append("\n".join(f"    {line}" for line in command.splitlines()))
    if settings:
        items = ((name, str(value)) for name, value in settings.items())
        blocks.append(_table(["setting", "value"], items, align=":--"))
    blocks.append("## What the columns are")
    blocks.append(
        "\n".join(
            f"- **{escape(item.heading)}**: {escape(plain(item.meaning))}. "
            f"{escape(plain(item.formula))}"
            for item in DEFINITIONS
        )
    )
    blocks.append("## What the words of the first sentence mean")
    blocks.append("\n".join(f"- **{word}**: {escape(rule)}" for word, rule in rules()))
    if footer is not None:
        blocks += ["---", escape(footer)]
    return "\n\n".join(blocks) + "\n"


def description(report: GradientReport, part: str = "all") -> str:
    """What the picture shows, or its part `checkpoint` or `course`, for who does not see it."""
    means = ", ".join(f"{prose(layer.mean_abs)} in layer {layer.l}" for layer in report.layers)
    checkpoint = f"mean |∂f/∂w| of each layer on a logarithmic axis: {means}"
    if part == "checkpoint" or not len(report.history):
        return f"{checkpoint[0].upper()}{checkpoint[1:]}."
    frame = report.history
    first, last = frame.groupby("l")["mean_abs"].first(), frame.groupby("l")["mean_abs"].last()
    changes = ", ".join(
        f"layer {l} from {prose(first[l])} to {prose(last[l])}" for l in range(len(report.layers))
    )
    steps = f"{frame['step_last'].iloc[-1]:,} training steps"
    course = f"mean |∂f/∂w| of the mini-batches over {steps}, on a logarithmic axis: {changes}"
    if len(report.epochs) > 1 and "loss" in report.epochs:
        losses = [prose(loss) for loss in report.epochs["loss"].iloc[[0, -1]]]
        course += f"; below it the training loss of each epoch, from {losses[0]} to {losses[1]}"
    text = course if part == "course" else f"{checkpoint}; and {course}"
    return f"{text[0].upper()}{text[1:]}."


def escape(text: str) -> str:
    """`text` such that Markdown shows it as it is, on one line."""
    for sign in "\\`*_[]<>|#~":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.replace("&", "&amp;").split())


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], align: str = "--:") -> str:
    """A Markdown table."""
    lines = [headings, [align] * len(headings), *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)
