"""Data to train on: the digits shipped with the package, MNIST, and one's own CSV and npz files.

Every loader returns a `Dataset`; `Dataset.split` divides it into a part to train on and a part to
test on. `load` finds the loader from a name or a path:

    train, test = loopbp.datasets.load("digits").split(test=0.2, seed=0)
    net.fit(train.X, train.Y, validation=(test.X, test.Y))

A file is data from outside: its claims about its size are checked before memory is taken, and what
is wrong with it is said in one `FileError`, a `ValueError` that names file, line and column. Files
that cannot be opened raise `OSError` (`FileNotFoundError` and so on).
"""

from ..npz import FileError
from .arrays import read_npz
from .dataset import Dataset, Split
from .digits import digits
from .idx import read_idx
from .load import load
from .mnist import mnist
from .table import read_csv

__all__ = [
    "Dataset",
    "FileError",
    "Split",
    "digits",
    "load",
    "mnist",
    "read_csv",
    "read_idx",
    "read_npz",
]
