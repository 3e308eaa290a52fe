"""A study as one HTML page that needs nothing else, and as a part of a notebook."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report.canvas import png, svg
from ..report.formats import prose
from ..report.writing import footer_line, provenance
from .drawing import COLOURS, colours_of
from .result import StudyResult

if TYPE_CHECKING:
    from jinja2 import Environment


def page(result: StudyResult, command: str | None, seconds: float) -> str:
    """The whole page; every text that comes from outside is escaped."""
    from markupsafe import Markup

    picture = svg(result.plot(), "study", f"{result.study.title}. {result.reading[0]}")
    return (
        _environment()
        .get_template("study.html.j2")
        .render(
            **_content(result),
            picture=Markup(picture),
            colours=colours_of(picture + _PAGE_COLOURS),
            columns=result.study.columns,
            rows_in_frame=len(result.frame),
            settings=settings(result),
            command=command,
            footer=footer(seconds),
        )
    )


def fragment(result: StudyResult) -> str:
    """What one sees, the table and the picture, for a notebook."""
    import base64

    picture = base64.b64encode(png(result.plot())).decode()
    return (
        _environment().get_template("fragment.html.j2").render(**_content(result), picture=picture)
    )


#: The colours of the page itself.
_PAGE_COLOURS = " ".join(f"var(--c{light.removeprefix('#')})" for light in list(COLOURS)[:4])


def summary(result: StudyResult) -> tuple[list[str], list[list[str]]]:
    """The headings and the cells of the short table."""
    rows = result.summary.itertuples(index=False, name=None)
    headings = [str(name) for name in result.summary.columns]
    return headings, [[_cell(value) for value in row] for row in rows]


def settings(result: StudyResult) -> list[tuple[str, str]]:
    """Names and values of the settings."""
    given = dict(result.settings)
    if not given["reading"]:
        del given["reading"]  # as a file of this kind is read unless something else is said
    return [(name, _setting(name, value)) for name, value in given.items()]


def footer(seconds: float) -> str:
    """What made the study, and when."""
    return footer_line(provenance({"computing": seconds} if seconds else {}))


def _content(result: StudyResult) -> dict[str, Any]:
    """What both templates show."""
    headings, table = summary(result)
    return {
        "title": result.study.title,
        "name": result.name,
        "reading": result.reading,
        "headings": headings,
        "table": table,
    }


def _cell(value: Any) -> str:
    """Words as they are, whole numbers with commas, others with three digits; — for NaN."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    return "—" if math.isnan(value) else prose(float(value), 3)


def _setting(name: str, value: Any) -> str:
    """The value of a setting; of the data's digest, enough to tell two apart."""
    if name == "digest":
        return str(value)[:12]
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@cache
def _environment() -> Environment:
    """The studies' templates, and the report's for what both share; all texts are escaped."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader("loopbp.studies"), PackageLoader("loopbp.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
