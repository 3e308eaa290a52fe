"""Figures in the report's style: no display, no settings of the user's, the same bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure

from ..report.canvas import DOTS_PER_INCH, STYLE

#: Three colours that stay apart for the colour-blind and in grey.
BLUE, ORANGE, PURPLE = "#22609c", "#d0661b", "#7b3f99"


def png(draw: Callable[[Figure], None], width: float = 8.4, height: float = 3.8) -> bytes:
    """What `draw` puts on a figure of width × height inches."""
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return target.getvalue()


def axes(figure: Figure, columns: int, titles: tuple[str, ...]) -> list[Any]:
    """So many axes side by side, with their titles."""
    made = list(figure.subplots(1, columns, squeeze=False)[0])
    for ax, title in zip(made, titles, strict=True):
        ax.set_title(title)
    return made
