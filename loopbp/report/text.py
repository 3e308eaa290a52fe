"""The report as text: a table for the terminal, and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .definitions import DEFINITIONS, plain
from .formats import column, percent, prose, ratio
from .presets import PRESETS
from .statistics import LayerGradient
from .table import ruled
from .verdict import Finding
from .words import GLOSSARY, WORDS

if TYPE_CHECKING:
    from .gradient import GradientReport

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
    """A row per layer, right-aligned."""
    return ruled(HEADINGS, map(cells, layers))


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


def rules(preset: str) -> list[tuple[str, str]]:
    """The alarms of a preset, and the rules that give them; then the words of the remarks."""
    found: dict[str, list[str]] = {}
    for rule in PRESETS[preset]:
        found.setdefault(rule.alarm, []).append(rule.text)
    return [(WORDS[name].title, "; or ".join(texts)) for name, texts in found.items()]


def wrong(findings: Sequence[Finding]) -> list[str]:
    """What is wrong, an alarm a line, each with what usually helps; nothing if all is well."""
    lines = []
    for number, finding in enumerate((one for one in findings if one.alarm), start=1):
        words = WORDS[finding.name]
        lines.append(f"{number}. {finding.title[:1].upper()}{finding.title[1:]}.")
        lines.append(f"What usually helps: {words.advice}")
    return lines


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
    if report.alarm:
        blocks.append("## What is wrong")
    for number, finding in enumerate((one for one in report.findings if one.alarm), start=1):
        words = WORDS[finding.name]
        blocks.append(
            f"{number}. **{escape(finding.title)}**: {escape(finding.clause)}. "
            f"{escape(words.meaning)} *What usually helps:* {escape(words.advice)}"
        )
    blocks.append("## The layers")
    blocks.append(markdown_table([item.heading for item in DEFINITIONS], map(cells, report.layers)))
    if picture is not None:
        blocks.append(f"![{escape(description(report))}]({picture})")
    if settings or command:
        blocks.append("## How it was made")
    if command:
        blocks.append("\n".join(f"    {line}" for line in command.splitlines()))
    if settings:
        items = ((name, str(value)) for name, value in settings.items())
        blocks.append(markdown_table(["setting", "value"], items, align=":--"))
    blocks.append("## What the columns are")
    blocks.append(
        "\n".join(
            f"- **{escape(item.heading)}**: {escape(plain(item.meaning))}. "
            f"{escape(plain(item.formula))}"
            for item in DEFINITIONS
        )
    )
    blocks.append(f"## When there is an alarm (preset {escape(report.preset)})")
    blocks.append("\n".join(f"- **{word}**: {escape(rule)}" for word, rule in rules(report.preset)))
    blocks.append("## Words")
    blocks.append("\n".join(f"- **{word}**: {escape(text)}" for word, text in GLOSSARY.items()))
    if footer is not None:
        blocks += ["---", escape(footer)]
    return "\n\n".join(blocks) + "\n"


def description(report: GradientReport, part: str = "all") -> str:
    """What the picture shows, or its part `checkpoint` or `course`, for who does not see it."""
    if part == "map":
        return (
            "Mean |∂f/∂w| of each layer (rows, the output on top) over the training steps "
            "(columns); the larger, the farther from the colour of the paper."
        )
    if part == "updates":
        return "The change of each layer's weights in a step, relative to their size, over the run."
    means = ", ".join(f"{prose(layer.mean_abs)} in layer {layer.l}" for layer in report.layers)
    checkpoint = f"|∂f/∂w| of each layer on a logarithmic axis; its mean |∂f/∂w|: {means}"
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


def markdown_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], align: str = "--:"
) -> str:
    """A Markdown table."""
    lines = [headings, [align] * len(headings), *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)
