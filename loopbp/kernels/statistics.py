"""What a gradient looks like in a few numbers: the statistics of one layer.

They are not part of the derivation, so they are summed in float64 whatever the dtype, column by
column and then over the columns: a fixed order, the same on every machine. The numbers of a column
may be computed beside those of any other (see `product.add_columns`).
"""

import math

import numpy as np

from .compile import kernel, part, scalar

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
def left_the_range(norm):
    """Whether a norm that is the root of a sum of squares has to be taken again by scaling.

    The squares were subnormal, zero or not finite, or there was a NaN.
    """
    return not 1e-140 < norm < np.inf


@part
def add_columns(columns, values):
    """Goes on with Σ |v|, Σ v², max |v| and the number of zeros in each column, row after row.

    A NaN does not count for the maximum. Modified in place: columns (4 or more, J) float64. Read:
    values (R, J).
    """
    for r in range(values.shape[0]):
        for j in range(values.shape[1]):
            a = abs(np.float64(values[r, j]))
            columns[0, j] += a
            columns[1, j] += a * a
            columns[2, j] = a if a > columns[2, j] else columns[2, j]
            columns[3, j] += 1.0 if a == 0.0 else 0.0


@part
def add_squares(columns, values):
    """Goes on with Σ v² in each column, row after row.

    Modified in place: columns (1, J) float64. Read: values (R, J).
    """
    for r in range(values.shape[0]):
        for j in range(values.shape[1]):
            v = np.float64(values[r, j])
            columns[0, j] += v * v


@part
def over_columns(out, columns, I, N):
    """The numbers of `gradient_statistics` from those of the J columns, the first column first.

    The norms are roots of the sums as they are. Modified in place: out (5,) float64. Read:
    columns (5, J) float64, with J at least 1: Σ |g|, Σ g², max |g| without NaN and the number of
    zeros in each column of a gradient (I, J), then Σ δ² over N examples.
    """
    J = columns.shape[1]
    total, squares, largest = columns[0, 0], columns[1, 0], columns[2, 0]
    zeros, delta_squares = columns[3, 0], columns[4, 0]
    for j in range(1, J):
        total += columns[0, j]
        squares += columns[1, j]
        largest = larger(largest, columns[2, j])
        zeros += columns[3, j]
        delta_squares += columns[4, j]
    out[0] = total / (I * J)
    out[1] = math.sqrt(squares)
    out[2] = total if total != total else largest
    out[3] = zeros / (I * J)
    out[4] = math.sqrt(delta_squares) / math.sqrt(N)


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
    columns = np.zeros((5, J))
    add_columns(columns, grad)
    add_squares(columns[4:], delta)
    over_columns(out, columns, I, N)
    if left_the_range(out[1]):
        out[1] = root_sum_of_squares(grad)
    if left_the_range(out[4]):
        out[4] = root_sum_of_squares(delta) / math.sqrt(N)
