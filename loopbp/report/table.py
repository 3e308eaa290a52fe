"""Plain text tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

WIDTH = 80


def ruled(headings: Sequence[Sequence[str]], rows: Iterable[Sequence[str]]) -> str:
    """Headings of two lines each, a rule, and rows with aligned columns, all to the right.

    Two spaces between columns, one where 80 columns are not enough.
    """
    lines = [*zip(*headings, strict=True), *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= WIDTH else " "
    lines.insert(2, tuple("─" * width for width in widths))
    return "\n".join(
        gap.join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def columns(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Headings and rows with aligned columns, all to the right; two spaces before each."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "".join("  " + cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
