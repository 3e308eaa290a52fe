"""`Network.gradients`: what `backprop` finds, without what leads there."""

from __future__ import annotations

import numpy as np
import pytest

import loopbp
from loopbp.engines import find


def network(dtype: str = "float64") -> loopbp.Network:
    return loopbp.Network(
        [5, 9, 3], hidden="tanh", output="softmax", loss="cross_entropy", seed=3, dtype=dtype
    )


def data(examples: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(examples)
    return random.standard_normal((examples, 5)), random.integers(0, 3, examples)


def test_one_weight_by_hand() -> None:
    """f = ½ (w x + w_0 − y)² over two examples: ∂f/∂w and ∂f/∂w_0 by hand."""
    net = loopbp.Network([1, 1], output="identity", loss="half_sse", init="zeros")
    net.W[0][...] = [[0.5], [2.0]]
    found = net.gradients([[1.0], [3.0]], [[2.0], [5.0]])
    # residuals 0.5 and 1.5; (0.5 + 1.5) / 2, (0.5·1 + 1.5·3) / 2, (0.125 + 1.125) / 2
    assert found.grad[0].tolist() == [[1.0], [2.5]] and found.loss == 0.625
    summed = net.gradients([[1.0], [3.0]], [[2.0], [5.0]], reduction="sum")
    assert summed.grad[0].tolist() == [[2.0], [5.0]] and summed.loss == 1.25


@pytest.mark.parametrize("engine", ["auto", "textbook", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("examples", [1, 250, 700])  # less than a block of `tiled`, and several
@pytest.mark.usefixtures("blocks_of_100")
def test_the_same_bits_as_backprop(examples: int, dtype: str, engine: str) -> None:
    net = network(dtype)
    X, labels = data(examples)
    for Y in (labels, np.eye(3)[labels]):
        found = net.gradients(X, Y, engine=engine)
        trace = net.backprop(X, Y, engine="textbook" if engine == "auto" else engine)
        assert trace.grad is not None and found.loss == trace.loss
        for mine, theirs in zip(found.grad, trace.grad, strict=True):
            assert mine.dtype == dtype and mine.tobytes() == theirs.tobytes()


def test_agrees_with_the_twin() -> None:
    net = network()
    X, Y = data(300)
    for mine, twin in zip(
        net.gradients(X, Y).grad, net.gradients(X, Y, engine="numpy").grad, strict=True
    ):
        np.testing.assert_allclose(mine, twin, rtol=1e-11, atol=1e-14)


def test_results_are_kept() -> None:
    """A second call leaves the arrays of the first alone."""
    net = network()
    X, Y = data(40)
    first = net.gradients(X, Y)
    copies = [g.copy() for g in first.grad]
    net.gradients(-X, Y)
    assert all(np.array_equal(g, c) for g, c in zip(first.grad, copies, strict=True))


@pytest.mark.usefixtures("blocks_of_100")
@pytest.mark.parametrize("columns", [100, 512])  # rows of 4,096 bytes are gathered, others not
def test_inputs_wherever_they_stand(columns: int) -> None:
    net = loopbp.Network([columns, 3, 2], "tanh", "softmax", "cross_entropy", seed=1)
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((130, columns)), random.integers(0, 2, 130)
    expected = net.backprop(X, Y, engine="textbook")
    assert expected.grad is not None
    for inputs in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X.astype(">f8")):
        inputs.flags.writeable = False
        loss, grad = net.gradients(inputs, Y)
        assert loss == expected.loss
        assert [w.tobytes() for w in grad] == [w.tobytes() for w in expected.grad]


@pytest.mark.parametrize("order", ["views", "copies", "other places"])
def test_arrays_of_any_origin(order: str) -> None:
    """Weights and gradients may be views of one vector, in any places, or arrays of their own."""
    net = loopbp.Network([4, 4, 4], hidden="tanh", output="identity", loss="sse", seed=1)
    random = np.random.default_rng(0)
    X, Y = random.standard_normal((6, 4)), random.standard_normal((6, 4))
    expected = net.backprop(X, Y, engine="textbook").grad
    assert expected is not None
    W = net.W if order == "views" else tuple(w.copy() for w in net.W)
    flat = np.empty(40)
    grad = list(net.architecture.views(flat))
    if order == "copies":
        grad = [g.copy() for g in grad]
    elif order == "other places":
        swapped = np.concatenate([net.W[1].ravel(), net.W[0].ravel()])
        W = tuple(net.architecture.views(swapped))[::-1]
        grad = grad[::-1]
    losses = np.empty(6)
    find("tiled").gradient_only(net.architecture, W, X, Y, losses, grad, 6)
    for mine, theirs in zip(grad, expected, strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("X", "Y", "options", "message"),
    [
        (np.ones((2, 4)), [0, 1], {}, r"X: expected shape \(N, 5\)"),
        (np.ones((2, 5)), [0, 3], {}, "Y: "),
        (np.full((2, 5), np.nan), [0, 1], {}, "X: expected finite"),
        (np.ones((2, 5)), [0, 1], {"reduction": "median"}, "reduction: "),
        (np.ones((2, 5)), [0, 1], {"engine": "fast"}, "engine: "),
    ],
)
def test_bad_input(X: np.ndarray, Y: object, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network().gradients(X, Y, **options)


def test_without_targets() -> None:
    with pytest.raises(TypeError, match="Y: expected targets or labels; got None"):
        network().gradients(np.ones((2, 5)), None)
