"""Class labels from the values in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..npz import FileError

TASKS = ("auto", "classification", "regression")

MAX_CLASSES = 1_000
"""The most different integers in a target that are taken for class labels without being told so."""


def encode(
    where: str, values: Sequence[Any], task: str
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The position of each value among the sorted distinct values, and the names of these.

    values : at least one, all integers or all text.
    where : the file, and the column or array in it, for the message.

    Raises `FileError` for a single class, and with task "auto" for more than `MAX_CLASSES`
    different integers.
    """
    distinct = sorted(set(values))
    if len(distinct) < 2:
        raise FileError(f"{where}: expected at least two classes; got only {distinct[0]!r}")
    if task == "auto" and len(distinct) > MAX_CLASSES and isinstance(distinct[0], int):
        raise FileError(
            f"{where}: {len(distinct):,} different integers; pass task='regression' to predict "
            "them as numbers, or task='classification' to take each for a class"
        )
    position = {value: index for index, value in enumerate(distinct)}
    labels = np.fromiter((position[value] for value in values), np.int64, len(values))
    return labels, tuple(str(value) for value in distinct)
