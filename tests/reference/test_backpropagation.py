"""The NumPy twin's backward pass against path sums and finite differences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from loopbp import reference

from .cases import ELEMENTWISE, OUTPUT_PAIRS, close, passes, random_problem


def path_sum(weights, S, x, Y, g_primes, layer, i, j):
    """∂f/∂w_ij^(l) of f = Σ_k (y_k − x_k)²: the sum over every path from w_ij to an output."""
    widths = [W.shape[1] for W in weights[layer + 1 :]]
    total = 0.0
    for tail in itertools.product(*(range(width) for width in widths)):
        nodes = (j, *tail)
        term = x[layer][0, i]
        for step, node in enumerate(nodes):
            term *= g_primes[layer + step](S[layer + step][0, node])
            if step + 1 < len(nodes):
                term *= weights[layer + step + 1][1 + node, nodes[step + 1]]
        total += term * -2 * (Y[0, nodes[-1]] - x[-1][0, nodes[-1]])
    return total


def test_gradient_is_the_sum_over_paths():
    """Layers 0..4, every weight and bias, derivatives of g written out with `math`."""
    activations = ["tanh", "sin", "exp", "sigmoid"]
    g_primes = [
        lambda s: 1 / math.cosh(s) ** 2,
        math.cos,
        math.exp,
        lambda s: math.exp(-s) / (1 + math.exp(-s)) ** 2,
    ]
    weights, X, Y = random_problem([2, 3, 2, 3, 2], "sigmoid", "sse", seed=1, n=1)
    S, x, _, _, grad = passes(weights, X, Y, activations, "sse")
    for layer, W in enumerate(weights):
        for i, j in np.ndindex(W.shape):
            expected = path_sum(weights, S, x, Y, g_primes, layer, i, j)
            assert grad[layer][i, j] == pytest.approx(expected, rel=1e-12)


def central_differences(weights, X, Y, activations, loss, h):
    """(f(w + h) − f(w − h)) / 2h of the summed loss, for every entry of every weight matrix."""

    def total():
        S, x = reference.forward(weights, X, activations)
        return reference.losses(loss, S[-1], x[-1], Y).sum()

    slopes = [np.empty_like(W) for W in weights]
    for W, slope in zip(weights, slopes, strict=True):
        for index in np.ndindex(W.shape):
            kept = W[index]
            W[index] = kept + h
            above = total()
            W[index] = kept - h
            slope[index] = (above - total()) / (2 * h)
            W[index] = kept
    return slopes


def assert_finite_differences_agree(hidden, output, loss):
    weights, X, Y = random_problem([3, 4, 4, 2], output, loss, seed=11)
    weights = [0.5 * W for W in weights]  # keeps exp(exp(…)), and with it f‴, moderate
    activations = [hidden, hidden, output]
    S, _, _, _, grad = passes(weights, X, Y, activations, loss)
    # A step moves a sum by less than 10 h, so that no difference straddles a kink at 0.
    h = 1e-5
    assert all(np.abs(sums).min() > 10 * h for sums in S)
    numeric = central_differences(weights, X, Y, activations, loss, h)
    # Truncation h² f‴/6 and rounding ε f / h are both below 1e-9 for f and f‴ up to some tens.
    for g, slope in zip(grad, numeric, strict=True):
        close(g, slope, rtol=1e-8, atol=2e-9)


@pytest.mark.parametrize("hidden", ELEMENTWISE)
def test_hidden_activation_against_finite_differences(hidden):
    assert_finite_differences_agree(hidden, "softmax", "cross_entropy")


@pytest.mark.parametrize(("output", "loss"), OUTPUT_PAIRS)
def test_output_and_loss_against_finite_differences(output, loss):
    assert_finite_differences_agree("tanh", output, loss)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reduction_is_over_examples(reduction):
    weights, X, Y = random_problem([3, 4, 2], "identity", "mse", n=7)
    activations = ["silu", "identity"]
    _, _, f, delta, grad = passes(weights, X, Y, activations, "mse", reduction)
    rows = [passes(weights, X[n : n + 1], Y[n : n + 1], activations, "mse") for n in range(7)]
    close(f, [row[2][0] for row in rows])
    for layer in range(2):
        close(delta[layer], np.vstack([row[3][layer] for row in rows]), rtol=1e-12)
        reduce = np.mean if reduction == "mean" else np.sum
        close(grad[layer], reduce([row[4][layer] for row in rows], axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), OUTPUT_PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_dtype_is_that_of_the_weights(dtype, output, loss, reduction):
    """Inputs and targets of the other width, and of integers, do not change it."""
    weights, X, Y = random_problem([3, 2, 2], output, loss, dtype=dtype)
    other = "float32" if dtype == "float64" else "float64"
    targets = np.eye(2, dtype=int)[[0, 1, 1, 0, 1]]
    for name in ELEMENTWISE:
        for x_in, y_in in ((X.astype(other), Y.astype(other)), (X.astype(int), targets)):
            results = passes(weights, x_in, y_in, [name, output], loss, reduction)
            S, x, f, delta, grad = results
            assert {a.dtype for a in (*S, *x, f, *delta, *grad)} == {np.dtype(dtype)}


def test_shapes_constants_and_arguments_left_alone():
    weights, X, Y = random_problem([3, 5, 4, 2], "identity", "sse", n=6)
    given = [*weights, X, Y]
    before = [a.copy() for a in given]
    S, x, f, delta, grad = passes(weights, X, Y, ["identity"] * 3, "sse")
    assert [a.shape for a in S] == [a.shape for a in delta] == [(6, 5), (6, 4), (6, 2)]
    assert [a.shape for a in x] == [(6, 4), (6, 6), (6, 5), (6, 2)]
    assert f.shape == (6,)
    assert [a.shape for a in grad] == [W.shape for W in weights]
    assert all((a[:, 0] == 1).all() for a in x[:-1])
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))
    results = [*S, *x, *delta]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(results, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": "softmax"}, "activations: expected one of identity, .*exp; got 'softmax'"),
        ({"output": "softmin"}, "activations: expected one of .*softmax; got 'softmin'"),
        ({"loss": "hinge"}, "loss: expected one of sse, .*; got 'hinge'"),
        ({"reduction": "max"}, "reduction: expected one of mean, sum; got 'max'"),
        ({"loss": "cross_entropy"}, "expected 'softmax' at the output .*; got 'sigmoid'"),
        (
            {"loss": "binary_cross_entropy", "output": "tanh"},
            "expected 'sigmoid' at the output .*; got 'tanh'",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(change, message):
    names = {"hidden": "tanh", "output": "sigmoid", "loss": "sse", "reduction": "mean"} | change
    weights, X, Y = random_problem([2, 3, 2], "sigmoid", "sse")
    activations = [names["hidden"], names["output"]]
    with pytest.raises(ValueError, match=message):
        passes(weights, X, Y, activations, names["loss"], names["reduction"])


def test_forward_refuses_softmax_in_a_hidden_layer():
    weights, X, _ = random_problem([2, 3, 2], "identity", "sse")
    with pytest.raises(ValueError, match="activations: .*; got 'softmax'"):
        reference.forward(weights, X, ["softmax", "identity"])


@pytest.mark.parametrize("activations", [["identity"], ["tanh", "tanh", "identity"]])
def test_one_activation_per_weight_matrix(activations):
    weights, X, Y = random_problem([2, 3, 2], "identity", "sse")
    with pytest.raises(ValueError, match="argument 2 is (shorter|longer)"):
        reference.forward(weights, X, activations)
    S, x = reference.forward(weights, X, ["tanh", "identity"])
    with pytest.raises(ValueError, match="argument 3 is (shorter|longer)"):
        reference.backward(weights, S, x, Y, activations, "sse", "mean")
