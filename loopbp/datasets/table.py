"""Datasets in CSV files: tables of numbers, one example per line."""

from __future__ import annotations

import csv
import difflib
import math
import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..npz import MAX_BYTES, FileError
from .dataset import Dataset
from .files import MAX_EXAMPLES
from .labels import TASKS, encode

Columns: TypeAlias = str | int | Sequence[str | int]
"""One column by name or index, or several."""

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""What may stand between two cells, and what it is called."""

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
"""Cells, in lower case, that stand for a value that is not there."""


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: Columns | None = None,
    task: str = "auto",
    header: bool = True,
    separator: str = ",",
    max_examples: int = MAX_EXAMPLES,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """A table of numbers, one example per line, separated by commas by default; UTF-8.

    target : the column to predict, by name or by index from 0 (negative: from the end); None is
        the last. A sequence: several columns of real targets. All other columns are features.
    task : "classification" (Y are labels), "regression" (Y are targets (N, k)), or "auto": one
        target column of integers or of text is classification, anything else is regression.
    header : the first line names the columns. False: columns are called "0", "1", …. A first line
        with numbers for all features is refused, since it looks like an example; the columns'
        own numbers, as pandas writes them by default, are names.
    separator : what is between two cells, one of `SEPARATORS`.
    max_examples, max_bytes : larger files are refused.

    Classes are the distinct values, sorted as integers if all are, else as text; the label of an
    example is the position of its value. Blank lines are skipped; spaces around a cell do not
    count.

    Raises `FileError` for an empty or too large file, a bad header, a line of another length, a
    missing, non-numeric or infinite value, each with line and column; `ValueError` or `TypeError`
    for an unknown target (with the nearest name) or task; `OSError` when it cannot be opened.
    """
    path = Path(path)
    checks.choice("task", task, TASKS)
    checks.choice("separator", separator, SEPARATORS)
    if task == "classification" and isinstance(target, list | tuple) and len(target) > 1:
        raise ValueError(f"target: expected one column of classes; got {len(target)} columns")
    with path.open(newline="", encoding="utf-8-sig") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise FileError(f"{path}: {size:,} bytes; at most {max_bytes:,} are allowed")
        try:
            table = _read_table(path, file, target, header, separator, max_examples)
        except UnicodeDecodeError as problem:
            raise FileError(f"{path}: expected text in UTF-8: {problem}") from None
        except csv.Error as problem:
            kind = f"a table separated by {SEPARATORS[separator]}"
            raise FileError(f"{path}: not {kind}: {problem}") from None
    X = table.X()
    Y, classes = table.Y(task)
    return Dataset(path.stem, X, Y, classes)


@dataclass
class _Table:
    """A CSV file, read: the features as numbers, the target columns still as text."""

    path: Path
    names: list[str]
    feature_at: list[int]
    target_at: list[int]
    features: array[float] = field(default_factory=lambda: array("d"))
    answers: list[str] = field(default_factory=list)  # line after line
    lines: array[int] = field(default_factory=lambda: array("q"))  # where each example ends

    def add(self, line: int, row: list[str]) -> None:
        """One example, which ends in this line of the file."""
        try:
            self.features.extend([float(row[i]) for i in self.feature_at])
        except ValueError:
            bad = next(i for i in self.feature_at if _number(row[i]) is None)
            raise self._cell_error(line, bad, row[bad]) from None
        self.answers.extend([row[i].strip() for i in self.target_at])
        self.lines.append(line)

    def X(self) -> NDArray[np.float64]:
        """The features (N, features), finite."""
        X = np.frombuffer(self.features)
        bad = np.flatnonzero(~np.isfinite(X))
        if len(bad):
            n, k = divmod(int(bad[0]), len(self.feature_at))
            raise self._cell_error(self.lines[n], self.feature_at[k], str(X[bad[0]]))
        return X.reshape(len(self.lines), -1)

    def Y(self, task: str) -> tuple[NDArray[Any], tuple[str, ...] | None]:
        """Labels (N,) and their classes, or targets (N, k) and None."""
        if len(self.target_at) > 1 or task == "regression":
            return self._targets(), None
        column = self.target_at[0]
        for line, cell in zip(self.lines, self.answers, strict=True):
            if cell.lower() in MISSING:
                raise self._cell_error(line, column, cell)
        where = f"{self.path}: column {self.names[column]!r}"
        numbers = [_number(cell) for cell in self.answers]
        integers = [number for number in numbers if isinstance(number, int)]
        if len(integers) == len(numbers):
            return encode(where, integers, task)
        # One number that is no integer makes it regression: a word among them is then an error.
        if task == "auto" and any(isinstance(number, float) for number in numbers):
            return self._targets(), None
        return encode(where, self.answers, task)

    def _targets(self) -> NDArray[np.float64]:
        """The target columns as numbers (N, k), finite."""
        Y = np.array([_real(cell) for cell in self.answers])
        bad = np.flatnonzero(~np.isfinite(Y))
        if len(bad):
            n, k = divmod(int(bad[0]), len(self.target_at))
            raise self._cell_error(self.lines[n], self.target_at[k], self.answers[bad[0]])
        return Y.reshape(len(self.lines), -1)

    def _cell_error(self, line: int, column: int, cell: str) -> FileError:
        """The error for one cell that is missing or not a finite number."""
        where = f"{self.path}: line {line}, column {self.names[column]!r}"
        if cell.strip().lower() in MISSING:
            return FileError(f"{where}: the value is missing (the cell is {cell!r})")
        return FileError(f"{where}: expected a finite number; got {checks.shorten(repr(cell))}")


def _number(cell: str) -> int | float | None:
    """The integer or else the real number that a cell holds, None for other text."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return None


def _real(cell: str) -> float:
    """The real number that a cell holds, NaN for other text."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _read_table(
    path: Path,
    file: IO[str],
    target: Columns | None,
    header: bool,
    separator: str,
    max_examples: int,
) -> _Table:
    """Read the lines of a CSV file; `FileError` at the first one that does not fit."""
    reader = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=True)
    rows = (row for row in reader if any(cell.strip() for cell in row) or len(row) > 1)
    first = next(rows, None)
    if first is None:
        raise FileError(f"{path}: the file is empty")
    names = [name.strip() for name in first] if header else [str(i) for i in range(len(first))]
    if len(names) < 2:
        raise _one_column(path, first[0], separator)
    target_at = _target_columns(path, names, target)
    feature_at = [i for i in range(len(names)) if i not in target_at]
    if not feature_at:
        raise ValueError("target: expected at least one column that is left as a feature; got none")
    if header:
        _check_names(path, names, feature_at)
    table = _Table(path, names, feature_at, target_at)
    for row in rows if header else chain([first], rows):
        line = reader.line_num
        if len(row) != len(names):
            raise FileError(f"{path}: line {line}: expected {len(names)} cells; got {len(row)}")
        if len(table.lines) == max_examples:
            raise FileError(f"{path}: more than the {max_examples:,} examples that are allowed")
        table.add(line, row)
    if not table.lines:
        raise FileError(f"{path}: no examples below the header")
    if header:
        _check_no_class(table)
    return table


def _one_column(path: Path, line: str, separator: str) -> FileError:
    """The error for a first line that is one cell; it names the separator that is in there."""
    likely = max(SEPARATORS, key=line.count)
    hint = ""
    if line.count(likely):
        shell = "tab" if likely == "\t" else f"'{likely}'"
        hint = (
            f"; it seems to be separated by {SEPARATORS[likely]}: separator={likely!r}, in the "
            f"shell --separator {shell}"
        )
    elif len(line.split()) > 1:
        hint = "; it seems to be separated by spaces, which have to be replaced by commas"
    return FileError(
        f"{path}: expected at least two columns separated by {SEPARATORS[separator]}, features "
        f"and a target; got one, {checks.shorten(repr(line))}{hint}"
    )


def _check_names(path: Path, names: list[str], feature_at: list[int]) -> None:
    """Raise `FileError` for a name that is missing or there twice, or a line like an example."""
    features = [names[i] for i in feature_at]
    if not _numbered(names, feature_at) and all(map(_like_a_value, features)):
        raise _no_names(path, f"numbers, {checks.shorten(', '.join(features))}")
    for i, name in enumerate(names):
        if not name:
            raise FileError(f"{path}: column {i + 1} of {len(names)} has no name in the first line")
        if name in names[:i]:
            raise FileError(f"{path}: two columns are called {name!r}")


def _check_no_class(table: _Table) -> None:
    """Raise `FileError` if numbered columns have a target named as one of its classes.

    The first line is then an example whose features happen to be 0, 1, ….
    """
    target = table.names[table.target_at[0]]
    if (
        len(table.target_at) == 1
        and _number(target) is None
        and _numbered(table.names, table.feature_at)
        and target in table.answers
    ):
        raise _no_names(table.path, f"an example of the class {checks.shorten(repr(target))}")


def _numbered(names: list[str], feature_at: list[int]) -> bool:
    """Whether the features are called by their positions, as pandas does by default."""
    return all(names[i] == str(i) for i in feature_at)


def _like_a_value(name: str) -> bool:
    """Whether this could be a cell of a feature: a number, or one that is missing."""
    return _number(name) is not None or name.lower() in MISSING


def _no_names(path: Path, got: str) -> FileError:
    """The error for a first line that is an example."""
    return FileError(
        f"{path}: expected column names in the first line; got {got} (header=False, in the shell "
        "--no-header, reads a file without names)"
    )


def _target_columns(path: Path, names: list[str], target: Columns | None) -> list[int]:
    """The positions of the target columns, in the order asked for."""
    if target is None:
        return [len(names) - 1]
    wanted = list(target) if isinstance(target, list | tuple) else [target]
    columns = [_column(path, names, name) for name in wanted]
    if not columns or len(set(columns)) < len(columns):
        raise ValueError(f"target: expected one or more different columns; got {target!r}")
    return columns


def _column(path: Path, names: list[str], column: object) -> int:
    """The position of the column with this name or index."""
    if not isinstance(column, str):
        return checks.integer("target", column, low=-len(names), high=len(names) - 1) % len(names)
    if column in names:
        return names.index(column)
    near = difflib.get_close_matches(column, names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise ValueError(
        f"target: expected one of the {len(names)} columns of {path} ({some}); got "
        f"{checks.shorten(repr(column))}{hint}"
    )
