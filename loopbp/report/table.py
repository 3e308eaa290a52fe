"""Plain text tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Headings and rows with aligned columns, all to the right; two spaces before each."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "".join("  " + cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
