"""MNIST: its published facts, four small files in its layout, and what is not MNIST."""

import hashlib
import os
import struct

import numpy as np
import pytest
from idx_files import checksums, write_idx, write_small_mnist

from loopbp.datasets import FileError, mnist
from loopbp.datasets.mnist import MNIST_SHA256

# Label counts of MNIST's two parts.
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize("spelling", ["-idx", ".idx"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_mnist_layout_in_every_spelling(tmp_path, spelling, zipped):
    write_small_mnist(tmp_path, spelling, zipped)
    data = mnist(tmp_path, verify=False)
    assert data.name == tmp_path.name
    assert data.classes == ("0", "1", "2")
    train, held = data.split()
    assert (train.X * 255).tolist() == [[0, 23, 46, 69], [92, 115, 138, 161], [184, 207, 230, 253]]
    assert train.Y.tolist() == [2, 0, 1]
    assert held.X.tolist() == [[0.2] * 4] * 2  # 51/255
    assert held.Y.tolist() == [1, 1]


def test_other_data_is_not_taken_for_mnist(tmp_path, monkeypatch):
    write_small_mnist(tmp_path)
    with pytest.raises(FileError, match=r"train-images-idx3-ubyte.gz: .* SHA-256 ba891046"):
        mnist(tmp_path)
    for name, sha256 in checksums(tmp_path).items():
        monkeypatch.setitem(MNIST_SHA256, name, sha256)
    assert mnist(tmp_path).name == "mnist"


def test_the_cap_on_mnist_counts_both_parts(tmp_path):
    write_small_mnist(tmp_path)
    assert len(mnist(tmp_path, verify=False, max_examples=5)) == 5
    with pytest.raises(FileError, match="5 examples; at most 4"):
        mnist(tmp_path, verify=False, max_examples=4)


def test_absent_mnist_says_what_where_and_with_which_checksums(tmp_path, monkeypatch):
    write_small_mnist(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()
    missing = "did not find train-images-idx3-ubyte, t10k-labels-idx1-ubyte"
    with pytest.raises(FileNotFoundError) as raised:
        mnist(tmp_path)
    message = str(raised.value)
    assert f"looked in {tmp_path} and {missing}" in message
    for words in [*MNIST_SHA256.values(), "LeCun", "yann.lecun.com/exdb/mnist"]:
        assert words in message
    monkeypatch.setenv("LOOPBP_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=missing):
        mnist()
    monkeypatch.delenv("LOOPBP_DATA")
    with pytest.raises(FileNotFoundError, match="environment variable LOOPBP_DATA"):
        mnist()


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("train-images-idx3", np.zeros((3, 4), np.uint8), r"\(N, rows, columns\) of uint8"),
        ("train-images-idx3", np.zeros((3, 2, 2), np.int16), "of int16"),
        ("t10k-images-idx3", np.zeros((0, 2, 2), np.uint8), r"got \(0, 2, 2\)"),
        ("t10k-images-idx3", np.zeros((2, 3, 3), np.uint8), r"of \(2, 2\) pixels.* got \(3, 3\)"),
        ("train-labels-idx1", np.zeros(4, np.uint8), r"expected 3 labels of uint8; got \(4,\)"),
        ("t10k-labels-idx1", np.zeros(2, np.float32), "got .* of float32"),
    ],
)
def test_mnist_files_that_do_not_fit_together(tmp_path, name, array, words):
    write_small_mnist(tmp_path)
    write_idx(tmp_path / f"{name}-ubyte.gz", array)
    with pytest.raises(FileError, match=words) as raised:
        mnist(tmp_path, verify=False)
    assert f"{name}-ubyte.gz" in str(raised.value)


@pytest.mark.skipif("LOOPBP_DATA" not in os.environ, reason="LOOPBP_DATA names no MNIST folder")
def test_real_mnist():
    data = mnist()
    train, held = data.split()
    assert (train.X.shape, held.X.shape) == ((60000, 784), (10000, 784))
    assert np.bincount(train.Y).tolist() == MNIST_TRAIN
    assert np.bincount(held.Y).tolist() == MNIST_TEST
    assert (data.X.min(), data.X.max()) == (0.0, 1.0)
    # The first labels: 5 0 4 1 9 to train on, 7 2 1 0 4 to test on.
    assert (train.Y[:5].tolist(), held.Y[:5].tolist()) == ([5, 0, 4, 1, 9], [7, 2, 1, 0, 4])
    # Known statistics of the training pixels: mean 0.1307, standard deviation 0.3081.
    assert round(float(train.X.mean()), 4) == 0.1307
    assert round(float(train.X.std()), 4) == 0.3081
    raw = np.rint(train.X * 255).astype(np.uint8)
    header = struct.pack(">HBBIII", 0, 8, 3, 60000, 28, 28)
    digest = hashlib.sha256(header + raw.tobytes()).hexdigest()
    assert digest == MNIST_SHA256["train-images-idx3-ubyte"]
