"""What a gradient looks like in a few numbers: the statistics of one layer.

They are not part of the derivation, so they are summed in float64 whatever the dtype, column by
column and then over the columns: a fixed order, the same on every machine.
"""

import math

import numpy as np

from .compile import kernel, scalar

#: What `gradient_statistics` writes, in order.
NAMES = ("mean_abs", "l2", "max_abs", "zeros", "delta_norm")


@scalar
def larger(a, b):
    """The larger of two numbers, NaN if either is NaN."""
    return b if b > a or b != b else a


@scalar
def root_sum_of_squares(values):
    """√(Σ v²) of a (I, J) array, in float64; scaled by max |v|, so that no square overflows."""
    I, J = values.shape
    largest = 0.0
    for i in range(I):
        for j in range(J):
            largest = larger(largest, abs(np.float64(values[i, j])))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    total = 0.0
    for i in range(I):
        for j in range(J):
            v = np.float64(values[i, j]) / largest
            total += v * v
    return largest * math.sqrt(total)


@scalar
def root_of(total, values):
    """√total, where total = Σ v²; by scaling where the squares left the range of float64."""
    if 1e-280 < total < np.inf:
        return math.sqrt(total)
    return root_sum_of_squares(values)


@kernel
def gradient_statistics(out, grad, delta):
    """Mean |g|, √(Σ g²), max |g|, share of exact zeros, and √(Σ_n Σ_j δ_j² / N).

    g are the entries ∂f/∂w of one layer, biases included; the last number is the root mean
    square, over the examples, of the norm of δ. Modified in place: out (5,) float64, in the order
    of `NAMES`. Read: grad (I, J) and delta (N, J), float32 or float64. A NaN in grad makes all
    but the share of zeros NaN.
    """
    I, J = grad.shape
    N = delta.shape[0]
    sums, squares, largest = np.zeros(J), np.zeros(J), np.zeros(J)
    zeros = np.zeros(J)
    for i in range(I):
        for j in range(J):
            a = abs(np.float64(grad[i, j]))
            sums[j] += a
            squares[j] += a * a
            largest[j] = larger(largest[j], a)
            zeros[j] += 1.0 if a == 0.0 else 0.0
    delta_squares = np.zeros(J)
    for n in range(N):
        for j in range(J):
            d = np.float64(delta[n, j])
            delta_squares[j] += d * d
    for j in range(1, J):
        sums[0] += sums[j]
        squares[0] += squares[j]
        zeros[0] += zeros[j]
        largest[0] = larger(largest[0], largest[j])
        delta_squares[0] += delta_squares[j]
    out[0] = sums[0] / (I * J)
    out[1] = root_of(squares[0], grad)
    out[2] = largest[0]
    out[3] = zeros[0] / (I * J)
    out[4] = root_of(delta_squares[0], delta) / math.sqrt(N)
