"""Backpropagation as matrix products: the independent, vectorised NumPy twin of the loops.

The derivation by indices, with all N examples at once:

    S^(l) = x^(l) W^(l)                                      weighted sums
    x^(l+1) = [1, g(S^(l))]                                  outputs, column 0 the constant
    δ^(L−1) = ∂f/∂x^(L) · ∂x^(L)/∂S^(L−1)                    last layer
    δ^(l) = (δ^(l+1) W^(l+1)[1:]ᵀ) ⊙ g′(S^(l))               hidden layers, from last to first
    ∂f/∂W^(l) = x^(l)ᵀ δ^(l), divided by N for the mean      gradients

Row i of W^(l) holds the weights from node i, row 0 the biases; `[1:]` leaves the biases out,
because the constant node has no δ. A column of a layer's S, δ or W stands for one of its nodes
1, 2, ….

Lists are indexed by layer. Every array of a network has the dtype of its weights, float32 or
float64; targets and inputs are converted to it. Shapes and values are not checked here; a name
that is unknown or does not fit raises `ValueError`. No argument is modified.

The order of the sums inside a matrix product is the BLAS library's, so results agree with the
explicit loops within rounding, not bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Elementwise = Callable[[Array], Array]

_T = TypeVar("_T")


def _named(argument: str, name: str, table: Mapping[str, _T]) -> _T:
    """table[name]; `ValueError` with the argument and the known names if there is no such entry."""
    if name not in table:
        raise ValueError(f"{argument}: expected one of {', '.join(table)}; got {name!r}")
    return table[name]


# --- Activations: g beside g′. Each takes S of any shape and returns a new array like it. -------


def identity(s: Array) -> Array:
    """g(s) = s, as a new array."""
    return s.copy()


def identity_derivative(s: Array) -> Array:
    """g′(s) = 1."""
    return np.ones_like(s)


def sigmoid(s: Array) -> Array:
    """σ(s) = 1 / (1 + e^−s), for s < 0 in the form e^s / (1 + e^s): only e^−|s| is formed."""
    e: Array = np.exp(-np.abs(s))
    return np.where(s >= 0, 1, e) / (1 + e)


def sigmoid_derivative(s: Array) -> Array:
    """σ′(s) = σ(s) (1 − σ(s)), with 1 − σ(s) = σ(−s), which does not cancel at large s."""
    return sigmoid(s) * sigmoid(-s)


def tanh_derivative(s: Array) -> Array:
    """tanh′(s) = 1 − tanh²(s) = 4 σ′(2s), since tanh(s) = 2σ(2s) − 1; free of cancellation."""
    return 4 * sigmoid_derivative(2 * s)


def relu(s: Array) -> Array:
    """g(s) = max(s, 0)."""
    return np.maximum(s, 0)


def relu_derivative(s: Array) -> Array:
    """g′(s) = 1 for s > 0, else 0; at the kink g′(0) = 0."""
    return (s > 0).astype(s.dtype)


def leaky_relu(s: Array) -> Array:
    """g(s) = s for s > 0, else 0.01 s."""
    return np.where(s > 0, s, 0.01 * s)


def leaky_relu_derivative(s: Array) -> Array:
    """g′(s) = 1 for s > 0, else 0.01; at the kink g′(0) = 0.01."""
    return np.where(s > 0, 1.0, 0.01).astype(s.dtype)


def elu(s: Array) -> Array:
    """g(s) = s for s > 0, else e^s − 1."""
    return np.where(s > 0, s, np.expm1(np.minimum(s, 0)))


def elu_derivative(s: Array) -> Array:
    """g′(s) = 1 for s > 0, else e^s."""
    return np.exp(np.minimum(s, 0))


def softplus(s: Array) -> Array:
    """g(s) = ln(1 + e^s) = ln(e^0 + e^s)."""
    return np.logaddexp(0, s)


def silu(s: Array) -> Array:
    """g(s) = s σ(s)."""
    return s * sigmoid(s)


def silu_derivative(s: Array) -> Array:
    """g′(s) = σ(s) + s σ′(s)."""
    return sigmoid(s) + s * sigmoid_derivative(s)


def normal_cdf(s: Array) -> Array:
    """Φ(s) = ½ erfc(−s / √2), the standard normal distribution function.

    NumPy has no error function: this calls Python's for each element, in double precision, and
    is slow. With erfc in place of 1 + erf the left tail keeps its digits.
    """
    cdf = np.frompyfunc(lambda t: 0.5 * math.erfc(-t / math.sqrt(2)), 1, 1)
    return np.asarray(cdf(s), dtype=s.dtype)


def normal_density(s: Array) -> Array:
    """φ(s) = Φ′(s) = e^(−s²/2) / √(2π)."""
    return np.exp(-0.5 * s * s) / math.sqrt(2 * math.pi)


def gelu(s: Array) -> Array:
    """g(s) = s Φ(s) (Hendrycks and Gimpel 2016, the exact form)."""
    return s * normal_cdf(s)


def gelu_derivative(s: Array) -> Array:
    """g′(s) = Φ(s) + s φ(s)."""
    return normal_cdf(s) + s * normal_density(s)


def cos_derivative(s: Array) -> Array:
    """cos′(s) = −sin(s)."""
    return -np.sin(s)


ACTIVATIONS: Mapping[str, Elementwise] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "softplus": softplus,
    "silu": silu,
    "gelu": gelu,
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
}
DERIVATIVES: Mapping[str, Elementwise] = {
    "identity": identity_derivative,
    "sigmoid": sigmoid_derivative,
    "tanh": tanh_derivative,
    "relu": relu_derivative,
    "leaky_relu": leaky_relu_derivative,
    "elu": elu_derivative,
    "softplus": sigmoid,
    "silu": silu_derivative,
    "gelu": gelu_derivative,
    "sin": np.cos,
    "cos": cos_derivative,
    "exp": np.exp,
}


# --- Softmax: the one activation in which every output depends on every sum. --------------------


def row_sum(z: Array) -> Array:
    """Σ_j z_nj: z is (N, n), the result (N,)."""
    total: Array = z.sum(axis=1)
    return total


def log_softmax(S: Array) -> Array:
    """ln x_j = S_j − ln Σ_k e^(S_k), with the row's maximum taken out so that no term overflows.

    S and the result are (N, n).
    """
    shifted: Array = S - S.max(axis=1, keepdims=True)
    return shifted - np.log(row_sum(np.exp(shifted)))[:, None]


def softmax(S: Array) -> Array:
    """x_j = e^(S_j) / Σ_k e^(S_k), each row on its own; S and the result are (N, n)."""
    e: Array = np.exp(S - S.max(axis=1, keepdims=True))
    return e / row_sum(e)[:, None]


def softmax_jacobian_product(x: Array, upstream: Array) -> Array:
    """δ_j = Σ_k u_k ∂x_k/∂S_j = x_j (u_j − Σ_k u_k x_k), since ∂x_k/∂S_j = x_k ([j = k] − x_j).

    x is the softmax output, u = `upstream` is ∂f/∂x; both and the result are (N, n).
    """
    return x * (upstream - row_sum(upstream * x)[:, None])


OUTPUTS: Mapping[str, Elementwise] = {**ACTIVATIONS, "softmax": softmax}


# --- Losses of single examples. S, x and Y are (N, n), each result is (N,). ---------------------


def sse(S: Array, x: Array, Y: Array) -> Array:
    """f = Σ_j (y_j − x_j)²."""
    return row_sum((Y - x) ** 2)


def half_sse(S: Array, x: Array, Y: Array) -> Array:
    """f = ½ Σ_j (y_j − x_j)²."""
    return 0.5 * sse(S, x, Y)


def mse(S: Array, x: Array, Y: Array) -> Array:
    """f = Σ_j (y_j − x_j)² / n."""
    n: int = x.shape[1]
    return sse(S, x, Y) / n


def cross_entropy(S: Array, x: Array, Y: Array) -> Array:
    """f = −Σ_j y_j ln x_j with x = softmax(S), from S: the logarithm of 0 is never taken."""
    return -row_sum(Y * log_softmax(S))


def binary_cross_entropy(S: Array, x: Array, Y: Array) -> Array:
    """f = −Σ_j (y_j ln x_j + (1 − y_j) ln(1 − x_j)) with x = σ(S), from S.

    −ln σ(s) = softplus(−s) and −ln(1 − σ(s)) = softplus(s): neither overflows nor cancels.
    """
    return row_sum(Y * softplus(-S) + (1 - Y) * softplus(S))


LOSSES: Mapping[str, Callable[[Array, Array, Array], Array]] = {
    "sse": sse,
    "half_sse": half_sse,
    "mse": mse,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}

# ∂f/∂x of the losses that take any output activation.
LOSS_DERIVATIVES: Mapping[str, Callable[[Array, Array], Array]] = {
    "sse": lambda x, Y: 2 * (x - Y),
    "half_sse": lambda x, Y: x - Y,
    "mse": lambda x, Y: 2 * (x - Y) / x.shape[1],
}

# The one output activation of each loss that is computed from S; the pair has δ = x − y.
MATCHING_OUTPUT: Mapping[str, str] = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
}


# --- The two passes. ----------------------------------------------------------------------------


def _with_constant(z: Array) -> Array:
    """[1, z]: a new (N, n + 1) array, a column of ones before the columns of z, which is (N, n)."""
    return np.concatenate((np.ones((len(z), 1), dtype=z.dtype), z), axis=1)


def forward(
    weights: Sequence[Array], X: Array, activations: Sequence[str]
) -> tuple[list[Array], list[Array]]:
    """S^(l) = x^(l) W^(l), x^(l+1) = [1, g(S^(l))], without the column of ones at the output.

    `weights[l]` is (n_l + 1, n_{l+1}), row 0 the biases; X is (N, n_0); `activations` holds a
    name per weight matrix, the last of them the output's, which may be 'softmax'.

    Returns S and x: S[l] is (N, n_{l+1}) for l = 0 … L−1; x[l] is (N, n_l + 1) with column 0
    equal to 1 for l = 0 … L−1, and x[L] is (N, n_L).

    Raises `ValueError` for an unknown activation, or if their number is not that of the weights.
    """
    *hidden, output = activations
    S: list[Array] = []
    x = [_with_constant(np.asarray(X, dtype=weights[0].dtype))]
    for W, activation in zip(weights[:-1], hidden, strict=True):
        g = _named("activations", activation, ACTIVATIONS)
        S.append(x[-1] @ W)
        x.append(_with_constant(g(S[-1])))
    S.append(x[-1] @ weights[-1])
    x.append(_named("activations", output, OUTPUTS)(S[-1]))
    return S, x


def losses(loss: str, S_last: Array, x_last: Array, Y: Array) -> Array:
    """f of each example, from the last layer's sums S^(L−1), outputs x^(L) and the targets.

    S_last, x_last and Y are (N, n_L); the result is (N,). 'cross_entropy' and
    'binary_cross_entropy' use S_last alone, the other losses x_last alone.

    Raises `ValueError` for an unknown loss.
    """
    f = _named("loss", loss, LOSSES)
    return f(S_last, x_last, np.asarray(Y, dtype=S_last.dtype))


def output_delta(loss: str, activation: str, S_last: Array, x_last: Array, Y: Array) -> Array:
    """δ_j^(L−1) = Σ_k ∂f/∂x_k^(L) · ∂x_k^(L)/∂S_j^(L−1) of each example.

    Elementwise g: ∂f/∂x_j g′(S_j). Softmax: the product with its Jacobian. Cross-entropy of
    softmax, where the targets of an example sum to 1, and binary cross-entropy of the sigmoid:
    both reduce to x_j − y_j.

    S_last, x_last, Y and the result are (N, n_L), of one dtype. Raises `ValueError` for an
    unknown name, and for a loss whose output activation has to be another one.
    """
    _named("loss", loss, LOSSES)
    _named("activations", activation, OUTPUTS)
    if loss in MATCHING_OUTPUT:
        if activation != MATCHING_OUTPUT[loss]:
            raise ValueError(
                f"activations: expected {MATCHING_OUTPUT[loss]!r} at the output for the loss "
                f"{loss!r}; got {activation!r}"
            )
        return x_last - Y
    upstream = LOSS_DERIVATIVES[loss](x_last, Y)
    if activation == "softmax":
        return softmax_jacobian_product(x_last, upstream)
    return upstream * DERIVATIVES[activation](S_last)


def backward(
    weights: Sequence[Array],
    S: Sequence[Array],
    x: Sequence[Array],
    Y: Array,
    activations: Sequence[str],
    loss: str,
    reduction: str,
) -> tuple[list[Array], list[Array]]:
    """δ^(l) = (δ^(l+1) W^(l+1)[1:]ᵀ) ⊙ g′(S^(l)) from last to first, ∂f/∂W^(l) = x^(l)ᵀ δ^(l).

    S and x are what `forward` returned for `weights` and `activations`; Y is (N, n_L), N ≥ 1.

    Returns δ and the gradients: δ[l] is (N, n_{l+1}), a row per example and never divided by N;
    grad[l] has the shape of weights[l] and holds the sum over the examples for the reduction
    'sum', their mean for 'mean'.

    Raises `ValueError` for an unknown name, a loss that does not go with the output activation,
    or if the number of activations is not that of the weights.
    """
    divisor = _named("reduction", reduction, {"mean": len(Y), "sum": 1})
    *hidden, output = activations
    delta = [output_delta(loss, output, S[-1], x[-1], np.asarray(Y, dtype=S[-1].dtype))]
    # Each step back goes through the weights above the layer, so weights[0] is never needed here.
    steps = zip(weights[1:], S[:-1], hidden, strict=True)
    for W, sums, activation in reversed(list(steps)):
        g_prime = _named("activations", activation, DERIVATIVES)
        delta.insert(0, (delta[0] @ W[1:].T) * g_prime(sums))
    grad: list[Array] = [inputs.T @ d / divisor for inputs, d in zip(x[:-1], delta, strict=True)]
    return delta, grad


# --- Steps of gradient descent. -----------------------------------------------------------------


def sgd(
    theta: Array,
    gradient: Array,
    velocity: Array,
    eta: float,
    momentum: float,
    nesterov: bool,
) -> tuple[Array, Array]:
    """v ← μ v + g; w ← w − η v, or w ← w − η (g + μ v) with the new v for Nesterov's momentum.

    theta, gradient and velocity have one shape and dtype, as do the new theta and velocity
    that are returned. μ = `momentum` = 0 is plain gradient descent.
    """
    eta, momentum = float(eta), float(momentum)  # a NumPy float64 would promote float32 arrays
    velocity = momentum * velocity + gradient
    direction = gradient + momentum * velocity if nesterov else velocity
    return theta - eta * direction, velocity


def adam(
    theta: Array,
    gradient: Array,
    first: Array,
    second: Array,
    step: int,
    eta: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """m ← β₁ m + (1−β₁) g; v ← β₂ v + (1−β₂) g²; w ← w − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the bias towards the zeros that m = `first`
    and v = `second` start from; t = `step` counts from 1. The coefficients are computed in
    double precision and rounded once to the dtype of the arrays, which all have one shape and
    dtype. Returns the new theta, first and second.

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", Algorithm 1.
    """
    eta, epsilon = float(eta), float(epsilon)  # a NumPy float64 would promote float32 arrays
    beta1, beta2 = float(beta1), float(beta2)
    first = beta1 * first + (1 - beta1) * gradient
    second = beta2 * second + (1 - beta2) * gradient**2
    first_unbiased = first / (1 - beta1**step)
    second_unbiased = second / (1 - beta2**step)
    theta = theta - eta * first_unbiased / (np.sqrt(second_unbiased) + epsilon)
    return theta, first, second
