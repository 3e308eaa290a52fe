"""What may be chosen for an example."""

from __future__ import annotations

import os
from dataclasses import dataclass

from .. import datasets
from ..checks import choice, flag
from ..datasets import Dataset

DATA = ("digits", "mnist")


@dataclass(frozen=True)
class Options:
    """`data`: digits or mnist; `full`: the whole training where it is otherwise cut short."""

    data: str
    full: bool

    @classmethod
    def checked(cls, data: str | None, full: bool) -> Options:
        """The options; raises `TypeError` or `ValueError` for another name of data."""
        default = "mnist" if os.environ.get("LOOPBP_DATA") else "digits"
        return cls(default if data is None else choice("data", data, DATA), flag("full", full))

    def load(self) -> Dataset:
        """The handwritten digits that were chosen."""
        return datasets.load(self.data)

    @property
    def source(self) -> str:
        """Which digits these are, in words."""
        return "MNIST" if self.data == "mnist" else "the shipped 8×8 digits"
