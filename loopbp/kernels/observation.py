"""The statistics of one layer at one step: every quantity that a recording asks for."""

import numpy as np

from . import statistics
from .address import block, part_of
from .compile import kernel, part

#: The quantities, in order; the first three are weights' (I, J), the others rows (N, J).
QUANTITIES = ("gradient", "update", "weight", "delta", "S", "x")
GRADIENT, UPDATE, WEIGHT, DELTA, SUM, OUTPUT = range(6)

#: What else `observe` writes of a layer, in order.
LAYER_NAMES = ("cosine", "dead", "saturated", "saturated_hard")
COSINE, DEAD, SATURATED, SATURATED_HARD = range(4)


@kernel
def observe(numbers, histograms, layer, state, memory, wanted, bounds, first, stop, arrays, places):
    """The statistics of the quantities first … stop − 1 of a layer of weights, where wanted.

    Modified in place: numbers (Q, 16) float64 and histograms (Q, 2, 65) int32, a row for every
    quantity that is wanted, in order, but of the first three two rows, weights and biases, if they
    are wanted apart; layer (4,) float64: the cosine between this gradient and the one before, how
    many columns of x are 0, how many S are outside of the first and the second bounds; state and
    memory as in `statistics.closeness` and `measure`; the gradient before, in arrays. Read: wanted
    (7,), for every quantity, then for biases apart, 1 or 0; bounds (4,) float64; arrays, (·,):
    gradient, weights after and before the step, δ, S, x and the gradient before; places of the
    weights, δ, S and x, as in `statistics`.
    """
    row = 0
    for quantity in range(stop):
        if wanted[quantity] == 0:
            continue
        parts = 2 if quantity <= WEIGHT and wanted[6] == 1 else 1
        if quantity >= first:
            empty = take(numbers, histograms, memory, row, parts, quantity, arrays, places)
            largest = max(numbers[row, statistics.MAX], numbers[row + parts - 1, statistics.MAX])
            also(layer, state, memory, bounds, quantity, arrays, places, largest, empty)
        row += parts


@part
def take(numbers, histograms, memory, row, parts, quantity, arrays, places):
    """`statistics.measure` for a quantity, from `row` on; returns what it does for the last part.

    Arguments as for `observe`.
    """
    empty = 0
    values, minus = arrays[quantity], block(arrays[0], 0, (0,))
    if quantity == UPDATE:
        minus = arrays[WEIGHT]
    place = places[max(quantity - WEIGHT, 0)]
    for p in range(parts):
        which = statistics.EVERY
        if quantity <= WEIGHT:
            which = statistics.BIASES_LAST
            if parts == 2:
                which = statistics.WEIGHTS if p == 0 else statistics.BIASES
        empty = statistics.measure(
            part_of(numbers, row + p),
            part_of(histograms, row + p),
            memory,
            values,
            minus,
            place,
            which,
        )
    return empty


@part
def also(layer, state, memory, bounds, quantity, arrays, places, largest, empty):
    """What else there is to a quantity.

    largest, its max |v|; empty, how many of its columns are 0. Arguments as for `observe`.
    """
    if quantity == GRADIENT:
        layer[COSINE] = statistics.closeness(
            state, memory[0], arrays[GRADIENT], arrays[6], places[0], largest
        )
    elif quantity == SUM:
        layer[SATURATED] = 0
        layer[SATURATED_HARD] = 0
        if bounds[0] > -np.inf:
            soft, hard = statistics.outside(arrays[SUM], places[2], bounds)
            layer[SATURATED] = soft
            layer[SATURATED_HARD] = hard
    elif quantity == OUTPUT:
        layer[DEAD] = empty
