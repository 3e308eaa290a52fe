"""What a diagnosis found, and how it is told."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checks import integer
from . import names
from .catalogue import GRADIENT, Mistake
from .rounding import Floats
from .search import Explanation, Finding

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 80
#: Explanations that are written out; the others are counted.
MOST_SHOWN = 4
#: Mistakes that are named as invisible.
MOST_NAMED = 6

#: Pairs of mistakes that cancel in the new weights, and what is said of them.
CONVENTIONS = ({"error-swapped", "ascent"}, {"gradient-sign", "ascent"})
CONVENTION = (
    "Together these are a convention: what is called the gradient is minus the derivative, and the "
    "step adds it; the new weights are right."
)

_SYMBOLS = {"S": "S", "x": "x", "delta": "δ", "grad": "∂f/∂w", "W_new": "new w"}


@dataclass(frozen=True)
class Departure:
    """The first number, in order of computation, that is not what it should be.

    quantity: S, x, delta, grad or W_new; layer and index in the legend's numbers: (n, j) of S and
    δ, (n, i) of x, (i, j) of gradients and weights, examples from 0, nodes from 1, the bias i = 0.
    ulps: how many numbers of the submission's dtype lie between the two, None for NaN. place:
    where it stands in the array as it came, as `dz1[0, 2]`; empty if that is not known.
    """

    quantity: str
    layer: int
    index: tuple[int, int]
    expected: float
    got: float
    ulps: int | None
    place: str

    @property
    def name(self) -> str:
        """δ_2^(1) of example 0."""
        a, b = self.index
        if self.quantity in ("grad", "W_new"):
            comma = "," if max(a, b) > 9 else ""
            return f"{_SYMBOLS[self.quantity]}_{a}{comma}{b}^({self.layer})"
        return f"{_SYMBOLS[self.quantity]}_{b}^({self.layer}) of example {a}"


class Row(NamedTuple):
    """One quantity that was given: how much of it departs, and by how much at most."""

    quantity: str
    layer: int
    name: str
    entries: int
    departing: int
    difference: float
    ulps: float

    @property
    def symbol(self) -> str:
        """δ^(1)."""
        return f"{_SYMBOLS[self.quantity]}^({self.layer})"


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is wrong with somebody's backpropagation.

    first: the first number that departs from the right one by more than rounding; None if none
    does. explanations: every set of mistakes with the fewest in it that explains all numbers,
    within rounding: () if nothing is wrong or if nothing fits. rows: one per given quantity in
    order of computation. invisible: of a submission in which nothing is wrong, mistakes that these
    numbers would not show. notes: how the submission was read. unclear: the numbers are right if
    they were rounded, and too few to prove that; then first is None. observations: what stands out
    in numbers that nothing explains, as that an array is 12 times the expected. left_out: names of
    arrays that were given and not compared, since the names are not understood.
    """

    first: Departure | None
    explanations: tuple[Explanation, ...]
    rows: tuple[Row, ...]
    invisible: tuple[Mistake, ...]
    notes: tuple[str, ...]
    unclear: bool = False
    observations: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`agrees`, `explained`, `unexplained` or `unclear`."""
        if self.first is None:
            return "unclear" if self.unclear else "agrees"
        return "explained" if self.explanations else "unexplained"

    @property
    def agrees(self) -> bool:
        """Whether every number is right, within rounding."""
        return self.verdict == "agrees"

    @property
    def mistakes(self) -> Explanation:
        """The mistakes of the first explanation; () if nothing is wrong or nothing fits."""
        return self.explanations[0] if self.explanations else ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per given quantity: quantity, layer, name, entries, departing, difference, ulps.

        difference and ulps are the largest of the departing entries, 0 where none departs.
        """
        import pandas as pd

        return pd.DataFrame(self.rows, columns=Row._fields)

    @property
    def summary(self) -> str:
        """The diagnosis in one line."""
        ways = [", and ".join(named(finding) for finding in way) for way in self.explanations]
        return self._told("; or ".join(ways))

    @property
    def brief(self) -> str:
        """The diagnosis in few words: names of the catalogue, and where they were made."""
        ways = [" + ".join(_tag(finding) for finding in way) for way in self.explanations]
        return self._told("  or  ".join(ways))

    def _told(self, explained: str) -> str:
        """A line with these explanations, or the verdict; and what was not compared."""
        told = [explained]
        if self.unclear:
            told = ["nothing can be told: right if the numbers were rounded"]
        elif self.first is None:
            told = ["agrees within rounding"]
        elif not self.explanations:
            told = [f"nothing fits; first departs at {self.first.name}", *self.observations]
        if self.left_out:
            told.append(f"not compared: {names.listed(self.left_out)}")
        return "; ".join(told)

    def to_text(self, width: int = WIDTH) -> str:
        """For a terminal: lines of at most `width` characters, 40 or more, where words allow."""
        width = integer("width", width, low=40)
        lines: list[str] = []
        for kind, text in self._paragraphs():
            if kind == "formula":
                filled = textwrap.fill(text, width - 4, subsequent_indent=" " * 10)
                lines.append(textwrap.indent(filled, " " * 4))
            elif kind == "row":
                lines.append(f"  {text}")
            else:
                lines += ([""] if kind == "heading" and lines else []) + [
                    textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
                ]
        return "\n".join(lines)

    def _paragraphs(self) -> Iterator[tuple[str, str]]:
        """What there is to say, as (kind, text): heading, text, formula or row."""
        yield "heading", self._verdict()
        if self.first is not None:
            yield from self._first(self.first)
        for k, way in enumerate(self.explanations[:MOST_SHOWN]):
            if way:
                yield from _explained(way, k)
            if self._convention(way):
                yield "heading", CONVENTION
        more = len(self.explanations) - MOST_SHOWN
        if more > 0:
            yield "text", f"And {more} more, which these numbers do not tell apart either."
        if self.invisible:
            titles = [mistake.title for mistake in self.invisible[:MOST_NAMED]]
            rest = len(self.invisible) - len(titles)
            others = f", or {rest} more mistakes" if rest else ""
            yield "heading", f"These numbers would not show it if {', or '.join(titles)}{others}."
        for note in self.notes:
            yield "heading", f"Note: {note}."

    def _convention(self, way: Explanation) -> bool:
        """Whether these are two mistakes that leave the new weights as they should be."""
        right = not any(row.departing for row in self.rows if row.quantity == "W_new")
        return right and {finding.mistake.name for finding in way} in CONVENTIONS

    def _verdict(self) -> str:
        if self.unclear:
            return (
                "Nothing can be told: all numbers are right if they were rounded, and too few of "
                "them have decimals to prove that. Whoever knows can say to how many decimals."
            )
        if self.first is None:
            count = sum(row.entries for row in self.rows)
            which = " that were compared" if self.left_out else ""
            return f"Nothing is wrong: all {count:,} numbers{which} agree within rounding."
        if not self.explanations:
            return (
                "Something is wrong, and no mistake of the catalogue, alone or together with "
                "another, explains all numbers."
            )
        titles = ", and ".join(named(finding) for finding in self.mistakes)
        others = len(self.explanations) - 1
        also = f" (or one of {others} others)" if others > 1 else " (or another)" if others else ""
        return f"{_begun(titles)}{also}: that explains all numbers."

    def _first(self, first: Departure) -> Iterator[tuple[str, str]]:
        """Where it departs first, and what agrees and departs."""
        apart = "not a number" if first.ulps is None else f"{counted(first.ulps)} ulps apart"
        place = f" ({first.place})" if first.place else ""
        yield "heading", f"The first number that departs is {first.name}{place}:"
        yield "row", f"expected {first.expected!r}"
        yield "row", f"got      {first.got!r}   {apart}"
        agreeing = [row.symbol for row in self.rows if not row.departing]
        if agreeing:
            yield "text", f"Right, within rounding: {', '.join(agreeing)}."
        departing = [
            f"{row.symbol} ({row.departing:,} of {row.entries:,})"
            for row in self.rows
            if row.departing
        ]
        yield "text", f"Departing: {', '.join(departing)}."
        for observation in self.observations:
            yield "heading", f"Observed: {observation}."

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.summary}>"

    def _repr_html_(self) -> str:
        parts = []
        tags = {"heading": "p", "text": "p", "formula": "code", "row": "code"}
        for kind, text in self._paragraphs():
            tag = tags[kind]
            line = f"<{tag}>{escape(text)}</{tag}>"
            parts.append(
                line
                if tag == "p"
                else f"<div style='margin-left:2em; white-space:pre-wrap'>{line}</div>"
            )
        headings = "".join(
            f"<th>{name}</th>" for name in ("", "as", "entries", "departing", "largest", "ulps")
        )
        rows = "".join(
            f"<tr><td>{escape(row.symbol)}</td><td>{escape(row.name)}</td>"
            f"<td>{row.entries:,}</td><td>{row.departing:,}</td><td>{row.difference:.3g}</td>"
            f"<td>{counted(row.ulps)}</td></tr>"
            for row in self.rows
        )
        return f"{''.join(parts)}<table><tr>{headings}</tr>{rows}</table>"


def named(finding: Finding) -> str:
    """g′ is left out in layers 0 and 1; without them for gradients that are wrong everywhere."""
    title, layers = finding.mistake.title, finding.layers
    whole = finding.everywhere and finding.mistake.stage >= GRADIENT
    if whole or not finding.mistake.by_layer:
        return title
    if len(layers) == 1:
        return f"{title} in layer {layers[0]}"
    listed = ", ".join(map(str, layers[:-1]))
    return f"{title} in layers {listed} and {layers[-1]}"


def _tag(finding: Finding) -> str:
    """slope-left-out[0,1]; without the layers where it was made everywhere."""
    if finding.everywhere or not finding.mistake.by_layer:
        return finding.mistake.name
    return f"{finding.mistake.name}[{','.join(map(str, finding.layers))}]"


def _begun(title: str) -> str:
    """As the beginning of a sentence; a formula's letter stays small."""
    return title if title.startswith(("g′", "δ ")) else title[0].upper() + title[1:]


def counted(ulps: float) -> str:
    """How many numbers lie between two: 3, 1,024 or 4.5e+15."""
    if math.isnan(ulps):
        return "—"
    return f"{int(ulps):,}" if ulps < 1e6 else f"{float(ulps):.1e}"


def between(a: float, b: float, dtype: np.dtype[Any]) -> int | None:
    """How many steps of this dtype lead from a to b; None for NaN."""
    if math.isnan(a) or math.isnan(b):
        return None
    first, second = (int(_ordered(np.array([value]), dtype)[0]) for value in (a, b))
    return abs(first - second)


def largest_between(a: Floats, b: Floats, dtype: np.dtype[Any]) -> float:
    """The largest number of steps between entries, NaN where one is NaN; 0 of none."""
    if len(a) == 0:
        return 0.0
    if np.isnan(a).any() or np.isnan(b).any():
        return float("nan")
    steps = _ordered(a, dtype).astype(np.float64) - _ordered(b, dtype).astype(np.float64)
    return float(np.abs(steps).max())


def _ordered(values: Floats, dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Integers in the order of the numbers, a step apart where the numbers are neighbours."""
    with np.errstate(over="ignore", under="ignore"):
        bits = values.astype(dtype).view(f"i{dtype.itemsize}").astype(np.int64)
    lowest = -(2 ** (8 * dtype.itemsize - 1))
    return np.where(bits < 0, lowest - bits, bits)


def _explained(way: Sequence[Finding], k: int) -> Iterator[tuple[str, str]]:
    """The wrong line beside the right one, the reason and a hint, of each mistake."""
    for finding in way:
        mistake = finding.mistake
        lead = "Or, which these numbers do not tell apart: " if k and finding is way[0] else ""
        title = named(finding)
        yield "heading", f"{lead}{title}." if lead else f"{_begun(title)}."
        yield "formula", f"wrong     {mistake.wrong}"
        yield "formula", f"right     {mistake.right}"
        yield "text", f"{mistake.explanation} {mistake.hint}"
