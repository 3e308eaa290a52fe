"""A forward pass or a gradient over any number of examples as one compiled call, block by block.

The examples of a block go through all layers together, so that their S, x and δ stay in the cache.
The tuples and tables are those of `epoch`; rows has room for the `at_once` examples of a block.
"""

import numpy as np

from . import epoch
from .compile import kernel, part


@kernel
def predict(outputs, threads, at_once, do, data, weights, rows, layers, functions, code):
    """x^(L) of N examples; returns whether the sums on the way are sound, see `are_sound`.

    Modified in place: outputs (N, n_L); rows. Read: data, the N examples, whose inputs (N, n_0) are
    read where they stand; or, with LOAD in do, are gathered into rows first.
    """
    batch, inputs, targets, importance = data
    N, J = outputs.shape
    sound, beginning = True, N - N
    for start in range(0, N, at_once):
        stop = min(N, start + at_once)
        block = (batch[start:stop], inputs, targets, importance)
        here, n = rows_for(do, start, stop, inputs, rows), stop - start
        epoch.all_examples(threads, do, n, block, weights, here, layers, functions, code)
        x = epoch.rows_of(rows, epoch.X, layers, layers.shape[0] - 1, beginning, n)
        outputs[start:stop] = x[:, :J]
        sound = sound and are_sound(start, n, rows, layers)
    return sound


@kernel
def backpropagate(
    losses,
    threads,
    at_once,
    do,
    divisor,
    data,
    weights,
    rows,
    gradient,
    step,
    layers,
    functions,
    code,
):
    """Σ_n ∂f_n/∂w / divisor and each f_n; returns whether the sums are sound, see `are_sound`.

    Modified in place: losses (N,); rows; gradient, whose grad it fills. Read: data, the N examples,
    with or without LOAD in do as for `predict`; step, of which nothing is used.
    """
    batch, inputs, targets, importance = data
    N = losses.shape[0]
    sound = True
    for start in range(0, N, at_once):
        stop = min(N, start + at_once)
        block = (batch[start:stop], inputs, targets, importance)
        here, n = rows_for(do, start, stop, inputs, rows), stop - start
        epoch.all_examples(threads, do, n, block, weights, here, layers, functions, code)
        losses[start:stop] = rows[epoch.SUMS][epoch.LOSSES, :n]
        then = epoch.KEEP + (epoch.RESUME if start > 0 else 0) + (epoch.FINISH if stop == N else 0)
        epoch.all_weights(threads, then, n, divisor, weights, here, gradient, step, layers, code)
        sound = sound and are_sound(start, n, rows, layers)
    return sound


@part
def rows_for(do, start, stop, inputs, rows):
    """The rows for examples start … stop − 1: without LOAD in do with the inputs where they are."""
    if do & epoch.LOAD:
        return rows
    in_place = inputs[start:stop]
    return (rows[epoch.WORK], rows[epoch.TARGETS], rows[epoch.SUMS], in_place, start - start)


@part
def are_sound(start, N, rows, layers):
    """`engines.base.are_sound` for the sums in rows, of N examples from `start` on.

    The weights are the same for all examples: their sums are looked at once, for the first.
    """
    zero = N - N
    S_1 = epoch.rows_of(rows, epoch.S, layers, 1, zero, N)
    for n in range(N):
        if not np.isfinite(S_1[n, 0]):
            return False
    if start == 0:
        for l in range(1, layers.shape[0]):
            first = epoch.rows_of(rows, epoch.S, layers, l, zero, zero + 1)
            for j in range(layers[l, epoch.SIZE]):
                if not np.isfinite(first[0, j]):
                    return False
    return True
