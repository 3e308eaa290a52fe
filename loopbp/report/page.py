"""The report as one HTML page that needs nothing else, and as a part of a notebook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .definitions import DEFINITIONS, html
from .text import cells, description, rules, summary
from .words import GLOSSARY, WORDS

if TYPE_CHECKING:
    from jinja2 import Environment

    from .gradient import GradientReport

#: A number as 1.23e-03 and how a page shows it.
_SCIENTIFIC = re.compile(r"(\d(?:\.\d+)?)e([+-]\d+)")


def page(
    report: GradientReport, settings: Mapping[str, Any], command: str | None, footer: str
) -> str:
    """The whole page; every text that comes from outside is escaped."""
    from markupsafe import Markup

    from . import canvas, plot

    first = report.findings[0]
    text = first.clause if first.alarm else report.sentence.removesuffix(".")
    headline, _, details = text.partition("; ")
    figures = {
        name: Markup(canvas.svg(figure, name, description(report, name)))
        for name, figure in plot.panels(report)
    }
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            **_content(report),
            figures=figures,
            colours=css_colours(len(report.layers)),
            headline=_capitalised(headline),
            details=details,
            alarms=[(finding, WORDS[finding.name]) for finding in report.findings if finding.alarm],
            rules=rules(report.preset),
            preset=report.preset,
            glossary=GLOSSARY,
            settings=[(name, str(value)) for name, value in settings.items()],
            command=command,
            footer=footer,
        )
    )


def css_colours(layers: int) -> list[tuple[str, str, str]]:
    """Name, light and dark value of every colour of the pictures."""
    from . import canvas

    return [(canvas.variable(light), light, dark) for light, dark in canvas.palette(layers).items()]


def fragment(report: GradientReport) -> str:
    """Sentence and table, for a notebook."""
    return environment().get_template("notebook.html.j2").render(**_content(report))


def _content(report: GradientReport) -> dict[str, Any]:
    """What both templates show."""
    return {
        "sentence": report.sentence,
        "alarm": report.alarm,
        "summary": summary(report),
        "definitions": DEFINITIONS,
        "rows": [cells(layer) for layer in report.layers],
    }


@cache
def environment() -> Environment:
    """Templates of this package, escaping whatever they show."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("loopbp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["formula"] = _formula
    environment.filters["magnitude"] = _magnitude
    environment.filters["unbroken"] = _unbroken
    environment.filters["capitalised"] = _capitalised
    return environment


def _capitalised(text: str) -> str:
    """The text with a capital letter at its beginning, but a symbol like δ as it is."""
    return text[:1].upper() + text[1:] if text[:1].isascii() else text


def _formula(text: str) -> Any:
    """A formula, or words with one in them, as markup."""
    from markupsafe import Markup

    return Markup(html(text))


def _unbroken(text: str) -> Any:
    """The text with |∂f/∂w| in one piece, which a browser would break at the stroke."""
    from markupsafe import Markup, escape

    symbol = "|∂f/∂w|"
    whole = Markup(f'<span style="white-space: nowrap">{symbol}</span>')
    return escape(text).replace(symbol, whole)


def _magnitude(cell: str) -> Any:
    """1.23e-03 as 1.23 × 10⁻³, with a real superscript; anything else as it is.

    Spaces do not break: a notebook, whose cells have another style than a page, would break there.
    """
    from markupsafe import Markup, escape

    number = _SCIENTIFIC.fullmatch(cell)
    if number is None:
        return escape(cell.replace(" ", "\u00a0"))
    power = str(int(number[2])).replace("-", "−")
    return Markup(f"{number[1]}<span class=times>\u00a0×\u00a0</span>10<sup>{power}</sup>")
