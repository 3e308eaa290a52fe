"""What a study is: a grid of pieces, what one piece computes, and how all of them are shown.

A piece is a plain dictionary of parameters, its seed among them. What it computes depends on these
parameters alone, so that it does not matter where and in what order the pieces are computed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..checks import choice, describe, integer, real

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: Parameters of a piece: names, and values that JSON has.
Parameters = dict[str, Any]

#: What a piece returns: rows with the same columns each; None for a number that there is not.
Rows = list[dict[str, Any]]


class Column(NamedTuple):
    """A column of a study's frame: its name, its pandas dtype, and what stands in it."""

    name: str
    dtype: str
    meaning: str


@dataclass(frozen=True)
class Study:
    """A sweep, and how it is read.

    name, title : what it is called, and what it asks, in a few words.
    version : raised when `run_piece` computes something else for the same parameters; a study of
        this package need not, since its text is part of what a piece is known by.
    columns : of the frame; each is a parameter of the pieces or a column of their rows.
    sizes, quick : the settings that may be changed and their defaults; what is smaller in a trial.
    grid : from the settings (`sizes`, seeds, data, reading, digest) to the pieces, in the order of
        the frame.
    run_piece : a pure function, defined in a module, from the parameters of a piece to its rows.
    summarise : from the frame to the short table that a page shows.
    read : from the frame to paragraphs that say what one sees; every number in them is computed.
    draw : from the frame to the picture.
    """

    name: str
    title: str
    version: int
    columns: tuple[Column, ...]
    sizes: Mapping[str, Any]
    quick: Mapping[str, Any]
    grid: Callable[[Mapping[str, Any]], list[Parameters]]
    run_piece: Callable[[Parameters], Rows]
    summarise: Callable[[pd.DataFrame], pd.DataFrame]
    read: Callable[[pd.DataFrame], list[str]]
    draw: Callable[[pd.DataFrame], Figure]

    def frame(self, pieces: Sequence[Parameters], rows: Sequence[Rows]) -> pd.DataFrame:
        """One tidy frame: the rows of every piece with its parameters, in the order of the grid."""
        import pandas as pd

        table = [
            {**piece, **row} for piece, found in zip(pieces, rows, strict=True) for row in found
        ]
        return pd.DataFrame(
            {
                name: pd.Series([row[name] for row in table], dtype=dtype)
                for name, dtype, _ in self.columns
            }
        )

    def settings(self, *, quick: bool, changes: Mapping[str, Any]) -> dict[str, Any]:
        """`sizes` with what a trial and the caller change.

        Raises `TypeError` or `ValueError` for a name that the study does not have, and for values
        of another kind than the default's.
        """
        sizes = {**self.sizes, **(self.quick if quick else {})}
        for name, value in changes.items():
            choice(f"setting of {self.name}", name, self.sizes)
            sizes[name] = _like(name, value, self.sizes[name])
        return sizes


def derived_seed(*parts: Any) -> int:
    """A seed that belongs to these parameters, whoever computes it: 0 ≤ seed < 2^32."""
    return int(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8], 16)


def known(value: float) -> float | None:
    """`value` as a float; None where it is NaN or infinite, which JSON lacks."""
    number = float(value)
    return number if math.isfinite(number) else None


def _like(name: str, value: Any, default: Any) -> Any:
    """`value`, checked to be what `default` is: a number, a name, or some of them."""
    if isinstance(default, tuple):
        given = value if isinstance(value, list | tuple) else (value,)
        if not given:
            raise ValueError(f"{name}: expected at least one value; got none")
        values = tuple(_like(name, item, default[0]) for item in given)
        if len(set(values)) < len(values):
            raise ValueError(f"{name}: expected each value once; got {', '.join(map(str, values))}")
        return values
    if isinstance(default, int):
        return integer(name, value, low=1)
    if isinstance(default, float):
        return real(name, value, low=0, open_low=True)
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a name; got {describe(value)}")
    return value
