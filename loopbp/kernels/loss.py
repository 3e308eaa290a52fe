"""Losses: f beside ∂f/∂x, one pair per loss.

f is the loss of one example, a sum over the outputs j of the last layer; y are its targets. The
two cross-entropies are computed from S, so that they neither overflow nor take ln 0, and their
partner gives δ at once: the derivative of the activation cancels against that of the loss.

Sources: Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.3.4 (cross-entropy
of softmax) and section 5.2 (δ = x − y for the matching pairs of activation and loss).
"""

from . import elementary
from .compile import kernel, scalar


@kernel
def sse(losses, x, y):
    """f = Σ_j (y_j − x_j)², the sum of squared errors.

    Modified in place: losses (N,). Read: outputs x and targets y, both (N, J).
    """
    N, J = x.shape
    for n in range(N):
        f = (y[n, 0] - x[n, 0]) * (y[n, 0] - x[n, 0])
        for j in range(1, J):
            f += (y[n, j] - x[n, j]) * (y[n, j] - x[n, j])
        losses[n] = f


@kernel
def sse_prime(dfdx, x, y):
    """∂f/∂x_j = −2 (y_j − x_j).

    Modified in place: dfdx (N, J). Read: x and y, both (N, J).
    """
    N, J = x.shape
    two = x.dtype.type(2)
    for n in range(N):
        for j in range(J):
            dfdx[n, j] = -two * (y[n, j] - x[n, j])


@kernel
def half_sse(losses, x, y):
    """f = ½ Σ_j (y_j − x_j)².

    Modified in place: losses (N,). Read: x and y, both (N, J).
    """
    N, J = x.shape
    half = x.dtype.type(0.5)
    for n in range(N):
        f = (y[n, 0] - x[n, 0]) * (y[n, 0] - x[n, 0])
        for j in range(1, J):
            f += (y[n, j] - x[n, j]) * (y[n, j] - x[n, j])
        losses[n] = half * f


@kernel
def half_sse_prime(dfdx, x, y):
    """∂f/∂x_j = −(y_j − x_j).

    Modified in place: dfdx (N, J). Read: x and y, both (N, J).
    """
    N, J = x.shape
    for n in range(N):
        for j in range(J):
            dfdx[n, j] = -(y[n, j] - x[n, j])


@kernel
def mse(losses, x, y):
    """f = Σ_j (y_j − x_j)² / n_L, the mean over the n_L outputs.

    Modified in place: losses (N,). Read: x and y, both (N, J), J = n_L.
    """
    N, J = x.shape
    n_L = x.dtype.type(J)
    for n in range(N):
        f = (y[n, 0] - x[n, 0]) * (y[n, 0] - x[n, 0])
        for j in range(1, J):
            f += (y[n, j] - x[n, j]) * (y[n, j] - x[n, j])
        losses[n] = f / n_L


@kernel
def mse_prime(dfdx, x, y):
    """∂f/∂x_j = −2 (y_j − x_j) / n_L.

    Modified in place: dfdx (N, J). Read: x and y, both (N, J), J = n_L.
    """
    N, J = x.shape
    two, n_L = x.dtype.type(2), x.dtype.type(J)
    for n in range(N):
        for j in range(J):
            dfdx[n, j] = -two * (y[n, j] - x[n, j]) / n_L


@kernel
def cross_entropy(losses, S, y):
    """f = −Σ_j y_j ln x_j with x = softmax(S), where ln x_j = S_j − m − ln Σ_k e^(S_k − m).

    m = max_k S_k. Modified in place: losses (N,). Read: S and y, both (N, J).
    """
    N, J = S.shape
    for n in range(N):
        m = S[n, 0]
        for k in range(1, J):
            if S[n, k] > m:
                m = S[n, k]
        z = elementary.exp(S[n, 0] - m)
        for k in range(1, J):
            z += elementary.exp(S[n, k] - m)
        ln_z = elementary.log(z)
        f = y[n, 0] * (ln_z - (S[n, 0] - m))
        for j in range(1, J):
            f += y[n, j] * (ln_z - (S[n, j] - m))
        losses[n] = f


@scalar
def binary_term(s, y):
    """−y ln x − (1 − y) ln(1 − x) with x = sigmoid(s), as (max(s, 0) − y s) + ln(1 + e^−|s|)."""
    zero = type(s)(0)
    rest = elementary.log1p(elementary.exp(-s if s > zero else s))
    return ((s if s > zero else zero) - y * s) + rest


@kernel
def binary_cross_entropy(losses, S, y):
    """f = −Σ_j (y_j ln x_j + (1 − y_j) ln(1 − x_j)) with x = sigmoid(S).

    Modified in place: losses (N,). Read: S and y, both (N, J).
    """
    N, J = S.shape
    for n in range(N):
        f = binary_term(S[n, 0], y[n, 0])
        for j in range(1, J):
            f += binary_term(S[n, j], y[n, j])
        losses[n] = f


@kernel
def weigh(values, importance):
    """c f of each example, or c δ_j: what it counts for in the weighted mean Σ_n c_n f_n / Σ_n c_n.

    Modified in place: values (N, J). Read: importance (N,), c ≥ 0.
    """
    N, J = values.shape
    for n in range(N):
        for j in range(J):
            values[n, j] = importance[n] * values[n, j]


@kernel
def cross_entropy_delta(delta, x, y):
    """δ_j = x_j − y_j: both cross-entropies, since g′ cancels.

    For softmax with targets that sum to 1, and for sigmoid. Modified in place: delta (N, J).
    Read: x and y, both (N, J).
    """
    N, J = x.shape
    for n in range(N):
        for j in range(J):
            delta[n, j] = x[n, j] - y[n, j]
