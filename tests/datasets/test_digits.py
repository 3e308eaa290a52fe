"""The shipped digits: the published facts, and a file that is not the published one."""

import gzip
import hashlib
import importlib.resources
import re
import subprocess
import sys

import numpy as np
import pytest

from loopbp import datasets
from loopbp.datasets import FileError

# Published class counts of the UCI test set, optdigits.names.
DIGITS_COUNTS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_the_published_ones():
    digits = datasets.digits()
    assert digits.X.shape == (1797, 64)
    assert (digits.X.dtype, digits.Y.dtype) == (np.float64, np.int64)
    assert digits.X.flags.c_contiguous
    assert digits.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert np.bincount(digits.Y).tolist() == DIGITS_COUNTS
    assert set((digits.X * 16).ravel()) == set(range(17))
    assert (digits.X.min(), digits.X.max()) == (0.0, 1.0)
    assert (digits.features, digits.outputs, len(digits)) == (64, 10, 1797)


def test_first_digit_pixel_by_pixel():
    # The first line of optdigits.tes, a zero.
    image = """0  0  5 13  9  1  0  0    0  0 13 15 10 15  5  0    0  3 15  2  0 11  8  0
               0  4 12  0  0  8  8  0    0  5  8  0  0  9  8  0    0  4 11  0  1 12  7  0
               0  2 14  5 10 12  0  0    0  0  6 13 10  0  0  0"""
    digits = datasets.digits()
    assert (digits.X[0] * 16).tolist() == [float(pixel) for pixel in image.split()]
    assert digits.Y[0] == 0


def test_digits_agree_with_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()
    digits = datasets.digits()
    np.testing.assert_array_equal(digits.X * 16, theirs.data)
    np.testing.assert_array_equal(digits.Y, theirs.target)


def test_licence_beside_the_digits_names_source_and_true_checksum():
    folder = importlib.resources.files("loopbp") / "data"
    licence = (folder / "digits.LICENSE.md").read_text(encoding="utf-8")
    contents = gzip.decompress((folder / "digits.csv.gz").read_bytes())
    for words in ("10.24432/C50P49", "CC BY 4.0", "Alpaydin", hashlib.sha256(contents).hexdigest()):
        assert words in licence
    counts = re.search(r"\| examples \|(.*)\|", licence).group(1).split("|")
    assert [int(count) for count in counts] == DIGITS_COUNTS


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (gzip.compress(b"0,1\n"), "SHA-256 6ebb3d2f"),
        (b"damaged", "install loopbp again"),
        (gzip.compress(bytes(9))[:-4], "install loopbp again"),
    ],
    ids=["another file", "not compressed", "cut off"],  # what is compressed holds the time
)
def test_damaged_digits_are_refused(tmp_path, monkeypatch, contents, words):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.csv.gz").write_bytes(contents)
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(FileError, match=words):
        datasets.digits()


def test_importing_datasets_loads_neither_pandas_nor_matplotlib_nor_numba():
    code = (
        "import sys, loopbp.datasets; loopbp.datasets.digits(); "
        "print(sorted({'pandas', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
