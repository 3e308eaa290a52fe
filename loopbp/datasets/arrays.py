"""Datasets in npz files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..npz import MAX_BYTES, FileError, read_arrays
from .dataset import Dataset
from .files import MAX_EXAMPLES, check_count
from .labels import TASKS, encode

FLOAT64 = np.dtype(np.float64)


def read_npz(
    path: str | os.PathLike[str],
    *,
    task: str = "auto",
    max_examples: int = MAX_EXAMPLES,
    max_bytes: int = MAX_BYTES,
) -> Dataset:
    """The arrays X and Y of an npz file, and X_test and Y_test where it has them.

    X (N, features) of any real dtype, used as it is, not scaled. Y (N,) of integers or text holds
    classes (encoded as in `read_csv`), (N,) of floats is one target, (N, k) holds targets. With
    X_test and Y_test the examples follow one another and `train_size` says where the test part
    begins. Other arrays are left alone.

    task : as in `read_csv`.  max_examples, max_bytes : larger files are refused.

    Raises `FileError` for a file that `loopbp.npz.read_arrays` refuses, without these arrays, or
    with arrays that do not fit together or hold NaN or infinity (row and column named);
    `ValueError` for an unknown task; `OSError` when it cannot be opened.
    """
    path = Path(path)
    checks.choice("task", task, TASKS)
    arrays = read_arrays(path, max_bytes=max_bytes)
    tested = "X_test" in arrays or "Y_test" in arrays
    wanted = ("X", "Y", "X_test", "Y_test") if tested else ("X", "Y")
    if any(name not in arrays for name in wanted):
        held = ", ".join(arrays) or "none"
        raise FileError(f"{path}: expected the arrays {', '.join(wanted)}; got {held}")
    try:
        X, Y = _pair(arrays, "X", "Y", task)
        train_size = len(X) if tested else None
        if tested:
            X_test, Y_test = _pair(arrays, "X_test", "Y_test", task)
            _check_alike("X", X, X_test)
            _check_alike("Y", Y, Y_test)
            X, Y = np.concatenate([X, X_test]), np.concatenate([Y, Y_test])
    except (TypeError, ValueError) as problem:
        raise FileError(f"{path}: {problem}") from None
    check_count(path, len(X), max_examples)
    if Y.ndim == 2:
        return Dataset(path.stem, X, Y, None, train_size)
    labels, classes = encode(f"{path}: array Y", Y.tolist(), task)
    return Dataset(path.stem, X, labels, classes, train_size)


def _pair(
    arrays: dict[str, NDArray[Any]], x: str, y: str, task: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    """X (N, features) float64, and Y: classes (N,) not yet encoded, or float64 targets (N, k)."""
    given = arrays[x]
    if given.ndim != 2 or given.shape[1] == 0:
        raise ValueError(f"{x}: expected shape (N, features); got {given.shape}")
    X = checks.matrix(x, given, FLOAT64, columns=given.shape[1])
    return X, _answers(y, arrays[y], len(X), task)


def _answers(name: str, given: NDArray[Any], N: int, task: str) -> NDArray[Any]:
    """The array of this name for N examples: classes (N,), or float64 targets (N, k)."""
    if given.ndim not in (1, 2) or len(given) != N or 0 in given.shape:
        raise ValueError(f"{name}: expected shape ({N},) or ({N}, k); got {given.shape}")
    real = given.dtype.kind == "f"
    if task == "regression" or (task == "auto" and (real or given.ndim == 2)):
        return checks.finite(name, checks.numeric(name, given), FLOAT64).reshape(N, -1)
    if given.ndim == 2:
        raise ValueError(f"{name}: expected one label per example, shape (N,); got {given.shape}")
    if not real:
        return given
    integers = checks.finite(name, given, FLOAT64).astype(np.int64)
    if np.any(integers != given):
        raise ValueError(f"{name}: expected integers or text as classes; got other numbers")
    return integers


def _check_alike(name: str, train: NDArray[Any], test: NDArray[Any]) -> None:
    """Raise `ValueError` unless the two parts differ only in the number of examples."""
    if train.shape[1:] != test.shape[1:] or (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise ValueError(
            f"{name}_test: expected the columns and kind of {name}, {train.shape} of "
            f"{train.dtype}; got {test.shape} of {test.dtype}"
        )
