"""What an example leaves: text in 80 columns, checked numbers, and figures that are drawn late."""

from __future__ import annotations

import base64
import os
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..npz import replacing

WIDTH = 80
MARGIN = "  "
#: What rounding may take from a number that was worked out by hand.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Check:
    """One number, or one array of them, against what it has to be; both as text."""

    what: str
    expected: str
    got: str
    passed: bool

    def __str__(self) -> str:
        if self.passed:
            return f"ok     {self.what}: {self.expected}"
        return f"WRONG  {self.what}: expected {self.expected}; got {self.got}"


@dataclass
class Result:
    """Collects what an example has to say.

    `text` holds all of it in at most 80 columns; `figures` maps the name of a file to a function
    that draws it, so that nothing is drawn before somebody asks.
    """

    name: str
    row: str
    title: str
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Callable[[], bytes]] = field(default_factory=dict)
    _parts: list[str] = field(default_factory=list, repr=False)

    @property
    def passed(self) -> bool:
        """Whether every check has passed, and there was one."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def text(self) -> str:
        """The title, the numbers and their meaning, and the checks at the end."""
        title = f"{self.row}  {self.name}: {self.title}"
        wrong = sum(not check.passed for check in self.checks)
        verdict = (
            f"{wrong} of {len(self.checks)} checks failed:"
            if wrong
            else "Checked, and as expected:"
        )
        listed = "\n".join(_wrapped(str(check), MARGIN, MARGIN + 7 * " ") for check in self.checks)
        parts = [_wrapped(title) + "\n" + "═" * min(len(title), WIDTH), *self._parts]
        return "\n\n".join([*parts, verdict + "\n" + listed]) + "\n"

    def say(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(_wrapped(text))

    def beware(self, text: str) -> None:
        """A paragraph on a mistake that a reader may have met."""
        self._parts.append(_wrapped(f"Beware: {text}", "", MARGIN))

    def show(self, block: str) -> None:
        """Lines that are laid out already: a graph, a formula; indented where there is room."""
        lines = block.strip("\n").splitlines()
        room = max(map(len, lines)) + len(MARGIN) <= WIDTH
        self._parts.append("\n".join((MARGIN if room else "") + line for line in lines).rstrip())

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Columns of numbers and words, the first one to the left, the others to the right."""
        cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            MARGIN
            + "  ".join(
                cell.rjust(width) if k else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        lines.insert(1, MARGIN + "  ".join("─" * width for width in widths))
        self._parts.append("\n".join(lines))

    def check(
        self,
        what: str,
        got: Any,
        expected: Any,
        rtol: float = ROUNDING,
        atol: float = 0.0,
    ) -> None:
        """|got − expected| ≤ rtol |expected| + atol, in every entry; rtol=0 for the same bits.

        Both are numbers, or arrays or nested sequences of them, of one shape.
        """
        actual, wanted = np.asarray(got, float), np.asarray(expected, float)
        passed = actual.shape == wanted.shape and np.allclose(
            actual, wanted, rtol=rtol, atol=atol or np.finfo(float).tiny
        )
        self.checks.append(Check(what, _array(wanted), _array(actual), bool(passed)))

    def below(self, what: str, got: float, bound: float) -> None:
        """|got| < bound."""
        self.checks.append(
            Check(what, f"below {number(bound)}", f"{got:.2g}", bool(abs(got) < bound))
        )

    def holds(self, what: str, statement: bool) -> None:
        """A statement that has to be true."""
        self.checks.append(Check(what, "true", str(bool(statement)).lower(), bool(statement)))

    def figure(self, file: str, draw: Callable[[], bytes]) -> None:
        """A picture, drawn when it is written."""
        self.figures[file] = draw

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Draws the figures into the folder, each whole or not at all; returns their paths.

        The folder is made if need be. Raises `OSError` where it cannot be written.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        paths = [target / file for file in self.figures]
        for path, draw in zip(paths, self.figures.values(), strict=True):
            with replacing(path) as file:
                file.write(draw())
        return paths

    def __repr__(self) -> str:
        wrong = sum(not check.passed for check in self.checks)
        return f"<Result {self.row} {self.name}: {len(self.checks)} checks, {wrong} failed>"

    def _repr_html_(self) -> str:
        pictures = "".join(_picture(file, draw()) for file, draw in self.figures.items())
        return f"<pre>{escape(self.text)}</pre>{pictures}"


def number(value: float, digits: int = 6) -> str:
    """A number for reading, with a minus sign."""
    return f"{float(value) + 0.0:.{digits}g}".replace("-", "−")  # + 0.0: no −0


def _cell(value: object) -> str:
    """Words as they are, whole numbers with commas, others with six digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return f"{int(value):,}".replace("-", "−")
    return number(float(value))  # type: ignore[arg-type]


def _array(values: Any) -> str:
    """(a, b), ((a, b), (c, d)); of long arrays only their size."""
    if values.ndim == 0:
        return number(float(values), 10)
    if values.size > 9:
        return f"{values.size:,} numbers"
    return "(" + ", ".join(_array(row) for row in values) + ")"


def _wrapped(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
    )


def _picture(file: str, content: bytes) -> str:
    if file.endswith(".svg"):
        return content.decode()
    data = base64.b64encode(content).decode()
    return f'<img alt="{escape(file)}" src="data:image/png;base64,{data}">'
