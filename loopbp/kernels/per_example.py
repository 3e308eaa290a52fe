"""Each example's own gradient, ∂f_n/∂w_ij = δ_j x_i, and its length, from δ and x of one layer.

One example's gradient is an outer product, whose entries are single products: there is no sum, and
nothing to be rounded but the product. What is asked of it most often needs none of its entries:

    Σ_ij (δ_j x_i)²     = (Σ_j δ_j²) (Σ_i x_i²)          norms
    Σ_ij (δ_j x_i) G_ij = Σ_j δ_j (Σ_i x_i G_ij)         dots

Norms and dots are no part of the derivation, so they are summed in float64 whatever the dtype, in
a fixed order: lane k of `LANES` takes the terms k, k + LANES, … in ascending order; then the lanes
are added in ascending order.

Source: Goodfellow, "Efficient per-example gradient computations" (2015), arXiv:1510.01799.
"""

import math

import numpy as np

from .compile import kernel, part, scalar
from .stream import finish, stream

#: Partial sums of one sum: the processor adds to them side by side.
LANES = 64

#: Bytes of a piece of a gradient: it stays in the second-level cache until it is written.
PIECE = 65536


@part
def inner_product(a, b, n, lanes):
    """Σ_k a_k b_k over row n of two arrays, in float64, returned; in the order described above.

    Modified in place: lanes (LANES,) float64, of no further use. Read: a and b, both (N, K).
    """
    K = a.shape[1]
    whole = K // LANES * LANES
    lanes[:] = 0.0
    for first in range(0, whole, LANES):
        for k in range(LANES):
            lanes[k] += np.float64(a[n, first + k]) * np.float64(b[n, first + k])
    for k in range(K - whole):
        lanes[k] += np.float64(a[n, whole + k]) * np.float64(b[n, whole + k])
    total = lanes[0]
    for k in range(1, min(K, LANES)):
        total += lanes[k]
    return total


@scalar
def scaled_length(rows, n):
    """√(Σ_k v_k²) of row n; scaled by max |v|, so that no square leaves float64."""
    largest = 0.0
    for k in range(rows.shape[1]):
        v = abs(np.float64(rows[n, k]))
        largest = v if v > largest or v != v else largest
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    total = 0.0
    for k in range(rows.shape[1]):
        v = np.float64(rows[n, k]) / largest
        total += v * v
    return largest * math.sqrt(total)


@part
def length(rows, n, lanes):
    """√(Σ_k v_k²) of row n, returned; taken again by scaling where the squares leave float64."""
    norm = math.sqrt(inner_product(rows, rows, n, lanes))
    return norm if 1e-140 < norm < np.inf else scaled_length(rows, n)


@kernel
def norms(out, delta, x):
    """‖g_n‖ = √(Σ_j δ_j²) √(Σ_i x_i²), the length of one layer's ∂f_n/∂w; x_0 = 1.

    Modified in place: out (N,) float64. Read: delta (N, J); x (N, I), column 0 is 1.
    """
    lanes = np.empty(LANES)
    for n in range(out.shape[0]):
        out[n] = length(delta, n, lanes) * length(x, n, lanes)


@kernel
def dots(out, delta, sums):
    """g_n · G = Σ_j δ_j s_j, where s_j = Σ_i x_i G_ij is a weighted sum with G for weights.

    Modified in place: out (N,) float64. Read: delta and sums, both (N, J).
    """
    lanes = np.empty(LANES)
    for n in range(out.shape[0]):
        out[n] = inner_product(delta, sums, n, lanes)


@kernel
def gradients(out, column, delta, x):
    """∂f_n/∂w_ij = δ_j x_i: the entries of one layer in the gradient of each example.

    They are made in pieces that stay in the cache, and written past it (see `stream`). Modified in
    place: out (N, P), columns column … column + I J − 1, C-contiguous. Read: delta (N, J); x
    (N, I), column 0 is 1; all of one dtype.
    """
    N, P = out.shape
    I, J = x.shape[1], delta.shape[1]
    rows = min(I, max(1, PIECE // (J * out.itemsize)))
    piece = np.empty(rows * J, out.dtype)
    flat = out.ravel()
    for n in range(N):
        for i in range(0, I, rows):
            count = min(rows, I - i)
            for r in range(count):
                for j in range(J):
                    piece[r * J + j] = delta[n, j] * x[n, i + r]
            stream(flat, n * P + column + i * J, piece, count * J)
    finish()
