"""Datasets fit together or cannot be made; splits are stratified and the same everywhere."""

import math

import numpy as np
import pytest

from loopbp import datasets
from loopbp.datasets import Dataset

X3 = np.zeros((3, 2))


def numbered(labels, **options):
    """A dataset whose only feature is the example's index."""
    Y = np.asarray(labels)
    classes = tuple(str(c) for c in range(Y.max() + 1)) if Y.ndim == 1 else None
    return Dataset("numbered", np.arange(len(Y), dtype=float)[:, None], Y, classes, **options)


@pytest.mark.parametrize("test", [0.2, 0.5, 0.01, 0.99])
def test_split_is_a_partition_that_keeps_order_and_pairs(test):
    digits = datasets.digits()
    whole = numbered(digits.Y)
    train, held = whole.split(test=test, seed=3)
    indices = [part.X[:, 0].astype(int) for part in (train, held)]
    assert sorted(np.concatenate(indices)) == list(range(1797))
    assert len(held) == math.floor(test * 1797 + 0.5)
    for part, index in zip((train, held), indices, strict=True):
        assert np.all(np.diff(index) > 0)
        np.testing.assert_array_equal(part.Y, digits.Y[index])
        assert part.classes == whole.classes
        assert part.X.flags.c_contiguous


def test_split_is_stratified_to_within_one_example():
    # 359 of 1797 examples; class c has quota 359/1797 of its count: 35.56, 36.36, 35.36, 36.56,
    # 36.16, 36.36, 36.16, 35.76, 34.76, 35.96. The floors add up to 354; the five places left go
    # to the largest remainders: classes 9, 7, 8, 0, 3 (.96, .76, .76, .56, .56).
    held = datasets.digits().split(test=0.2).test
    assert np.bincount(held.Y).tolist() == [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]


def test_equal_remainders_go_to_the_lower_label():
    # Half of 3 classes with 1 example each is 1.5, rounded up to 2; every quota is 2/3.
    assert numbered([2, 1, 0]).split(test=0.5).test.Y.tolist() == [1, 0]


def test_split_depends_on_the_seed_alone():
    digits = numbered(datasets.digits().Y)
    first = digits.split(seed=1).test.X
    np.testing.assert_array_equal(first, digits.split(seed=1).test.X)
    assert not np.array_equal(first, digits.split(seed=2).test.X)


def test_split_is_the_same_on_every_numpy_version():
    # PCG64(0) gives the words a30febcfd9c2825f, 4510bdf882d9d721, 0a7d3da94ecde8b8 and
    # 043b27b61342f01d; the examples with the lowest two are drawn.
    whole = numbered(np.zeros((4, 1)))
    assert whole.split(test=0.5, seed=0).test.X[:, 0].tolist() == [2, 3]


def test_targets_are_split_without_strata():
    train, held = numbered(np.arange(10.0)[:, None]).split(test=0.3)
    assert (len(train), len(held)) == (7, 3)
    np.testing.assert_array_equal(held.Y, held.X)


def test_published_parts_are_the_default_and_share_memory():
    whole = numbered([0, 1, 0, 1, 1], train_size=3)
    train, held = whole.split(seed=5)
    assert (train.X[:, 0].tolist(), held.X[:, 0].tolist()) == ([0, 1, 2], [3, 4])
    assert np.shares_memory(train.X, whole.X)
    assert train.train_size is held.train_size is None
    assert len(whole.split(test=0.2).test) == 1


def test_split_always_leaves_an_example_in_each_part():
    two = numbered([0, 1])
    for test in (1e-9, 1 - 1e-9):
        assert [len(part) for part in two.split(test=test)] == [1, 1]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"test": 0}, ValueError, "test: expected a finite number > 0 and < 1; got 0"),
        ({"test": 1.0}, ValueError, "test: .* got 1.0"),
        ({"test": "half"}, TypeError, "test: expected a number"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0; got -1"),
        ({"seed": 0.5}, TypeError, "seed: expected an integer"),
    ],
)
def test_split_refuses(options, error, words):
    with pytest.raises(error, match=words):
        numbered([0, 1]).split(**options)


def test_one_example_cannot_be_split():
    with pytest.raises(ValueError, match="at least 2 examples to split; got 1"):
        numbered([[1.0]]).split()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((X3.astype(np.float32), np.zeros(3, int), ("a",)), "X: .* of float32"),
        ((np.zeros((0, 2)), np.zeros(0, int), ("a",)), r"X: .* got \(0, 2\)"),
        ((np.zeros(3), np.zeros(3, int), ("a",)), r"X: .* got \(3,\)"),
        ((X3, np.zeros(4, int), ("a",)), r"Y: expected shape \(3,\) of int64; got \(4,\)"),
        ((X3, np.zeros(3), ("a",)), "of float64"),
        ((X3, np.zeros(3), None), r"Y: expected shape \(3, k\) of float64; got \(3,\)"),
        ((X3, np.array([0, 1, 2]), ("a", "b")), "labels 0 to 1, .* got 0 to 2"),
        ((X3, np.array([0, -1, 0]), ("a", "b")), "got -1 to 0"),
        ((X3, np.zeros(3, int), ("a",), 3), "train_size: expected an integer from 1 to 2"),
    ],
)
def test_a_dataset_that_does_not_fit_together_cannot_be_made(arguments, words):
    with pytest.raises(ValueError, match=words):
        Dataset("bad", *arguments)


def test_what_a_notebook_shows():
    one = Dataset("one", np.ones((3, 1)), np.ones((3, 1)))
    assert repr(one) == "<Dataset one: 3 examples, 1 feature, 1 target>"
    assert repr(datasets.digits()) == "<Dataset digits: 1,797 examples, 64 features, 10 classes>"
    html = Dataset("<b>", X3, np.array([0, 1, 1]), ("a&b", "c"))._repr_html_()
    assert "<caption>&lt;b&gt;</caption>" in html
    assert "<th>class a&amp;b</th><td>1</td>" in html
    assert "<th>class c</th><td>2</td>" in html
    targets = Dataset("t", X3, np.zeros((3, 4)))
    assert "<th>targets</th><td>4</td>" in targets._repr_html_()
    assert "4 targets" in repr(targets)
