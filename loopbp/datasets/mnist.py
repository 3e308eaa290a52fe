"""The MNIST database of handwritten digits, from its four files."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..npz import FileError
from .dataset import Dataset
from .files import MAX_EXAMPLES, check_count
from .idx import read_idx
from .labels import encode

MNIST_FOLDER = "LOOPBP_DATA"
"""The environment variable that names the folder with the MNIST files."""

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""The four MNIST files and the SHA-256 of their contents, uncompressed (mirrors compress anew)."""


def mnist(
    folder: str | os.PathLike[str] | None = None,
    *,
    verify: bool = True,
    max_examples: int = MAX_EXAMPLES,
) -> Dataset:
    """MNIST from its four IDX files: 60,000 digits to train on, then 10,000 to test on.

    X (70000, 784) float64, the published bytes divided by 255; Y (70000,) int64; `train_size` is
    60,000, so that `split()` gives the published parts.

    folder : where the files are, plain or compressed by gzip; both spellings,
        train-images-idx3-ubyte and train-images.idx3-ubyte, are found. None: the folder that the
        environment variable LOOPBP_DATA names.
    verify : the contents must have the published SHA-256 checksums. False reads other data in the
        same four files (Fashion-MNIST, say), and calls it by the folder's name.
    max_examples : the most examples that both parts may have together.

    Source: Y. LeCun, C. Cortes and C. J. C. Burges, the MNIST database of handwritten digits.

    Raises `FileNotFoundError`, with what is wanted and where it comes from, when a file is absent;
    `FileError` when one is not what it should be.
    """
    paths = _mnist_files(folder)
    images, labels, test_images, test_labels = (
        read_idx(path, sha256=expected if verify else None)
        for path, expected in zip(paths, MNIST_SHA256.values(), strict=True)
    )
    _check_images(paths[0], images, paths[1], labels)
    _check_images(paths[2], test_images, paths[3], test_labels)
    if images.shape[1:] != test_images.shape[1:]:
        raise FileError(
            f"{paths[2]}: expected images of {images.shape[1:]} pixels, as in {paths[0].name}; "
            f"got {test_images.shape[1:]}"
        )
    train_size, count = len(images), len(images) + len(test_images)
    check_count(paths[0].parent, count, max_examples)
    X = np.empty((count, math.prod(images.shape[1:])))
    np.divide(images.reshape(train_size, -1), 255, out=X[:train_size])
    np.divide(test_images.reshape(len(test_images), -1), 255, out=X[train_size:])
    both = np.concatenate([labels, test_labels])
    Y, classes = encode(f"{paths[1]}, {paths[3].name}", both.tolist(), "classification")
    name = "mnist" if verify else paths[0].resolve().parent.name
    return Dataset(name, X, Y, classes, train_size)


def _mnist_files(folder: str | os.PathLike[str] | None) -> list[Path]:
    """The four MNIST files, in the order of `MNIST_SHA256`, in the folder given or configured."""
    place = folder or os.environ.get(MNIST_FOLDER)
    found = [_mnist_file(Path(place), name) if place else None for name in MNIST_SHA256]
    files = [file for file in found if file is not None]
    if len(files) == len(MNIST_SHA256):
        return files
    missing = [name for name, file in zip(MNIST_SHA256, found, strict=True) if file is None]
    looked = (
        f"looked in {place} and did not find {', '.join(missing)}"
        if place
        else f"pass the folder they are in, or name it in the environment variable {MNIST_FOLDER}"
    )
    wanted = "\n".join(f"  {name}\n    {sha256}" for name, sha256 in MNIST_SHA256.items())
    raise FileNotFoundError(
        f"MNIST: {looked}.\n"
        "The four files, plain or as .gz, with the SHA-256 of their uncompressed contents\n"
        f"(gzip -dc FILE.gz | sha256sum):\n{wanted}\n"
        "They are the MNIST database of handwritten digits by Y. LeCun, C. Cortes and\n"
        "C. J. C. Burges, http://yann.lecun.com/exdb/mnist/, mirrored in many places."
    )


def _mnist_file(place: Path, name: str) -> Path | None:
    """The file of this name in the folder, in either spelling, plain or compressed."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in ("", ".gz"):
            file = place / f"{spelling}{suffix}"
            if file.is_file():
                return file
    return None


def _check_images(
    images_file: Path, images: NDArray[Any], labels_file: Path, labels: NDArray[Any]
) -> None:
    """Raise `FileError` unless these are byte images (N, rows, columns) and N byte labels."""
    if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
        raise FileError(
            f"{images_file}: expected images (N, rows, columns) of uint8; got {images.shape} of "
            f"{images.dtype}"
        )
    if labels.shape != images.shape[:1] or labels.dtype != np.uint8:
        raise FileError(
            f"{labels_file}: expected {len(images):,} labels of uint8; got {labels.shape} of "
            f"{labels.dtype}"
        )
