"""A dataset by its name or its path."""

from __future__ import annotations

import os
from pathlib import Path

from .. import checks
from .arrays import read_npz
from .dataset import Dataset
from .digits import digits
from .files import MAX_EXAMPLES
from .mnist import mnist
from .table import Columns, read_csv


def load(
    source: str | os.PathLike[str],
    *,
    target: Columns | None = None,
    task: str = "auto",
    header: bool = True,
    separator: str = ",",
    max_examples: int = MAX_EXAMPLES,
) -> Dataset:
    """The dataset that `source` names: "digits", "mnist", or the path of a .csv or .npz file.

    A folder is read as the MNIST files that are in it. `target`, `header` and `separator`
    are `read_csv`'s and only for CSV files; `task` is `read_csv`'s and `read_npz`'s.

    Raises `ValueError` for an unknown name, with the nearest one, or an option that the source does
    not have; and what the loader raises.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix != ".csv" and target is not None:
        raise ValueError(f"target: only a .csv file has columns to choose from; got {source!s}")
    if suffix != ".csv" and not header:
        raise ValueError(f"header: only a .csv file has one; got {source!s}")
    if suffix != ".csv" and separator != ",":
        raise ValueError(f"separator: only a .csv file has one; got {source!s}")
    if suffix == ".csv":
        return read_csv(
            path,
            target=target,
            task=task,
            header=header,
            separator=separator,
            max_examples=max_examples,
        )
    if suffix == ".npz":
        return read_npz(path, task=task, max_examples=max_examples)
    if task != "auto":
        raise ValueError(f"task: only for .csv and .npz files; got {task!r} with {source!s}")
    if str(source) not in ("digits", "mnist") and path.is_dir():
        return mnist(path, max_examples=max_examples)
    name = checks.choice("data", str(source), ("digits", "mnist", "FILE.csv", "FILE.npz"))
    return digits() if name == "digits" else mnist(max_examples=max_examples)
