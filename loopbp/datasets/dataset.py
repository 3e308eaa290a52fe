"""What every loader returns: examples with their labels or targets, and their split."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks, draws


class Split(NamedTuple):
    """The two parts of a dataset: `train` to fit, `test` to measure."""

    train: Dataset
    test: Dataset


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples with their labels or targets, as `Network.fit` takes them.

    name : what reports call the data.
    X : (N, features) float64, C-contiguous, finite.
    Y : (N,) int64 class labels 0 … len(classes) − 1, or (N, k) float64 targets, finite.
    classes : the names of the classes in the order of the labels; None when Y holds targets.
    train_size : when the source publishes a training and a test part, the number of leading
        examples that are the training part; else None.

    Raises `ValueError` when the shapes, dtypes and labels do not fit together.
    """

    name: str
    X: NDArray[np.float64]
    Y: NDArray[Any]
    classes: tuple[str, ...] | None = None
    train_size: int | None = None

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or 0 in self.X.shape or self.X.dtype != np.float64:
            raise ValueError(
                f"X: expected shape (N, features), both ≥ 1, of float64; got {self.X.shape} "
                f"of {self.X.dtype}"
            )
        rank, dtype = (2, np.float64) if self.classes is None else (1, np.int64)
        if self.Y.ndim != rank or len(self.Y) != len(self.X) or self.Y.dtype != dtype:
            shape = f"({len(self.X)}, k)" if self.classes is None else f"({len(self.X)},)"
            raise ValueError(
                f"Y: expected shape {shape} of {dtype.__name__}; got {self.Y.shape} "
                f"of {self.Y.dtype}"
            )
        if self.classes is not None and not 0 <= self.Y.min() <= self.Y.max() < len(self.classes):
            raise ValueError(
                f"Y: expected labels 0 to {len(self.classes) - 1}, the positions in classes; got "
                f"{self.Y.min()} to {self.Y.max()}"
            )
        if self.train_size is not None:
            checks.integer("train_size", self.train_size, low=1, high=len(self.X) - 1)

    def __len__(self) -> int:
        """N, the number of examples."""
        return len(self.X)

    @property
    def features(self) -> int:
        """The number of input nodes that a network for this data has."""
        return int(self.X.shape[1])

    @property
    def outputs(self) -> int:
        """The number of output nodes for this data: one per class, or one per target."""
        return int(self.Y.shape[1]) if self.classes is None else len(self.classes)

    def split(self, *, test: float | None = None, seed: int = 0) -> Split:
        """The training part and the test part.

        test : the share of the examples in the test part, 0 < test < 1; rounded to a whole number
            of examples, at least 1 and at most N − 1. None: the published parts where the source
            has them, else 0.2.
        seed : which examples these are; it does not touch published parts.

        With labels the split is stratified: each class has its share of the test part to within
        one example (largest remainders; of equal ones, the lower label). The same seed gives the
        same split on every machine and NumPy version, since only the raw bits of PCG64 are drawn.
        In both parts the examples keep their order.

        Raises `TypeError` or `ValueError` for another `test` or `seed`, or fewer than 2 examples.
        """
        if len(self) < 2:
            raise ValueError(f"{self.name}: expected at least 2 examples to split; got {len(self)}")
        bits = draws.source(seed)
        if test is None and self.train_size is not None:
            published, rest = slice(self.train_size), slice(self.train_size, None)
            return Split(self._part(published), self._part(rest))
        share = checks.real(
            "test", 0.2 if test is None else test, low=0, high=1, open_low=True, open_high=True
        )
        count = min(max(math.floor(share * len(self) + 0.5), 1), len(self) - 1)
        in_test = np.zeros(len(self), dtype=bool)
        in_test[self._drawn(count, bits)] = True
        return Split(self._part(~in_test), self._part(in_test))

    def _drawn(self, count: int, bits: np.random.PCG64) -> NDArray[np.int64]:
        """The indices of `count` examples drawn without replacement, stratified by label."""
        order = draws.permutation(bits, len(self))
        if self.classes is None:
            return order[:count]
        sizes = np.bincount(self.Y, minlength=len(self.classes))
        seats, remainders = np.divmod(sizes * count, len(self))
        seats[np.argsort(-remainders, kind="stable")[: count - seats.sum()]] += 1
        by_class = order[np.argsort(self.Y[order], kind="stable")]
        starts = np.cumsum(sizes) - sizes
        return np.concatenate(
            [by_class[start : start + taken] for start, taken in zip(starts, seats, strict=True)]
        )

    def _part(self, rows: slice | NDArray[np.bool_]) -> Dataset:
        return replace(self, X=self.X[rows], Y=self.Y[rows], train_size=None)

    @property
    def dimensions(self) -> str:
        """In words, how many features and classes or targets there are."""
        kind = "target" if self.classes is None else "class"
        features = "1 feature" if self.features == 1 else f"{self.features:,} features"
        plural = f"{kind}es" if kind == "class" else f"{kind}s"
        return f"{features}, {self.outputs:,} {kind if self.outputs == 1 else plural}"

    def __repr__(self) -> str:
        return f"<Dataset {self.name}: {len(self):,} examples, {self.dimensions}>"

    def _repr_html_(self) -> str:
        """A table for notebooks: the sizes, and the examples per class."""
        rows = [("examples", f"{len(self):,}"), ("features", f"{self.features:,}")]
        if self.classes is None:
            rows.append(("targets", f"{self.outputs:,}"))
        else:
            counts = np.bincount(self.Y, minlength=len(self.classes))
            rows += [
                (f"class {html.escape(name)}", f"{count:,}")
                for name, count in zip(self.classes, counts, strict=True)
            ]
        cells = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows)
        return f"<table><caption>{html.escape(self.name)}</caption>{cells}</table>"
