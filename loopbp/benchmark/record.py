"""The record of a benchmark: everything that was measured and where, as versioned JSON.

`write` and `read` are inverse to each other; `read` refuses what is not such a record, saying
which field is wrong.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..npz import replacing
from .machine import Git, Machine
from .statistics import Ratio, Summary
from .timing import Method

FORMAT = "loopbp benchmark"
VERSION = 1

#: What became of a contender in a cell.
TIMED, ABSENT, REFUSED, FAILED = "timed", "absent", "refused", "failed"


@dataclass(frozen=True)
class Entry:
    """A contender in a cell.

    `status`: timed; absent, refused (a wrong result) or failed, with the reason. `error` against
    our result (None: exact, or not finite); `digest`, SHA-256 of the result. `first`, the seconds
    of the first call in this process; `calls` per round; `stable`, whether the warm-up settled;
    `samples`, seconds per call, a round each; `ratio`, its time by the subject's.
    """

    name: str
    version: str | None
    status: str
    reason: str | None = None
    error: float | None = None
    digest: str | None = None
    first: float | None = None
    calls: int | None = None
    stable: bool | None = None
    samples: tuple[float, ...] = ()
    summary: Summary | None = None
    ratio: Ratio | None = None


@dataclass(frozen=True)
class Cell:
    """One task of one workload, in one dtype, on so many threads: who took how long.

    `examples` in a call; `subject`, the engine that the others are compared with; `digest`, the
    SHA-256 of the textbook loops' result; `tolerance` of the libraries' error; `effective`, what
    the libraries said of their threads.
    """

    workload: str
    sizes: tuple[int, ...]
    hidden: str
    batch_size: int
    examples: int
    dtype: str
    threads: int
    task: str
    subject: str
    digest: str
    tolerance: float
    effective: dict[str, Any]
    entries: tuple[Entry, ...]

    @property
    def key(self) -> tuple[str, str, int, str]:
        """What a cell of another run is compared by."""
        return self.workload, self.dtype, self.threads, self.task

    def entry(self, name: str) -> Entry | None:
        """The contender of that name, if it was asked for."""
        return next((entry for entry in self.entries if entry.name == name), None)


@dataclass(frozen=True)
class Start:
    """How long a contender takes to begin, each in a fresh process; seconds.

    `imports` of the library; then `prepare` (data and weights in place) and `first` call, with
    empty caches on disk (it compiles) and again with those that this left behind (it loads);
    `second`, the next call. None where it could not be measured, with the reason.
    """

    name: str
    workload: str
    dtype: str
    threads: int
    imports: float | None = None
    prepare: float | None = None
    first_empty_cache: float | None = None
    first_filled_cache: float | None = None
    second: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Record:
    """A run of the benchmark.

    `complete` is False while cells are still missing; `failures`, processes that broke down;
    `overrides`, variables that were set and were kept from the libraries.
    """

    date: str
    command: str
    complete: bool
    fresh_processes: bool
    method: Method
    machine: Machine
    software: dict[str, str | None]
    git: Git | None
    overrides: dict[str, str]
    cells: tuple[Cell, ...] = ()
    starts: tuple[Start, ...] = ()
    failures: tuple[str, ...] = ()


def write(path: Path, record: Record) -> None:
    """Writes the record atomically: the whole file or nothing."""
    document = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(record)}
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def read(path: str | os.PathLike[str]) -> Record:
    """The record in a file.

    Raises `OSError` where it cannot be opened, and `ValueError` for anything that is not a
    record of this version, naming the field.
    """
    with open(path, "rb") as file:
        data = file.read()
    name = os.fspath(path)
    try:
        document = json.loads(data)
    except ValueError as problem:
        raise ValueError(f"{name}: not a benchmark record; {problem}") from None
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise ValueError(f"{name}: not a benchmark record; expected format {FORMAT!r}")
    version = document.pop("version", None)
    if version != VERSION:
        raise ValueError(f"{name}: expected version {VERSION} of the record; got {version!r}")
    record: Record = decode(Record, document, name)
    return record


def decode(kind: Any, value: Any, where: str) -> Any:
    """A value from JSON as `kind`: dataclasses, tuples, dicts, unions with None, plain types.

    Raises `ValueError` that names the field where something else stands there.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        other = next(argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else decode(other, value, where)
    if dataclasses.is_dataclass(kind):
        return _decode_fields(kind, _expect(dict, value, where), where)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is dict:
        pairs = _expect(dict, value, where).items()
        return {key: decode(arguments[1], item, f"{where}.{key}") for key, item in pairs}
    if kind is float and type(value) is int:
        return float(value)
    if kind is float and type(value) is float and not math.isfinite(value):
        raise ValueError(f"{where}: expected a finite number; got {value}")
    return _expect(kind, value, where)


def _decode_fields(kind: Any, value: dict[str, Any], where: str) -> Any:
    """An instance of a dataclass from exactly its fields."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    for wrong, what in ((set(names) - set(value), "missing"), (set(value) - set(names), "unknown")):
        if wrong:
            raise ValueError(f"{where}: {what} field {sorted(wrong)[0]!r}")
    return kind(**{name: decode(hints[name], value[name], f"{where}.{name}") for name in names})


def _expect(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{where}: expected {kind.__name__}; got {type(value).__name__}")
    return value
