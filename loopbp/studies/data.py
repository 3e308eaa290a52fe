"""The examples of a study, and the network that fits them."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .. import datasets, draws
from ..datasets import Dataset, Split
from ..datasets.table import Columns
from ..network import Network


def digest(data: Dataset) -> str:
    """SHA-256 of the examples, so that pieces of changed data are never taken for others."""
    content = hashlib.sha256(repr((data.X.shape, data.Y.shape, data.classes)).encode())
    content.update(data.X.tobytes())
    content.update(data.Y.tobytes())
    return content.hexdigest()


#: What says which data a piece has, in the settings and in its parameters: the first argument of
#: `datasets.load`, the others (see `reading`), and the `digest` of what they gave.
NAMES = ("data", "reading", "digest")


def reading(target: Columns | None, task: str, header: bool, separator: str) -> str:
    """What `datasets.load` is told besides the source, as JSON; empty where that is its defaults.

    Among a piece's parameters this tells readings of the same file apart.
    """
    given = {"target": target, "task": task, "header": bool(header), "separator": separator}
    defaults = {"target": None, "task": "auto", "header": True, "separator": ","}
    said = {name: value for name, value in given.items() if value != defaults[name]}
    return json.dumps(said, ensure_ascii=False, default=operator.index) if said else ""


def load_for(piece: Mapping[str, Any]) -> Split:
    """The examples of a piece: see `load`."""
    return load(piece["data"], piece["digest"], piece["examples"], piece["reading"])


@functools.lru_cache(maxsize=2)
def load(source: str, expected: str, examples: int, reading: str = "") -> Split:
    """At most so many examples to train on, and to test on, of the data that `source` names.

    They are drawn once, whatever the seed of a piece, and keep their order. Raises `ValueError`
    where the data is not that whose digest is expected: a file has changed, or is another one on
    another machine; and what `datasets.load` raises.
    """
    data = datasets.load(source, **(json.loads(reading) if reading else {}))
    if digest(data) != expected:
        raise ValueError(f"data: {source} is not what it was when the study was started")
    train, test = data.split(seed=0)
    return Split(_some(train, examples), _some(test, examples))


def network(
    train: Dataset,
    hidden_sizes: Sequence[int],
    seed: int,
    *,
    hidden: str = "sigmoid",
    init: str = "glorot",
    std: float | None = None,
) -> Network:
    """A network between the data's features and outputs: softmax and cross-entropy for classes,
    identity and the mean square for numbers."""
    output, loss = ("identity", "mse") if train.classes is None else ("softmax", "cross_entropy")
    sizes = [train.features, *hidden_sizes, train.outputs]
    return Network(sizes, hidden, output, loss, init, seed=seed, std=std)


def _some(data: Dataset, examples: int) -> Dataset:
    """So many examples, or all of them if there are fewer."""
    order = draws.permutation(draws.source(0), len(data))
    rows: Any = np.sort(order[:examples])
    return replace(data, X=data.X[rows], Y=data.Y[rows])
