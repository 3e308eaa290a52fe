"""npz files: labels and targets by their dtype and shape, and arrays that are not data."""

import numpy as np
import pytest

from loopbp.datasets import FileError, read_npz
from loopbp.npz import write_arrays

X3 = np.zeros((3, 2))


def npz_of(tmp_path, arrays, **options):
    write_arrays(tmp_path / "own.npz", {name: np.asarray(a) for name, a in arrays.items()})
    return read_npz(tmp_path / "own.npz", **options)


@pytest.mark.parametrize(
    ("Y", "options", "classes", "expected"),
    [
        ([7, 3, 7], {}, ("3", "7"), [1, 0, 1]),
        (np.array([1, 0, 1], np.uint8), {}, ("0", "1"), [1, 0, 1]),
        ([True, False, True], {}, ("False", "True"), [1, 0, 1]),
        (["b", "a", "b"], {}, ("a", "b"), [1, 0, 1]),
        ([2.0, 1.0, 2.0], {"task": "classification"}, ("1", "2"), [1, 0, 1]),
        ([0.5, 1.0, 2.0], {}, None, [[0.5], [1.0], [2.0]]),
        ([5, 1, 2], {"task": "regression"}, None, [[5.0], [1.0], [2.0]]),
        ([[1, 0], [0, 1], [1, 0]], {}, None, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_npz_labels_and_targets(tmp_path, Y, options, classes, expected):
    X = [[0, 1], [2, 3], [4, 255]]
    data = npz_of(tmp_path, {"X": X, "Y": Y, "note": "left alone"}, **options)
    assert data.X.tolist() == X
    assert (data.classes, data.Y.tolist()) == (classes, expected)
    assert (data.name, data.train_size) == ("own", None)


def test_npz_with_a_test_part_shares_the_classes(tmp_path):
    arrays = {"X": X3, "Y": ["b", "d", "b"], "X_test": X3[:2] + 1, "Y_test": ["a", "d"]}
    train, held = npz_of(tmp_path, arrays).split()
    assert train.classes == held.classes == ("a", "b", "d")
    assert (train.Y.tolist(), held.Y.tolist()) == ([1, 2, 1], [0, 2])
    assert held.X.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize(
    ("arrays", "options", "words"),
    [
        ({"x": X3, "Y": [0, 1, 0]}, {}, "expected the arrays X, Y; got Y, x"),
        ({}, {}, "expected the arrays X, Y; got none"),
        ({"X": X3, "Y": [0, 1, 0], "X_test": X3}, {}, "X, Y, X_test, Y_test; got X, X_test, Y"),
        ({"X": [1.0, 2.0], "Y": [0, 1]}, {}, r"X: expected shape \(N, features\); got \(2,\)"),
        ({"X": np.zeros((3, 0)), "Y": [0, 1, 0]}, {}, r"got \(3, 0\)"),
        ({"X": np.zeros((0, 2)), "Y": np.zeros(0, int)}, {}, "X: expected at least one example"),
        ({"X": [["a", "b"]], "Y": [0]}, {}, "X: expected an array of real numbers"),
        ({"X": [[0, 1], [2, np.nan]], "Y": [0, 1]}, {}, "X: .* got nan in row 1, column 1"),
        ({"X": X3, "Y": [0, 1]}, {}, r"Y: expected shape \(3,\) or \(3, k\); got \(2,\)"),
        ({"X": X3, "Y": 1}, {}, r"Y: expected .* got \(\)"),
        ({"X": X3, "Y": np.zeros((3, 0))}, {}, r"got \(3, 0\)"),
        ({"X": X3, "Y": [[1.0, 2], [3, np.inf], [5, 6]]}, {}, "Y: .* inf in row 1, column 1"),
        ({"X": X3, "Y": [1, 1, 1]}, {}, "array Y: expected at least two classes; got only 1"),
        ({"X": X3, "Y": ["a", "b", "a"]}, {"task": "regression"}, "Y: expected .*real numbers"),
        ({"X": X3, "Y": [0.5, 1, 2]}, {"task": "classification"}, "integers or text as classes"),
        ({"X": X3, "Y": X3}, {"task": "classification"}, "one label per example"),
        (
            {"X": X3, "Y": [0, 1, 0], "X_test": np.zeros((1, 3)), "Y_test": [0]},
            {},
            "X_test: expected the columns and kind of X",
        ),
        (
            {"X": X3, "Y": [0, 1, 0], "X_test": X3[:1], "Y_test": ["a"]},
            {},
            "Y_test: expected the columns and kind of Y",
        ),
        (
            {"X": X3, "Y": [0, 1, 0], "X_test": X3[:1] * np.nan, "Y_test": [0]},
            {},
            "X_test: .* nan in row 0, column 0",
        ),
        ({"X": X3, "Y": [0, 1, 0]}, {"max_bytes": 100}, "at most 100 bytes"),
    ],
)
def test_npz_files_that_are_not_data(tmp_path, arrays, options, words):
    with pytest.raises(FileError, match=words) as raised:
        npz_of(tmp_path, arrays, **options)
    assert str(raised.value).startswith(str(tmp_path / "own.npz"))


def test_npz_refuses_an_unknown_task_before_it_reads(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'regression'"):
        read_npz(tmp_path / "absent.npz", task="regresion")
