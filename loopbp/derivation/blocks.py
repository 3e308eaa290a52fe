"""What a derivation's text is made of, whatever the format: a list of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .spelling import Piece

#: Words and pieces of formulas, one after the other.
Sentence = Sequence[str | Piece]
#: A right-hand side: pieces between which a line may be broken.
Side = tuple[Piece, ...]


@dataclass(frozen=True)
class Heading:
    """The title (level 1) or a section's (level 2)."""

    content: Sentence
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    content: Sentence


@dataclass(frozen=True)
class Remark:
    """A paragraph to which attention is drawn."""

    content: Sentence


@dataclass(frozen=True)
class Equation:
    """left = side = side …; each side with its sign, = or ≈."""

    left: Piece
    sides: tuple[tuple[str, Side], ...]


@dataclass(frozen=True)
class Matrix:
    """Entries, row by row; an abbreviated matrix has rows and columns of dots already."""

    rows: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class MatrixEquation:
    """left = names = the matrices, multiplied."""

    left: Piece
    names: Piece
    matrices: tuple[Matrix, ...]
    result: Matrix


@dataclass(frozen=True)
class Table:
    """A heading for every column, and rows."""

    headings: tuple[Sentence, ...]
    rows: tuple[tuple[Sentence, ...], ...]


Block = Heading | Paragraph | Remark | Equation | MatrixEquation | Table
