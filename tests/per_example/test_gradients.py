"""The gradients of single examples: by hand, against their entries, and against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import DTYPES, EXACT, PROBLEMS, Problem

import loopbp
from loopbp.network import Network
from loopbp.per_example import PerExampleGradients, per_example_gradients

a = np.log(3)


def two_examples(**options: Any) -> PerExampleGradients:
    """2-1-1 with relu, f = (y − x)²; see `test_mean_and_sum_over_two_examples`.

    Example 0: δ = −3 and −1, so that ∂f/∂w = (−3, −6, −3) and (−1, −3). Example 1: the relu is
    shut, δ = 0 and −3: (0, 0, 0) and (−3, 0). Mean: (−3/2, −3, −3/2) and (−2, −3/2).
    """
    net = Network([2, 1, 1], "relu", "identity", "sse", [[[-1], [1], [2]], [[0.5], [3]]])
    return per_example_gradients(net, [[2, 1], [1, -1]], [[10], [2]], **options)


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_by_hand(engine):
    found = two_examples(engine=engine)
    # |(−3, −6, −3)|² = 54, |(−1, −3)|² = 10, and 0, 9;  √64 and √9 over both layers
    np.testing.assert_allclose(found.norms, [[np.sqrt(54), np.sqrt(10)], [0, 3]], rtol=1e-15)
    np.testing.assert_allclose(found.norm, [8, 3], rtol=1e-15)
    # the mean: 13½ and 6¼, in all 19¾
    np.testing.assert_allclose(found.mean_norms, [np.sqrt(13.5), 2.5], rtol=1e-15)
    assert found.mean_norm == pytest.approx(np.sqrt(19.75), rel=1e-15)
    # g · ḡ: 4½ + 18 + 4½ = 27 and 2 + 4½ = 6½ for example 0; 0 and 6 for example 1
    cosines = [[1, 6.5 / (np.sqrt(10) * 2.5)], [np.nan, 6 / (3 * 2.5)]]
    np.testing.assert_allclose(found.cosines, cosines, rtol=1e-15)
    lengths = [33.5 / np.sqrt(19.75), 6 / np.sqrt(19.75)]
    np.testing.assert_allclose(found.along_mean, lengths, rtol=1e-15)
    np.testing.assert_allclose(found.cosine, [lengths[0] / 8, lengths[1] / 3], rtol=1e-15)
    assert found.losses.tolist() == [0.25, 2.25]
    # tr Σ = (64 + 9 − 2 · 19¾)/1 = 33½;  |G|² = 19¾ − 33½/2 = 3
    np.testing.assert_allclose(found.noise, (33.5, 3, 33.5 / 3, 3 / 33.5), rtol=1e-14)
    assert (found.noise_scale, found.snr) == (found.noise.scale, found.noise.snr)


def test_two_two_two():
    """The network of `test_hand_computed`: δ and x by hand, and so |δ| |x|."""
    W0 = a * np.array([[1, -1], [-1, 2], [0, 0]])
    W1 = a * np.array([[-2, -1.25], [2, 1], [0, 1]])
    net = Network([2, 2, 2], "sigmoid", "sigmoid", "half_sse", [W0, W1])
    found = per_example_gradients(net, [[1, 2]], [[0.75, 1]])
    # δ = (−5a/64, −3a/128), x = (1, 1, 2);  δ = (−3/32, −1/8), x = (1, ½, ¾)
    expected = [a * np.sqrt(109) / 128 * np.sqrt(6), 5 / 32 * np.sqrt(29) / 4]
    np.testing.assert_allclose(found.norms, [expected], rtol=1e-14)
    first = [-5 * a / 64, -3 * a / 128] * 2 + [-5 * a / 32, -3 * a / 64]
    last = [-3 / 32, -1 / 8, -3 / 64, -1 / 16, -9 / 128, -3 / 32]
    np.testing.assert_allclose(found.matrix(), [first + last], rtol=1e-14)
    np.testing.assert_allclose(found.cosines, 1, rtol=1e-15)
    assert np.isnan(found.noise).all()


def test_frames():
    found = two_examples()
    examples = found.examples
    assert list(examples) == ["n", "loss", "norm", "along", "cosine", "share"]
    # 33½ and 6 of 2 · 19¾
    np.testing.assert_allclose(examples["share"], [33.5 / 39.5, 6 / 39.5], rtol=1e-14)
    assert found.hardest(1)["n"].tolist() == [0]
    # cosines 33.5/(8 √19.75) = 0.94 and 6/(3 √19.75) = 0.45
    assert found.contrary()["n"].tolist() == [1, 0]
    frame = found.frame
    assert frame[["n", "layer"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    np.testing.assert_array_equal(frame["norm"], found.norms.ravel())
    layers = found.layers
    assert layers["parameters"].tolist() == [3, 2, 5]
    assert layers["layer"].isna().tolist() == [False, False, True]
    np.testing.assert_allclose(layers["mean_norm"].iloc[-1], 5.5)
    np.testing.assert_allclose(layers["std_norm"].iloc[-1], 5 / np.sqrt(2), rtol=1e-15)
    np.testing.assert_allclose(layers["mean_cosine"].iloc[0], 1)  # of the one that has a length
    np.testing.assert_allclose(layers["noise_scale"].iloc[1], 6.5 / 3, rtol=1e-14)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_sum_of_the_rows_is_the_gradient(problem):
    """Bit for bit: the rows one after another, in the network's dtype, divided at the end."""
    X, Y = problem.data()
    found = per_example_gradients(problem.network(), X, Y)
    matrix = found.matrix()
    assert matrix.dtype == problem.dtype and matrix.flags.c_contiguous
    total = matrix[0].copy()
    for row in matrix[1:]:
        total += row
    mean = total / matrix.dtype.type(len(matrix))
    assert mean.tobytes() == problem.network().backprop(X, Y).gradient.tobytes()


@pytest.mark.parametrize("problem", PROBLEMS[::5], ids=str)
def test_exact_engines_give_the_same_bits(problem):
    X, Y = problem.data()
    found = [per_example_gradients(problem.network(), X, Y, engine=name) for name in EXACT]
    for other in found[1:]:
        for name in ("norms", "along", "mean_norms", "cosines", "cosine"):
            assert getattr(other, name).tobytes() == getattr(found[0], name).tobytes()
        assert other.matrix().tobytes() == found[0].matrix().tobytes()


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    N=st.integers(2, 12),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 2**16),
    scale=st.sampled_from([1e-150, 1e-3, 1, 1e3]),
)
def test_what_needs_no_entries_agrees_with_the_entries(sizes, N, dtype, seed, scale):
    if dtype == "float32":
        scale = max(scale, 1e-3)
    hidden = ("tanh",) * (len(sizes) - 2)
    problem = Problem(tuple(sizes), hidden, "identity", "half_sse", N, dtype, seed)
    net, (X, Y) = problem.network(), problem.data()
    net.W[-1][...] *= scale
    X, Y = X, Y * scale  # so that δ is of that size
    found = per_example_gradients(net, X, Y)
    matrix = found.matrix().astype(np.float64)
    rtol = 1e-13 if dtype == "float64" else 1e-5
    norms = np.array([np.linalg.norm(row / scale) for row in matrix])
    np.testing.assert_allclose(found.norm / scale, norms, rtol=rtol, atol=1e-30)
    mean = matrix.mean(axis=0)
    along = matrix / scale @ (mean / scale) / np.linalg.norm(mean / scale)
    tolerance = 100 * rtol * norms.max()
    np.testing.assert_allclose(found.along_mean / scale, along, rtol=rtol, atol=tolerance)
    assert found.examples["share"].sum() == pytest.approx(1, abs=1e-3)
    trace = np.trace(np.atleast_2d(np.cov(matrix.T / scale)))
    # a difference, in which the rounding of the mean stays
    tolerance = norms.max() ** 2 * (1e-5 if dtype == "float32" else 1e-12)
    assert found.noise.trace / scale / scale == pytest.approx(trace, rel=0, abs=tolerance)


@pytest.mark.parametrize("per_block", [1, 2, 3, 7, 100])
def test_blocks_are_the_rows_of_the_matrix(per_block):
    problem = Problem((4, 5, 3), ("tanh",), "softmax", "cross_entropy", 7, "float32")
    found = per_example_gradients(problem.network(), *problem.data())
    row_bytes = 4 * problem.network().theta.size
    blocks = list(found.blocks(memory=row_bytes * per_block + 3))
    assert [first for first, _ in blocks] == list(range(0, 7, per_block))
    assert all(len(rows) <= per_block for _, rows in blocks)
    assert np.concatenate([rows for _, rows in blocks]).tobytes() == found.matrix().tobytes()


def test_memory_that_does_not_suffice_is_named():
    found = two_examples()  # 2 examples of 5 numbers of 8 bytes
    assert found.matrix(memory=80).shape == (2, 5)
    with pytest.raises(ValueError, match=r"at least 80 B for the matrix, 2 × 5 float64.*got 79 B"):
        found.matrix(memory=79)
    with pytest.raises(ValueError, match="`blocks` goes through the examples in parts"):
        found.matrix(memory="0.07 kB")
    with pytest.raises(ValueError, match="at least 40 B for one example"):
        found.blocks(memory=39)


def test_out_is_filled():
    found = two_examples()
    out = np.empty((2, 5))
    assert found.matrix(out=out, memory=1) is out
    assert out.tolist() == [[-3, -6, -3, -1, -3], [0, 0, 0, -3, 0]]


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ([[0.0] * 5] * 2, TypeError, "out: expected an array"),
        (np.empty((5, 2)), ValueError, r"out: expected shape \(2, 5\) of float64; got \(5, 2\)"),
        (np.empty((2, 5), "f4"), ValueError, "of float64; got .* of float32"),
        (np.empty((5, 2)).T, ValueError, "C-contiguous"),
    ],
)
def test_out_that_does_not_fit(out, error, message):
    with pytest.raises(error, match=message):
        two_examples().matrix(out=out)


def test_bad_input():
    net = Network([2, 3, 2])
    with pytest.raises(TypeError, match=r"net: expected a loopbp.Network"):
        per_example_gradients("net", [[1, 2]], [0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="X: expected shape"):
        per_example_gradients(net, [[1, 2, 3]], [0])
    with pytest.raises(ValueError, match="engine"):
        per_example_gradients(net, [[1, 2]], [0], engine="fast")
    with pytest.raises(ValueError, match="count"):
        two_examples().hardest(0)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_overflow_is_named_by_its_row():
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]])
    with pytest.raises(ValueError, match="overflow in row 1"):
        per_example_gradients(net, [[1], [1e200], [2]], [[0], [0], [0]])


def test_a_gradient_that_is_0_everywhere():
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]])
    found = per_example_gradients(net, [[1], [2]], [[1], [2]])
    assert found.norm.tolist() == [0, 0] and np.isnan(found.cosine).all()
    assert np.isnan(found.noise).all() and "every gradient is 0" in found.text()


def test_a_mean_of_0_has_no_direction():
    """Two examples that pull the bias by 1 and −1, and a weight whose input is 0."""
    net = Network([1, 1], output="identity", loss="half_sse", init="zeros")
    found = per_example_gradients(net, [[0], [0]], [[-1], [1]])
    assert found.norm.tolist() == [1, 1] and found.mean_norm == 0
    assert np.isnan(found.cosines).all() and np.isnan(found.cosine).all()
    assert "do not tell the gradient from noise" in found.text()
    assert len(found.plot().axes) == 2


def test_progress_is_told_after_every_layer():
    told = []
    two_examples(progress=told.append)
    assert [(state.done, state.total) for state in told] == [(1, 3), (2, 3), (3, 3)]


def test_what_a_person_sees():
    found = two_examples()
    assert "noise scale 11.17" in repr(found)
    assert "<table" in found._repr_html_()
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "B_simple = tr Σ / |G|² = 11.2" in text and "0 of 2 examples" in text
    axes = found.plot().axes
    assert len(axes) == 2 and "longest: 0" in {t.get_text() for t in axes[1].texts}


def test_it_is_exported():
    assert loopbp.per_example_gradients is per_example_gradients


@pytest.mark.parametrize("dtype", DTYPES)
def test_against_torch(dtype):
    """`vmap` over `grad` of the same network in PyTorch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    problem = Problem((6, 5, 4, 3), ("tanh", "sigmoid"), "softmax", "cross_entropy", 9, dtype)
    net, (X, Y) = problem.network(), problem.data()
    W = [torch.tensor(layer) for layer in net.W]

    def loss(W, x, y):
        for layer, g in zip(W, (torch.tanh, torch.sigmoid, None), strict=True):
            S = layer[0] + x @ layer[1:]
            x = S if g is None else g(S)
        return -(y * torch.log_softmax(S, dim=0)).sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    rows = [g.numpy().reshape(9, -1) for g in each(W, torch.tensor(X), torch.tensor(Y))]
    found = per_example_gradients(net, X, Y)
    rtol = 1e-12 if dtype == "float64" else 1e-4
    expected = np.concatenate(rows, axis=1)
    np.testing.assert_allclose(found.matrix(), expected, rtol=rtol, atol=rtol / 100)
    norms = np.stack([np.linalg.norm(part, axis=1) for part in rows], axis=1)
    np.testing.assert_allclose(found.norms, norms, rtol=rtol)
