"""Submissions in files from strangers: read as data, with a cap on every size.

- npz: the arrays of `numpy.savez`, in the names that `names` understands. Nothing is unpickled.
- CSV: a row per number, with the columns quantity, l, n, i, j and value of `Trace.to_frame`, in
  the legend's numbers: nodes from 1, the constant node 0, examples from 0. Any part of a table
  will do. Rows of w (the weights before the step) and of losses are passed over.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import shorten
from ..npz import FileError, read_arrays
from . import names
from .catalogue import Case
from .problem import Quantity
from .rounding import Floats
from .submission import MOST_ARRAYS, Given, Tidy

SUFFIXES = (".npz", ".csv")
COLUMNS = ("quantity", "l", "n", "i", "j", "value")
#: A file may hold so many times the numbers that there are to compute, and as much besides.
GENEROUS, BESIDES = 4, 2**20
#: Characters of a number in a CSV file, at most, with its indices.
ROW = 100
_MISSING = ("", "<na>", "nan", "none")


def in_folder(path: Path) -> list[Path]:
    """The npz and CSV files of a folder by name; else the file itself."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise FileError(f"{path}: expected npz or CSV files in this folder; got none")
    return found


def left_out(path: Path) -> list[Path]:
    """The files of a folder by name that `in_folder` leaves out, but for hidden ones."""
    if not path.is_dir():
        return []
    return sorted(
        file
        for file in path.iterdir()
        if file.suffix.lower() not in SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def most_numbers(case: Case) -> int:
    """How many numbers there are: S, x, δ and, of each weight, gradient and new value."""
    nodes = case.N * (3 * sum(case.sizes) + len(case.sizes))
    weights = sum((n + 1) * m for n, m in zip(case.sizes[:-1], case.sizes[1:], strict=True))
    return nodes + 3 * weights


def read(path: Path, case: Case) -> Mapping[str, Any] | Tidy:
    """Arrays by name from an npz file, quantities from a CSV file.

    Raises `FileError` for a file that is not what it should be, or larger than any answer could
    be; `OSError` where it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: expected an npz or a CSV file; got {shorten(repr(suffix))}")
    if not path.is_file():
        kind = "there is no such file" if not path.exists() else "not a regular file"
        raise FileError(f"{path}: {kind}")
    numbers = most_numbers(case)
    limit = GENEROUS * numbers * (8 if suffix == ".npz" else ROW) + BESIDES
    size = path.stat().st_size
    if size > limit:
        raise FileError(f"{path}: {size:,} bytes; at most {limit:,} are allowed")
    return read_arrays(path, max_bytes=limit) if suffix == ".npz" else _read_csv(path, case)


def _read_csv(path: Path, case: Case) -> Tidy:
    """The quantities of a tidy table."""
    found: dict[Quantity, Given] = {}
    unknown: dict[str, int] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for line, row in _rows(path, file):
                where = f"{path}: line {line}"
                text = row["quantity"]
                words = names.lookup(text)
                if text in ("w", "loss"):
                    continue
                if words is None and len(unknown) < MOST_ARRAYS:
                    unknown.setdefault(text, line)
                elif words is not None:
                    _add(where, found, words, row, case)
    except UnicodeDecodeError as problem:
        raise FileError(f"{path}: expected text in UTF-8: {problem}") from None
    except csv.Error as problem:
        raise FileError(f"{path}: not a table separated by commas: {problem}") from None
    if not found and unknown:
        text, line = next(iter(unknown.items()))
        raise FileError(
            f"{path}: line {line}: expected S, x, delta, grad or W_new; got {shorten(repr(text))}"
        )
    if not found:
        raise FileError(f"{path}: no results of backpropagation below the header")
    return Tidy(list(found.values()), tuple(unknown))


def _rows(path: Path, file: Any) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header by column, with their lines."""
    reader = csv.reader(file, strict=True, skipinitialspace=True)
    header = [cell.strip().lower() for cell in next(reader, [])]
    for column in ("quantity", "l", "value"):
        if column not in header:
            raise FileError(
                f"{path}: expected the columns {', '.join(COLUMNS)} in the first line; got "
                f"{shorten(', '.join(header))!r}"
            )
    for row in reader:
        if len(row) not in (0, len(header)):
            raise FileError(
                f"{path}: line {reader.line_num}: expected {len(header)} cells; got {len(row)}"
            )
        if row:
            yield reader.line_num, dict(zip(header, map(str.strip, row), strict=True))


def _add(
    where: str, found: dict[Quantity, Given], words: names.Words, row: dict[str, str], case: Case
) -> None:
    """One row's number into its quantity."""
    kind = words.kind
    l = _index(where, row, "l", case.L if kind == "x" else case.L - 1)
    if kind in ("grad", "W_new"):
        shape = (case.sizes[l] + 1, case.sizes[l + 1])
        a = 0 if words.bias else _index(where, row, "i", shape[0] - 1)
        b = _index(where, row, "j", shape[1], first=1) - 1
    else:
        shape = (case.N, case.sizes[l] if kind == "x" else case.sizes[l + 1])
        a = 0 if case.N == 1 and not row.get("n") else _index(where, row, "n", case.N - 1)
        b = _index(where, row, "i" if kind == "x" else "j", shape[1], first=int(kind != "x")) - 1
        if b < 0:
            return  # the constant node
    quantity = Quantity(kind, l)
    one = found.get(quantity)
    if one is None:
        zeros: Floats = np.zeros(shape)
        one = found[quantity] = Given(
            quantity, zeros, np.zeros(shape, bool), np.dtype(np.float64), label=row["quantity"]
        )
    if one.known[a, b]:
        raise FileError(f"{where}: this number of {row['quantity']} was given before")
    try:
        one.values[a, b] = float(row["value"])
    except ValueError:
        raise FileError(f"{where}: expected a number; got {shorten(repr(row['value']))}") from None
    one.known[a, b] = True


def _index(where: str, row: dict[str, str], column: str, most: int, first: int = 0) -> int:
    """An index within the network; pandas writes 1.0 where others of the column are missing."""
    text = row.get(column, "")
    try:
        number = math.nan if text.lower() in _MISSING else float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer() or not first <= number <= most:
        raise FileError(
            f"{where}: expected {column} from {first} to {most}; got {shorten(repr(text))}"
        )
    return int(number)


def shown(path: str | os.PathLike[str]) -> str:
    """A stranger's file name on one line, without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))
