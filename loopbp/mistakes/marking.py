"""Many submissions beside one network and one batch: a line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import datasets
from ..datasets.table import Columns
from ..network import Network
from ..npz import FileError, read_arrays
from . import files
from .diagnosis import Diagnosis
from .examine import Examiner

COLUMNS = (
    "submission", "verdict", "mistakes", "layers", "alternatives", "first", "place", "expected",
    "got", "ulps", "problem", "observations", "not_compared",
)  # fmt: skip
#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Marked:
    """A submission by its file, and its diagnosis, or else why it could not be read."""

    file: str
    diagnosis: Diagnosis | None
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it was read and nothing in it is wrong."""
        return self.diagnosis is not None and self.diagnosis.agrees

    @property
    def line(self) -> str:
        """What there is to say, in one line."""
        return f"not read: {self.problem}" if self.diagnosis is None else self.diagnosis.brief

    @property
    def row(self) -> dict[str, str]:
        """The line of the CSV file. Names of strangers are never formulas."""
        row = dict.fromkeys(COLUMNS, "") | {"submission": _harmless(self.file)}
        if self.diagnosis is None:
            return row | {"verdict": "not read", "problem": _harmless(self.problem)}
        found = self.diagnosis
        row["verdict"] = found.verdict
        row["mistakes"] = " + ".join(f.mistake.name for f in found.mistakes)
        row["layers"] = " + ".join(" ".join(map(str, f.layers)) for f in found.mistakes)
        row["alternatives"] = " | ".join(
            " + ".join(f.mistake.name for f in way) for way in found.explanations[1:]
        )
        row["observations"] = _harmless(" | ".join(found.observations))
        row["not_compared"] = _harmless(", ".join(found.left_out))
        if found.first is not None:
            first = found.first
            row |= {
                "first": first.name,
                "place": _harmless(first.place),
                "expected": repr(first.expected),
                "got": repr(first.got),
                "ulps": "" if first.ulps is None else str(first.ulps),
            }
        return row


def mark(
    examiner: Examiner,
    paths: Sequence[Path],
    *,
    weights: str = "auto",
    examples: str = "auto",
    decimals: int | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Iterator[Marked]:
    """Each file's diagnosis; a file that cannot be read gets a line that says why."""
    for path in paths:
        name = files.shown(path)
        try:
            computed = files.read(path, examiner.case)
            diagnosis = examiner.diagnose(
                computed, weights=weights, examples=examples, decimals=decimals
            )
        except (ValueError, TypeError, OSError, MemoryError, RecursionError) as problem:
            text = files.shown(str(problem) or type(problem).__name__)
            yield Marked(name, None, text.removeprefix(f"{name}: ").removeprefix("computed: "))
        else:
            yield Marked(name, diagnosis)
        tell(1)


def table(marked: Iterable[Marked]) -> str:
    """A CSV file with a line per submission.

    observations : of a submission that nothing explains, what stands out in it, as
    `Diagnosis.observations`; several are separated by " | ", as the alternatives are.
    not_compared : the names of arrays that are not understood, as `Diagnosis.left_out`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.row for one in marked)
    return text.getvalue()


def read_batch(
    source: str,
    net: Network,
    *,
    target: Columns | None = None,
    task: str = "auto",
    header: bool = True,
    separator: str = ",",
) -> tuple[NDArray[Any], NDArray[Any]]:
    """X and Y of a batch for this network; the options are those of `datasets.load`.

    Labels that are integers stay what they are, since a batch need not hold every class of the
    network; words are numbered in their order, and all of them have to be there.
    """
    path = Path(source)
    how: dict[str, Any] = {"target": target, "header": header, "separator": separator}
    plain = target is None and header and separator == ","
    if path.suffix.lower() == ".npz" and task == "auto" and plain:
        arrays = read_arrays(path)
        if "X" not in arrays or "Y" not in arrays:
            held = ", ".join(arrays) or "none"
            raise FileError(f"{path}: expected the arrays X and Y; got {held}")
        if arrays["Y"].dtype.kind != "U":
            return arrays["X"], arrays["Y"]
    if path.suffix.lower() == ".csv" and task == "auto":
        try:
            data = datasets.read_csv(path, task="regression", **how)
        except FileError:
            data = datasets.read_csv(path, **how)
    else:
        data = datasets.load(source, task=task, **how)
    Y = data.Y
    if Y.ndim == 2 and Y.shape[1] == 1 and net.sizes[-1] > 1 and (Y == np.round(Y)).all():
        return data.X, Y[:, 0].astype(np.int64)
    if data.classes is not None and all(name.isascii() and name.isdigit() for name in data.classes):
        return data.X, np.array([int(name) for name in data.classes])[Y]
    if data.classes is not None and len(data.classes) != net.sizes[-1]:
        raise ValueError(
            f"data: expected {net.sizes[-1]} classes, an output of the network each; got "
            f"{len(data.classes)} in {data.name}"
        )
    return data.X, Y


def _harmless(text: str) -> str:
    """Text that a spreadsheet takes for text."""
    return f"'{text}" if text.startswith(_FORMULA) else text
