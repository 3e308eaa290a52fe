"""Mistakes as they stand in people's code: short programs that forgot one thing, and are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import loopbp

RANDOM = np.random.default_rng(11)
X, LABELS = RANDOM.normal(size=(7, 4)), np.array([0, 2, 1, 1, 0, 2, 2])
ONE_HOT = np.eye(3)[LABELS]
ETA = 0.5


def sigmoid(s: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-s))


def weights(net: loopbp.Network) -> tuple[np.ndarray, ...]:
    (W1, W2) = net.W
    return W1[1:], W1[0], W2[1:], W2[0]


def softmax_without_axis(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    e = np.exp(A1 @ W2 + b2)
    A2 = e / np.sum(e)
    return {"A1": A1, "A2": A2, "dW2": A1.T @ (A2 - ONE_HOT) / len(X)}


def no_softmax(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    dZ2 = (A1 @ W2 + b2 - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def sigmoid_for_softmax(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    dZ2 = (sigmoid(A1 @ W2 + b2) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def relu_for_tanh(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0)
    e = np.exp(A1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (Z1 > 0)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def no_activation(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    Z1 = X @ W1 + b1
    e = np.exp(Z1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - np.tanh(Z1) ** 2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": Z1.T @ dZ2, "db2": dZ2.sum(0)}


def linear_throughout(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    Z1 = X @ W1 + b1
    e = np.exp(Z1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": Z1.T @ dZ2, "db2": dZ2.sum(0)}


def no_activation_and_slope_by_output(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = X @ W1 + b1
    e = np.exp(A1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def relu_forward_only(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0)
    e = np.exp(A1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - np.tanh(Z1) ** 2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def sigmoid_and_slope_of_tanh_by_output(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = sigmoid(X @ W1 + b1)
    e = np.exp(A1 @ W2 + b2)
    dZ2 = (e / e.sum(1, keepdims=True) - ONE_HOT) / len(X)
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    return {"dW1": X.T @ dZ1, "db1": dZ1.sum(0), "dW2": A1.T @ dZ2, "db2": dZ2.sum(0)}


def biases_without_axis(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    e = np.exp(A1 @ W2 + b2)
    dZ2 = e / e.sum(1, keepdims=True) - ONE_HOT
    dZ1 = dZ2 @ W2.T * (1 - A1**2)
    dW1, db1 = X.T @ dZ1 / len(X), np.sum(dZ1) / len(X)
    return {"dW1": dW1, "db1": db1, "b1_new": b1 - ETA * db1}


def half_an_update(net: loopbp.Network) -> dict[str, np.ndarray]:
    W1, b1, W2, b2 = weights(net)
    gradient = net.backprop(X, LABELS, engine="numpy").grad[1]
    return {"W1_new": W1, "b1_new": b1, "W2_new": W2, "b2_new": b2 - ETA * gradient[0]}


def nothing_but_the_step(net: loopbp.Network) -> dict[str, np.ndarray]:
    gradient = net.backprop(X, LABELS, engine="numpy").grad
    return {f"W{l}_new": -ETA * g for l, g in enumerate(gradient)}


PROGRAMS: list[tuple[Callable[[loopbp.Network], dict[str, np.ndarray]], str]] = [
    (softmax_without_axis, "softmax-over-all"),
    (no_softmax, "activation-left-out[1]"),
    (sigmoid_for_softmax, "sigmoid-instead[1]"),
    (relu_for_tanh, "relu-instead"),
    (no_activation, "activation-left-out[0]"),
    (no_activation_and_slope_by_output, "activation-left-out-by-x"),
    (relu_forward_only, "relu-forward"),
    (sigmoid_and_slope_of_tanh_by_output, "sigmoid-forward-by-x"),
    (linear_throughout, "activation-left-out[0] + slope-left-out"),
    (biases_without_axis, "bias-over-all-nodes[0]"),
    (half_an_update, "layer-not-updated[0] + weights-not-updated[1]"),
    (nothing_but_the_step, "old-weights-left-out"),
]


@pytest.mark.parametrize(("program", "told"), PROGRAMS)
def test_one_thing_was_forgotten(program, told):
    net = loopbp.Network([4, 5, 3], "tanh", seed=3)
    found = loopbp.diagnose(net, X, LABELS, program(net), eta=ETA)
    assert told in found.brief.split("  or  "), found


def test_a_backward_pass_that_does_not_show():
    """What is told is the forward pass, once."""
    net = loopbp.Network([4, 5, 3], "tanh", seed=3)
    for program, told in (
        (relu_forward_only, "relu-instead"),
        (sigmoid_and_slope_of_tanh_by_output, "sigmoid-instead[0]"),
        (no_activation_and_slope_by_output, "activation-left-out[0]"),
    ):
        last = {name: array for name, array in program(net).items() if name.endswith("2")}
        assert loopbp.diagnose(net, X, LABELS, last).brief == told


def test_half_of_the_binary_cross_entropy():
    net = loopbp.Network([4, 5, 3], "tanh", "sigmoid", "binary_cross_entropy", seed=3)
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    A2 = sigmoid(A1 @ W2 + b2)
    dA2 = -ONE_HOT / A2
    dZ2 = dA2 * A2 * (1 - A2)
    found = loopbp.diagnose(net, X, ONE_HOT, {"dW2": A1.T @ dZ2 / len(X), "dZ2": dZ2})
    assert found.brief == "second-half-left-out"


def test_a_regression_whose_outputs_went_through_a_sigmoid():
    net = loopbp.Network([4, 5, 3], "tanh", "identity", "mse", seed=3)
    W1, b1, W2, b2 = weights(net)
    A1 = np.tanh(X @ W1 + b1)
    A2 = sigmoid(A1 @ W2 + b2)
    dZ2 = 2 * (A2 - ONE_HOT) / 3 * A2 * (1 - A2)
    found = loopbp.diagnose(net, X, ONE_HOT, {"dW2": A1.T @ dZ2 / len(X), "A2": A2})
    assert found.brief == "sigmoid-instead[1]"


def test_a_kink_does_not_explain_every_number():
    """1-1-1: S = 1, x = 1, then 2; δ = 2 + 3, and 2 · 5 below it.

    Without the bias S = 0, the outputs 0 and δ = 3, and below it 2 · 3 · ReLU′(0): 0 to 6. That
    does not make 2.5 a consequence of the bias that was left out.
    """
    net = loopbp.Network([1, 1, 1], "relu", "identity", "half_sse", [[[1], [0]], [[0], [2]]])
    assert loopbp.diagnose(net, [[1]], [[-3]], {"delta0": [[10]]}).agrees
    for number in (2.5, 5.5):
        found = loopbp.diagnose(net, [[1]], [[-3]], {"delta0": [[number]]})
        assert found.verdict == "unexplained", found
    found = loopbp.diagnose(net, [[1]], [[-3]], {"delta0": [[-10]]})
    assert "error-swapped" in found.brief


def test_a_kink_that_explains_the_biases_explains_nothing():
    """1-1-1: S = −1, then −1 + 1 = 0, where ReLU's g′ in place of 1 may be 0 or 1; δ = 0 − 2.

    Below it g′ is 0, so that the zeros are what it gives; that does not make −0.3 of it as well.
    """
    net = loopbp.Network([1, 1, 1], "identity", "identity", "half_sse", [[[-2], [1]], [[1], [1]]])
    given = {"dW1": [[0.0]], "db1": [0.0], "dW2": [[0.0]], "db2": [-0.3]}
    found = loopbp.diagnose(net, [[1]], [[2]], given)
    assert found.verdict in ("unexplained", "unclear"), found


@pytest.mark.parametrize("seed", [3, 7, 8, 18, 19])
def test_a_kink_that_is_hit_exactly(seed):
    """Where all ReLUs of an example are off, S = 0 + 0 above them, and ReLU′(0) = 0 is computed."""
    net = loopbp.Network([3, 4, 4, 2], "relu", "sigmoid", "binary_cross_entropy", seed=0)
    random = np.random.default_rng(seed)
    inputs, targets = random.normal(size=(8, 3)), random.integers(0, 2, (8, 2)).astype(float)
    for w in net.W:
        w[0] = 0.3
    x, masks, W = inputs, [], [w[1:] for w in net.W]
    for w in W[:2]:
        masks.append(x @ w > 0)
        x = x @ w * masks[-1]
    deltas = [sigmoid(x @ W[2]) - targets]
    for w, mask in zip(W[:0:-1], masks[::-1], strict=True):
        deltas.append(deltas[-1] @ w.T * mask)
    assert any(not mask.any(axis=1).all() for mask in masks)
    given = {f"db{l}": delta.mean(axis=0) for l, delta in enumerate(deltas[::-1])}
    assert loopbp.diagnose(net, inputs, targets, given).brief == "bias-left-out"
