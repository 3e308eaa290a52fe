"""A comparison as text: a table for the terminal, Markdown, LaTeX and one HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from . import latex as tex
from .formats import column, percent, ratio
from .table import ruled
from .text import escape, markdown_table
from .words import WORDS

if TYPE_CHECKING:
    from .compare import Comparison

HEADINGS = (
    "layer of A",
    "layer of B",
    "mean |∂f/∂w| in A",
    "in B",
    "B over A",
    "norm of δ, B over A",
    "zeros in A",
    "in B",
    "step relative to weights in A",
    "in B",
)

#: The columns that a terminal has room for, and their headings in two lines.
NARROW = {0: ("layer", "of A"), 1: ("layer", "of B"), 2: ("mean|∂f/∂w|", "in A")}
NARROW |= {3: ("mean|∂f/∂w|", "in B"), 4: ("ratio", "B over A"), 5: ("δ ratio", "B over A")}
NARROW |= {8: ("step/weight", "in A"), 9: ("step/weight", "in B")}

ALIGNED = "Layers are aligned at the output, where the gradient comes from."


def cells(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """The rows of the table, from the input to the output."""
    for row in comparison.frame.iloc[::-1].to_dict("records"):
        yield (
            _layer(row, "a"),
            _layer(row, "b"),
            column(_known(row["mean_abs_a"])),
            column(_known(row["mean_abs_b"])),
            ratio(_known(row["mean_abs_ratio"])),
            ratio(_known(row["delta_norm_ratio"])),
            _share(row["zeros_a"]),
            _share(row["zeros_b"]),
            column(_known(row["update_weight_a"])),
            column(_known(row["update_weight_b"])),
        )


def narrow_cells(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    """The rows of the table for a terminal, which has no room for the sizes of the layers."""
    for row in cells(comparison):
        yield tuple(row[k].split(" ")[0] if k < 2 else row[k] for k in NARROW)


def table(comparison: Comparison) -> str:
    """The table as plain text, for 80 columns."""
    return ruled(list(NARROW.values()), narrow_cells(comparison))


def alarm_lines(comparison: Comparison) -> dict[str, list[str]]:
    """For A and B, the titles of what is wrong."""
    from .compare import LETTERS

    return {
        letter: [item["title"] for item in document["findings"] if item["alarm"]]
        for letter, document in zip(LETTERS, comparison.documents, strict=True)
    }


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown."""
    blocks = ["# Two gradient reports", f"**{escape(comparison.sentence)}**"]
    for (letter, titles), name in zip(
        alarm_lines(comparison).items(), comparison.names, strict=True
    ):
        blocks.append(f"## {letter}: {escape(name)}")
        found = [f"{k}. {escape(title)}" for k, title in enumerate(titles, start=1)]
        blocks.append("\n".join(found) or "No alarm.")
    blocks += ["## The layers", ALIGNED, markdown_table(HEADINGS, cells(comparison))]
    if comparison.differences:
        blocks += [
            "## What was not the same",
            markdown_table(("", "A", "B"), comparison.differences),
        ]
    return "\n\n".join(blocks) + "\n"


def latex(comparison: Comparison) -> str:
    """A document with the sentence and the table of the layers."""
    headings = [
        r"\shortstack{" + tex.escape(heading).replace(" in ", r"\\in ") + "}"
        for heading in HEADINGS
    ]
    rows = [[tex.number(cell) for cell in row] for row in cells(comparison)]
    return tex.whole(
        [
            tex.escape(comparison.sentence),
            tex.table(headings, rows, "r" * len(HEADINGS), f"Two gradient reports. {ALIGNED}"),
        ]
    )


def page(comparison: Comparison) -> str:
    """The whole page; every text that comes from outside is escaped."""
    from markupsafe import Markup

    from . import canvas, compare_plot
    from .page import css_colours, environment

    described = {
        "layers": "Mean |∂f/∂w| of each layer of A and of B; the numbers are in the table.",
        "losses": "The loss of the mini-batches of A and of B over the training steps.",
    }
    figures = [
        (name, Markup(canvas.svg(figure, name, described[name])))
        for name, figure in compare_plot.panels(comparison)
    ]
    return (
        environment()
        .get_template("compare.html.j2")
        .render(**_content(comparison), figures=figures, colours=css_colours(1))
    )


def fragment(comparison: Comparison) -> str:
    """Sentence and table, for a notebook."""
    from .page import environment

    return environment().get_template("compare_notebook.html.j2").render(**_content(comparison))


def _content(comparison: Comparison) -> dict[str, Any]:
    """What both templates show."""
    return {
        "sentence": comparison.sentence,
        "headline": comparison.verdicts,
        "details": comparison.largest_difference,
        "names": comparison.names,
        "reports": [
            (
                letter,
                name,
                document["sentence"],
                [
                    (item["title"], WORDS[item["name"]].advice)
                    for item in document["findings"]
                    if item["alarm"]
                ],
            )
            for letter, name, document in zip(
                ("A", "B"), comparison.names, comparison.documents, strict=True
            )
        ],
        "headings": HEADINGS,
        "rows": list(cells(comparison)),
        "aligned": ALIGNED,
        "differences": comparison.differences,
    }


def _layer(row: Mapping[Any, Any], side: str) -> str:
    """0 (64 → 32); — where the network has no such layer."""
    l, n_in, n_out = (row[f"{name}_{side}"] for name in ("l", "n_in", "n_out"))
    return f"{l} ({n_in} → {n_out})" if isinstance(l, int) else "—"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _share(value: float) -> str:
    return "—" if math.isnan(value) else percent(value)
