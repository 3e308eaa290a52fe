"""The loader that a name or a path leads to."""

import numpy as np
import pytest
from idx_files import checksums, write_small_mnist

from loopbp.datasets import FileError, load
from loopbp.datasets.mnist import MNIST_SHA256
from loopbp.npz import write_arrays

TABLE = "height,weight,kind\n1.5,2,cat\n2.5,-3e2,dog\n0.25,4,cat\n"

X3 = np.zeros((3, 2))


def test_load_finds_the_loader(tmp_path, monkeypatch):
    assert load("digits").name == "digits"
    (tmp_path / "Iris.CSV").write_text(TABLE)
    assert load(tmp_path / "Iris.CSV").name == "Iris"
    assert load(str(tmp_path / "Iris.CSV"), target=["kind"]).outputs == 2
    write_arrays(tmp_path / "own.npz", {"X": X3, "Y": np.array([0, 1, 0])})
    assert load(tmp_path / "own.npz").classes == ("0", "1")
    write_small_mnist(tmp_path)
    for name, sha256 in checksums(tmp_path).items():
        monkeypatch.setitem(MNIST_SHA256, name, sha256)
    assert load(tmp_path).train_size == 3
    monkeypatch.setenv("LOOPBP_DATA", str(tmp_path))
    assert load("mnist").train_size == 3


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("digts", {}, "data: expected one of digits, mnist, .*did you mean 'digits'"),
        ("table.txt", {}, "data: expected one of .* got 'table.txt'"),
        ("digits", {"target": "x"}, "target: only a .csv file"),
        ("digits", {"header": False}, "header: only a .csv file has one; got digits"),
        ("digits", {"separator": ";"}, "separator: only a .csv file has one; got digits"),
        ("mnist", {"task": "regression"}, "task: only for .csv and .npz files"),
    ],
)
def test_load_refuses(source, options, words):
    with pytest.raises(ValueError, match=words):
        load(source, **options)


@pytest.mark.parametrize("name", ["absent.csv", "absent.npz"])
def test_an_absent_file_is_an_oserror(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.npz"])
def test_the_cap_on_examples(tmp_path, name):
    (tmp_path / "a.csv").write_text(TABLE)
    write_arrays(tmp_path / "a.npz", {"X": X3, "Y": np.array([0, 1, 0])})
    assert len(load(tmp_path / name, max_examples=3)) == 3
    with pytest.raises(FileError, match=f"{name}: .*[23] examples"):
        load(tmp_path / name, max_examples=2)
