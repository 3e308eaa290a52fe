"""Names and random problems that the tests of the NumPy twin share."""

from __future__ import annotations

import itertools

import numpy as np

from loopbp import reference

SMOOTH = ["identity", "sigmoid", "tanh", "softplus", "silu", "gelu", "sin", "cos", "exp"]
KINKED = ["relu", "leaky_relu", "elu"]  # elu′ is continuous at 0, elu″ is not
ELEMENTWISE = SMOOTH + KINKED
PLAIN_LOSSES = ["sse", "half_sse", "mse"]

# Every output activation with every loss that goes with it.
OUTPUT_PAIRS = [
    *itertools.product([*ELEMENTWISE, "softmax"], PLAIN_LOSSES),
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
]


def close(actual, expected, rtol=1e-14, atol=0.0):
    """Same shape, and |actual − expected| ≤ atol + rtol |expected| for every element."""
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def random_problem(sizes, output, loss, *, seed=0, n=5, dtype="float64"):
    """Weights, inputs and targets that suit the loss, of moderate size."""
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise(sizes)
    weights = [rng.uniform(-0.9, 0.9, (a + 1, b)).astype(dtype) for a, b in shapes]
    X = rng.uniform(-1.5, 1.5, (n, sizes[0])).astype(dtype)
    Y = rng.uniform(0.05, 0.95, (n, sizes[-1]))
    if loss == "cross_entropy":
        Y /= Y.sum(axis=1, keepdims=True)
    return weights, X, Y.astype(dtype)


def passes(weights, X, Y, activations, loss, reduction="sum"):
    """S, x, the losses, δ and the gradients."""
    S, x = reference.forward(weights, X, activations)
    f = reference.losses(loss, S[-1], x[-1], Y)
    delta, grad = reference.backward(weights, S, x, Y, activations, loss, reduction)
    return S, x, f, delta, grad
