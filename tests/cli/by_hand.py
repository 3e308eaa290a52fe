"""Data and networks, read and computed without loopbp."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import loopbp


def digits_by_hand() -> tuple[np.ndarray, np.ndarray]:
    """The shipped digits, read without loopbp."""
    packed = Path(loopbp.__file__).parent / "data" / "digits.csv.gz"
    with gzip.open(packed, "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    return table[:, :64] / 16, table[:, 64].astype(int)


def network_by_hand(path: Path) -> list[np.ndarray]:
    """The matrices (n_l + 1, n_{l+1}) of a saved network, read without loopbp."""
    with np.load(path) as arrays:
        sizes = json.loads(str(arrays["network"]))["sizes"]
        theta = arrays["theta"]
    W = []
    for rows, columns in itertools.pairwise(sizes):
        W.append(theta[: (rows + 1) * columns].reshape(rows + 1, columns))
        theta = theta[(rows + 1) * columns :]
    return W


def outputs_by_hand(W: Sequence[np.ndarray], X: np.ndarray) -> list[np.ndarray]:
    """x^(0) … x^(L) of sigmoid layers with softmax at the end."""
    x = [X]
    for l, w in enumerate(W):
        S = w[0] + x[-1] @ w[1:]
        if l < len(W) - 1:
            x.append(1 / (1 + np.exp(-S)))
        else:
            e = np.exp(S - S.max(axis=1, keepdims=True))
            x.append(e / e.sum(axis=1, keepdims=True))
    return x
