"""The textbook's sums in the textbook's order, tiled for registers and cache.

Read it beside `textbook`. The equations are the same, letter by letter:

    S_j          = Σ_i w_ij x_i               i = 0, 1, …            weighted_sum
    x_j          = g(S_j)                                            output
    Σ_k δ_k w_jk                              k = 1, 2, …            sum_over_paths
    ∂f/∂w_ij     = Σ_n δ_j x_i / N            n = 1, 2, …            weight_gradient, divide

Each sum is `add_products` (see `product`), which adds the products of one sum in ascending order,
like the textbook, and works on many sums at once, unlike it. Long sums are cut into blocks, so
that what is read again is still in the cache; a block goes on from the sum that the one before it
has left, and no sum is ever put together from parts. What follows a sum is done by the textbook's
own kernels, but for g, which takes some vectors of numbers side by side (see `elementwise`).

Two layouts make the loops fast. Both are padded to whole vectors; nobody reads the padding.

- *Rows*: x, S, δ of a layer, (N, stride), a row per example: n_l numbers, then padding. The
  constant x_0 = 1 is not stored: w·1 = w and δ·1 = δ to the last bit.
- *Panels*: the weights (I, J) of a layer, cut into panels of `panel_width` columns. A panel is
  (I, columns) without gaps; the panels stand one after another; the last may be narrower.
"""

import math

import numba
import numpy as np

from . import elementary
from .address import block, call, copy, part_of, window
from .compile import kernel, part, scalar
from .elementwise import each
from .product import FIRST_ROW, NOTHING, PANEL_BYTES, REGISTERS, SUM, fetch, transpose_tile

#: Examples, and bytes of the terms of a sum, that one call of `add_products` runs through: such a
#: block of x stays in the second-level cache while it meets panel after panel.
BLOCK_ROWS, BLOCK_BYTES = REGISTERS.block, 4096

#: With at most so many rows, a sum over paths goes through so many panels at a time, so that enough
#: sums do not wait for one another.
FEW_ROWS, PANELS_FOR_FEW = 3, 4


@scalar
def panel_width(itemsize):
    """Columns of a panel: two vectors."""
    return PANEL_BYTES // itemsize


@scalar
def padded(J, itemsize):
    """J, rounded up to whole vectors."""
    lanes = REGISTERS.bytes // itemsize
    return (J + lanes - 1) // lanes * lanes


@scalar
def computed(J, itemsize):
    """J, rounded up to vectors of which the last may be half of one: the columns of sums."""
    lanes = REGISTERS.bytes // itemsize // (2 if REGISTERS.halves else 1)
    return (J + lanes - 1) // lanes * lanes


@scalar
def block_terms(itemsize):
    """Terms of a sum that one call of `add_products` adds: a multiple of a panel's width."""
    return BLOCK_BYTES // itemsize


@part
def product(C, A, first, panels, I, M, J, add):
    """C[n, j] = Σ_m A[n, m] B[m, j]; if I = M + 1, with a first row of B that C starts from.

    Modified in place: C, rows (N, stride), columns 0 … J − 1. Read: A, rows (N, stride), M columns
    from `first` on; panels (I, J) of B; add, the address of `add_products`.
    """
    N, biases, most = C.shape[0], I - M, block_terms(C.itemsize)
    for m in range(0, M, most):
        terms = min(M - m, most)
        start, row, rows = SUM, m + biases, terms
        if m == 0:
            start, row, rows = (FIRST_ROW if biases == 1 else NOTHING), 0, terms + biases
        for n in range(0, N, BLOCK_ROWS):
            R = min(N - n, BLOCK_ROWS)
            a = window(A.ravel(), n * A.shape[1] + first + m, (R, terms), (A.shape[1], 1))
            add_block(C[n : n + R], a, panels, I, row, rows, J, start, add)


@part
def add_block(C, a, panels, I, row, rows, J, start, add):
    """Adds the products of some terms to the sums of some rows.

    Modified in place: C, rows (R, stride), columns 0 … J − 1. Read: a (R, terms); panels (I, J),
    so many rows of them from `row` on; start, as for `add_products`; add, its address.
    """
    width, (R, stride), sums = panel_width(C.itemsize), C.shape, computed(J, C.itemsize)
    P = sums // width
    full = P * width
    rest, columns = sums - full, padded(J, C.itemsize) - full
    if P > 0:
        c = window(C.ravel(), 0, (R, full), (stride, 1))
        wide = window(panels, row * width, (P, rows, width), (I * width, width, 1))
        call(add, (c, a, wide, start))
    if rest > 0:
        c = window(C.ravel(), full, (R, rest), (stride, 1))
        narrow = window(panels, full * I + row * columns, (1, rows, rest), (0, columns, 1))
        call(add, (c, a, narrow, start))


@kernel
def multiply(C, A, panels, room, add):
    """C[n, j] = Σ_m A[n, m] B[m, j], in ascending order of m: `product` as a kernel.

    A block of A at a time is copied to where its rows do not push each other out of the cache.
    Modified in place: C (N, J), J padded; room (BLOCK_ROWS, `block_terms` or more). Read: A
    (N, M); panels (M, J) of B; add, the address of `add_products`.
    """
    (N, M), J = A.shape, C.shape[1]
    most, stride = block_terms(C.itemsize), room.shape[1]
    for m in range(0, M, most):
        terms, start = min(M - m, most), SUM if m > 0 else NOTHING
        for n in range(0, N, BLOCK_ROWS):
            R = min(N - n, BLOCK_ROWS)
            for r in range(R):
                copy(
                    block(room.ravel(), r * stride, (terms,)),
                    block(A.ravel(), (n + r) * M + m, (terms,)),
                )
            a = window(room.ravel(), 0, (R, terms), (stride, 1))
            add_block(C[n : n + R], a, panels, M, m, terms, J, start, add)


@kernel(parallel=True)
def divide_product(threads, C, A, panels, room, add):
    """`multiply`, the rows of C divided among threads, each with its room."""
    N = C.shape[0]
    for t in numba.prange(threads):
        start, stop = N * np.int64(t) // threads, N * (np.int64(t) + 1) // threads
        if start < stop:
            multiply(C[start:stop], A[start:stop], panels, part_of(room, t), add)


@part
def weighted_sum(S, W, x, first, I, J, add):
    """S_j = w_0j + Σ_{i≥1} w_ij x_i: `textbook.weighted_sum`.

    The sum begins with its first product, w_0j x_0 = w_0j. Modified in place: S, rows (N, stride).
    Read: panels W (I, J), row 0 the biases; x, rows (N, stride) of x_1, x_2, … from column `first`
    on; add, the address of `add_products`.
    """
    product(S, x, first, W, I, I - 1, J, add)


@kernel
def output(x, S, g):
    """x_j = g(S_j): `textbook.output`.

    Modified in place: x, rows (N, stride), with their padding. Read: S, rows (N, stride).
    """
    each(x.ravel(), S.ravel(), g)


@part
def sum_over_paths(d, delta_above, W_above, room, J, K, add):
    """d_j = Σ_k δ_k w_jk: the finished sum in `textbook.hidden_delta`, before g′ multiplies it.

    Neighbouring j must be neighbours in memory: some w_jk at a time are transposed into room.
    Modified in place: d, rows (N, stride), and room, `room_for` numbers. Read: delta_above, rows
    (N, stride) of δ_k; W_above, panels (J + 1, K) of the weights of the layer above, row 0 the
    biases; add, the address of `add_products`.
    """
    N, stride = delta_above.shape
    width, end = panel_width(d.itemsize), padded(J, d.itemsize)
    full = end // width * width
    at_once, most = width * (PANELS_FOR_FEW if N <= FEW_ROWS else 1), block_terms(d.itemsize)
    for k in range(0, K, most):
        terms, start = min(K - k, most), SUM if k > 0 else NOTHING
        j = 0
        while j < end:
            columns = min(full - j, at_once) if j < full else end - j
            w = min(width, columns)
            P, sums = columns // w, min(w, computed(J, d.itemsize) - j)
            transpose(room, W_above, J, K, j, columns, k, terms)
            w_kj = window(room, 0, (P, terms, sums), (terms * w, w, 1))
            for n in range(0, N, BLOCK_ROWS):
                R = min(N - n, BLOCK_ROWS)
                delta_k = window(delta_above.ravel(), n * stride + k, (R, terms), (stride, 1))
                d_j = window(d.ravel(), n * d.shape[1] + j, (R, P * sums), (d.shape[1], 1))
                call(add, (d_j, delta_k, w_kj, start))
            j += columns


@scalar
def room_for(J, K, itemsize):
    """How many numbers `sum_over_paths` needs room for."""
    columns = min(padded(J, itemsize), panel_width(itemsize) * PANELS_FOR_FEW)
    return min(K, block_terms(itemsize)) * columns


@part
def weight_gradient(grad, delta, x_i, j, J, resume, add):
    """∂f/∂w_ij = Σ_n δ_j x_i for a block of i and j: `textbook.weight_gradient`, not divided.

    Modified in place: grad (rows, columns), a block of a panel that begins at j. Read: delta, rows
    (N, stride), J of them δ; x_i (rows, N); resume, whether grad holds the sum over earlier
    examples; add, the address of `add_products`.
    """
    columns = min(grad.shape[1], computed(J, grad.itemsize) - j)
    N, most = delta.shape[0], block_terms(grad.itemsize)
    for n in range(0, N, most):
        terms = min(N - n, most)
        delta_j = panels_of(delta, n, j, terms, columns, grad.shape[1])
        start = SUM if resume or n > 0 else NOTHING
        call(add, (grad[:, :columns], x_i[:, n : n + terms], delta_j, start))


@part
def panels_of(delta, n, j, terms, columns, width):
    """δ of so many examples from n on, in some columns from j on: the panel of B, and the next one.

    A view (1 or 2, terms, columns) of delta, rows (N, stride).
    """
    stride = delta.shape[1]
    P = 2 if j + 2 * width <= stride else 1
    return window(delta.ravel(), n * stride + j, (P, terms, columns), (width, stride, 1))


@part
def descend_gradient(W, delta, x_i, j, J, divisor, inverse, eta, descend):
    """w_ij ← w_ij − η Σ_n δ_j x_i / divisor: gradient, mean and step in one pass over W.

    The same as `weight_gradient`, `divide` and `update.descent`. Modified in place: W (rows,
    columns), a block of a panel that begins at j. Read: delta, rows (N, stride), J of them δ; x_i
    (rows, N); inverse, see `inverse_of`; descend, the address of `descend_products`.
    """
    columns = min(W.shape[1], computed(J, W.itemsize) - j)
    delta_j = panels_of(delta, 0, j, delta.shape[0], columns, W.shape[1])
    call(descend, (W[:, :columns], x_i, delta_j, divisor, inverse, eta))


@part
def descend_ahead(W, S, x, first, delta, x_next, eta, I, J, ahead):
    """w_ij ← w_ij − η δ_j x_i for one example, and S_j = w_0j + Σ_{i≥1} w_ij x′_i for the next.

    The same as `descend_gradient`, then `weighted_sum`, in one pass over W. Modified in place:
    panels W (I, J), row 0 the biases; S, a row (1, stride). Read: x, a row of x_1, x_2, … from
    column `first` on; delta, a row of δ; x_next (1, I − 1); ahead, the address of `descend_ahead`.
    """
    width, end = panel_width(S.itemsize), padded(J, S.itemsize)
    x_i = window(x.ravel(), first, (1, I - 1), (I - 1, 1))
    for j in range(0, end, width):
        columns = min(width, end - j)
        W_j = window(W, j * I, (I, columns), (columns, 1))
        S_j = window(S.ravel(), j, (1, columns), (columns, 1))
        delta_j = window(delta.ravel(), j, (1, columns), (columns, 1))
        call(ahead, (W_j, S_j, x_i, delta_j, x_next, eta))


@scalar
def inverse_of(divisor):
    """1 / divisor if it is a power of 2, so that a product with it is the quotient; otherwise 0.

    Both are then the same number, rounded once.
    """
    is_power = math.frexp(divisor)[0] == 0.5
    return type(divisor)(1) / divisor if is_power else type(divisor)(0)


@part
def divide(grad, divisor, inverse):
    """grad / divisor, number by number. Modified in place: grad (P,). Read: see `inverse_of`."""
    if inverse != 0:
        for p in range(grad.shape[0]):
            grad[p] = grad[p] * inverse
    else:
        for p in range(grad.shape[0]):
            grad[p] = grad[p] / divisor


@part
def softmax(x, S, m, z, J):
    """x_j = e^(S_j − m) / z, z = Σ_k e^(S_k − m), m = max_k S_k: `activation.softmax`.

    All exponentials are taken in one loop over the rows with their padding. Modified in place:
    x, rows (N, stride), m and z (N,). Read: S, rows; J, the number of outputs.
    """
    N, stride = x.shape
    for n in range(N):
        m[n] = S[n, 0]
        for k in range(1, J):
            if S[n, k] > m[n]:
                m[n] = S[n, k]
        for j in range(stride):
            x[n, j] = S[n, j] - m[n]
    every = x.ravel()
    for p in range(every.size):
        every[p] = elementary.exp(every[p])
    for n in range(N):
        z[n] = x[n, 0]
        for k in range(1, J):
            z[n] += x[n, k]
        for j in range(stride):
            x[n, j] = x[n, j] / z[n]


@part
def cross_entropy(losses, S, y, m, z, J):
    """f = Σ_j y_j (ln z − (S_j − m)): `loss.cross_entropy`, with m and z from `softmax`.

    Modified in place: losses (N,), and z, which becomes ln z. Read: S and y, rows; m (N,).
    """
    N = losses.shape[0]
    for n in range(N):
        z[n] = elementary.log(z[n])
    for n in range(N):
        f = y[n, 0] * (z[n] - (S[n, 0] - m[n]))
        for j in range(1, J):
            f += y[n, j] * (z[n] - (S[n, j] - m[n]))
        losses[n] = f


@part
def to_panels(panels, W):
    """Copies weights into panels; the padding becomes 0.

    Modified in place: panels (I × padded J,). Read: W (I, J).
    """
    (I, J), flat = W.shape, W.ravel()
    width, end = panel_width(W.itemsize), padded(J, W.itemsize)
    for p in range(0, end, width):
        columns, given = min(width, end - p), min(width, J - p)
        for i in range(I):
            first = p * I + i * columns
            copy(block(panels, first, (given,)), block(flat, i * J + p, (given,)))
            for j in range(given, columns):
                panels[first + j] = 0


@kernel
def pack(panels, W):
    """`to_panels` as a kernel."""
    to_panels(panels, W)


@part
def from_panels(W, panels):
    """Copies weights out of panels. Modified in place: W (I, J). Read: panels (I × padded J,)."""
    (I, J), flat = W.shape, W.ravel()
    width, end = panel_width(W.itemsize), padded(J, W.itemsize)
    for p in range(0, end, width):
        columns, given = min(width, end - p), min(width, J - p)
        for i in range(I):
            first = p * I + i * columns
            copy(block(flat, i * J + p, (given,)), block(panels, first, (given,)))


@part
def transpose(room, W, J, K, j, columns, k, terms):
    """Copies w_jk for some j and k into panels of w_kj: rows k, columns j, in `room`.

    Modified in place: room, from its beginning on. Read: W, panels (J + 1, K), row 0 the biases;
    j and k, the first of each, and how many: columns, whole panels or the last, narrower one;
    terms, from a panel of W on.
    """
    width, lanes = panel_width(W.itemsize), REGISTERS.bytes // W.itemsize
    w, end = min(width, columns), padded(K, W.itemsize)
    for c in range(k, k + terms, lanes):
        panel = c // width * width
        across, C = min(width, end - panel), min(lanes, k + terms - c)
        for r in range(0, columns, lanes):
            from_ = panel * (J + 1) + (1 + j + r) * across + c - panel
            tile = window(W, from_, (min(lanes, J - j - r), C), (across, 1))
            to = (r // w * terms + c - k) * w + r % w
            later = min(lanes, J - j - columns - r)  # rows of the tile below, which come next
            if later > 0:
                fetch(window(W, from_ + columns * across, (later, C), (across, 1)))
            transpose_tile(window(room, to, (C, min(lanes, columns - r)), (w, 1)), tile)
