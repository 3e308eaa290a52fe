"""The handwritten digits that ship with the package, in `loopbp/data` beside their licence."""

from __future__ import annotations

import gzip
import io
import zlib
from importlib import resources

import numpy as np

from ..npz import FileError
from .dataset import Dataset
from .files import check_sha256

DIGITS_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"


def digits() -> Dataset:
    """The 1,797 digits that ship with the package: 8×8 pixels from 0 to 1, labels 0 to 9.

    X (1797, 64) float64, the published integers 0 … 16 divided by 16; Y (1797,) int64.

    This is the published test set of "Optical Recognition of Handwritten Digits", E. Alpaydin and
    C. Kaynak, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0; the file beside it
    has details. Its 13 writers are not marked, so a random split has digits of the same writers in
    both parts, and test accuracy speaks of these writers.

    Raises `FileError` when the shipped file is not the published one.
    """
    file = resources.files("loopbp") / "data" / "digits.csv.gz"
    try:
        text = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as problem:
        raise FileError(f"{file}: damaged ({problem}); install loopbp again") from None
    check_sha256(str(file), text, DIGITS_SHA256)
    table = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.int64)
    return Dataset(
        "digits", X=table[:, :64] / 16, Y=table[:, 64].copy(), classes=tuple("0123456789")
    )
