"""The report's tables for LaTeX: booktabs, every text escaped, a document that compiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .formats import column, percent, ratio

if TYPE_CHECKING:
    from .gradient import GradientReport

ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "∂": r"$\partial$",
    "δ": r"$\delta$",
    "η": r"$\eta$",
    "Σ": r"$\Sigma$",
    "√": r"$\surd$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "→": r"$\to$",
    "∞": r"$\infty$",
    "′": r"$'$",
    "—": "---",
    "…": r"\dots{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}

#: Numbers as 1.23e-03 and powers as 10⁻⁶.
_SCIENTIFIC = re.compile(r"(-?\d(?:\.\d+)?)e([+-]\d+)")
_SUPERSCRIPT = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹⁽ˡ⁾]+")
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

HEADINGS = (
    "layer",
    "nodes",
    "parameters",
    r"mean $|\partial f/\partial w|$",
    r"$L_2$ norm",
    r"max $|\partial f/\partial w|$",
    "zeros",
    r"norm of $\delta$",
    "ratio",
)


def document(report: GradientReport) -> str:
    """A document with the sentence, a table of the alarms and one of the layers."""
    parts = [escape(report.sentence)]
    if report.found:
        rows = [
            [
                escape(alarm.name),
                "all" if alarm.layer is None else str(alarm.layer),
                str(alarm.step),
                number(column(alarm.value)),
                number(column(alarm.rule.limit)),
                escape(alarm.rule.text),
            ]
            for alarm in report.found
        ]
        headings = ("alarm", "layer", "step", "value", "threshold", "rule")
        parts.append(
            table(headings, rows, "lrrrrp{0.4\\linewidth}", "Alarms, the most important first.")
        )
    layers = [
        [
            str(layer.l),
            rf"{layer.n_in} $\to$ {layer.n_out}",
            f"{layer.parameters:,}",
            number(column(layer.mean_abs)),
            number(column(layer.l2)),
            number(column(layer.max_abs)),
            escape(percent(layer.zeros)),
            number(column(layer.delta_norm)),
            number(ratio(layer.ratio)),
        ]
        for layer in report.layers
    ]
    parts.append(table(HEADINGS, layers, "rrrrrrrrr", "The gradient of each layer."))
    return whole(parts)


def whole(parts: Sequence[str]) -> str:
    """The parts, LaTeX already, as a document."""
    begin = [
        "% \\usepackage{booktabs} is all that these tables need elsewhere.",
        r"\documentclass{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\usepackage{booktabs}",
        r"\begin{document}",
    ]
    return "\n\n".join(["\n".join(begin), *parts, r"\end{document}"]) + "\n"


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], columns: str, caption: str
) -> str:
    """A floating table; headings and cells are LaTeX already, the caption is text."""
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(headings) + r" \\",
        r"\midrule",
        *(" & ".join(row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines)


def number(cell: str) -> str:
    r"""1.23e-03 as $1.23 \cdot 10^{-3}$; anything else escaped."""
    found = _SCIENTIFIC.fullmatch(cell)
    if found is None:
        return escape(cell)
    return rf"${found[1]} \cdot 10^{{{int(found[2])}}}$"


def escape(text: str) -> str:
    """`text` such that LaTeX shows it as it is."""
    found = _SUPERSCRIPT.sub(lambda power: f"\0{power[0].translate(_DIGITS)}\1", text)
    escaped = "".join(ESCAPES.get(c, c) for c in found)
    return escaped.replace("\0", "$^{").replace("\1", "}$")
