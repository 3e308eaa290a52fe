"""What the compiled loops of `epoch` need to know of a network, as tables of numbers.

A plan is made once for an architecture. It says where the numbers of each layer stand in memory,
and at which addresses the kernels of its activations and its loss begin.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from . import activation, epoch, observation, product, textbook, tiled
from .address import address
from .compile import bind

Table = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """layers (L + 1, 4) and functions (L + 1, 2) int64 are the tables that `epoch` describes.

    `rows` numbers per example, those of the inputs apart, `panels` numbers of weights, and `room`
    numbers per thread are the memory that a pass needs.
    """

    layers: Table
    functions: Table
    rows: int
    panels: int
    room: int


def plan(
    sizes: Sequence[int],
    dtype: np.dtype[Any],
    activations: Sequence[tuple[Any, Any] | None],
    loss: tuple[Any, Any] | None,
) -> Plan:
    """The plan for sizes n_0 … n_L; compiles, or loads, the kernels that it names.

    activations: g and g′ of each layer, None for softmax; loss: the kernels of f and ∂f/∂x, None
    for cross_entropy; the second of them None where δ = x − y.
    """
    layers = _layers(sizes, dtype.itemsize)
    return Plan(
        layers=layers,
        functions=_functions(dtype, activations, loss),
        rows=int(layers[1:, epoch.STRIDE].sum()),
        panels=int(layers[-1, epoch.PANELS]),
        room=max(
            (tiled.room_for(*pair, dtype.itemsize) for pair in pairwise(sizes[1:])), default=0
        ),
    )


def _layers(sizes: Sequence[int], itemsize: int) -> Table:
    """The table of layers: sizes, strides, and where each layer's numbers begin."""
    layers = np.zeros((len(sizes), 4), np.int64)
    layers[:, epoch.SIZE] = sizes
    layers[:, epoch.STRIDE] = [row_stride(size, itemsize) for size in sizes]
    layers[2:, epoch.ROWS] = np.cumsum(layers[1:-1, epoch.STRIDE])
    for l, (I, J) in enumerate(pairwise(sizes)):
        layers[l + 1, epoch.PANELS] = layers[l, epoch.PANELS] + (I + 1) * _padded(J, itemsize)
    return layers


def _padded(size: int, itemsize: int) -> int:
    lanes = product.REGISTERS.bytes // itemsize
    return -(-size // lanes) * lanes


def row_stride(size: int, itemsize: int) -> int:
    """The stride of rows: whole lines of 64 bytes, and of wide rows an odd number of lines.

    Rows that lie a power of 2 apart would push each other out of the cache.
    """
    line = 64 // itemsize
    lines = -(-size // line)
    return line * (lines + 1 if lines >= 8 and lines % 2 == 0 else lines)


def _functions(
    dtype: np.dtype[Any],
    activations: Sequence[tuple[Any, Any] | None],
    loss: tuple[Any, Any] | None,
) -> Table:
    """The table of addresses: g and g′ of the layers, then the loss and ∂f/∂x."""
    number = numba.from_dtype(dtype)
    vector = numba.types.Array(number, 1, "C")
    whole = numba.types.Array(number, 2, "C")
    strided = numba.types.Array(number, 2, "A")
    functions = np.zeros((len(activations) + 1, 2), np.int64)
    for l, pair in enumerate(activations):
        if pair is None:
            functions[l, 1] = address(activation.softmax_delta, *[strided] * 3)
        else:
            functions[l] = (
                address(bind(tiled.output, pair[0]), *[whole] * 2),
                address(bind(textbook.output_delta, pair[1]), *[whole] * 4),
            )
    if loss is not None:
        functions[-1, 0] = address(loss[0], vector, strided, strided)
        if loss[1] is not None:
            functions[-1, 1] = address(loss[1], *[strided] * 3)
    return functions


@functools.lru_cache(maxsize=8)
def code(dtype: np.dtype[Any], threaded: bool, watched: bool = False) -> Table:
    """The addresses of the compiled loops.

    Those that divide work among threads if threaded, those of the statistics if watched.
    """
    integer = numba.types.int64
    number = numba.from_dtype(dtype)
    vector, matrix = (numba.types.Array(number, d, "C") for d in (1, 2))
    strided = [numba.types.Array(number, d, "A") for d in (2, 3)]
    indices, table = (numba.types.Array(integer, d, "C") for d in (1, 2))
    data = numba.types.Tuple((indices, matrix, matrix, vector))
    weights = numba.types.Tuple((vector, matrix))
    rows = numba.types.Tuple((*[matrix] * 4, integer))
    gradient = numba.types.Tuple((vector, matrix))
    step = numba.types.Tuple((matrix, indices, vector))
    examples = (data, weights, rows, table, table, indices)
    parameters = (number, weights, rows, gradient, step, table, indices)
    products = (strided[0], strided[0], strided[1])
    addresses = np.zeros(10, np.int64)
    addresses[epoch.ADD] = address(product.add, *products, integer)
    addresses[epoch.DESCEND] = address(product.descend, *products, number, number, number)
    addresses[epoch.AHEAD] = address(product.ahead, *[strided[0]] * 5, number)
    addresses[epoch.EXAMPLES] = address(epoch.pass_examples, *[integer] * 4, *examples)
    addresses[epoch.WEIGHTS] = address(epoch.pass_weights, *[integer] * 4, *parameters)
    divided = [integer] * 3
    if threaded:
        addresses[epoch.DIVIDE_EXAMPLES] = address(epoch.divide_examples, *divided, *examples)
        addresses[epoch.DIVIDE_WEIGHTS] = address(epoch.divide_weights, *divided, *parameters)
    if watched:
        statistics = (*_recorded(vector, matrix), weights, rows, gradient, table, indices)
        addresses[epoch.OBSERVE] = compile_statistics(dtype)
        addresses[epoch.STATISTICS] = address(epoch.pass_statistics, *[integer] * 4, *statistics)
        if threaded:
            where = address(epoch.divide_statistics, *divided, *statistics)
            addresses[epoch.DIVIDE_STATISTICS] = where
    return addresses


def compile_statistics(dtype: np.dtype[Any]) -> int:
    """Compiles `observation.observe`, or loads it; returns its address."""
    vector = numba.types.Array(numba.from_dtype(dtype), 1, "C")
    return address(observation.observe, *_observed(vector))


def _recorded(vector: Any, matrix: Any) -> tuple[Any, Any]:
    """The types of records and watch, as `epoch` describes them."""
    integer, double = numba.types.int64, numba.types.float64
    numbers = {d: numba.types.Array(double, d, "C") for d in (2, 3, 4)}
    due = numba.types.Array(numba.types.boolean, 1, "C")
    histograms = numba.types.Array(numba.types.int32, 5, "C")
    records = numba.types.Tuple((due, numbers[4], histograms, numbers[3]))
    wanted = numba.types.Array(integer, 1, "C")
    counts = numba.types.Array(numba.types.int32, 2, "C")
    memory = (numbers[3], counts, matrix)
    watch = numba.types.Tuple((wanted, numbers[2], numbers[2], vector, vector, *memory))
    return records, watch


def _observed(vector: Any) -> tuple[Any, ...]:
    """The types of what `observation.observe` is called with."""
    integer, double = numba.types.int64, numba.types.float64
    line, numbers = (numba.types.Array(double, d, "C") for d in (1, 2))
    wanted = numba.types.Array(integer, 1, "C")
    histograms, counts = (numba.types.Array(numba.types.int32, d, "C") for d in (3, 1))
    memory = numba.types.Tuple((numbers, counts, vector))
    arrays = numba.types.UniTuple(vector, 7)
    places = numba.types.UniTuple(numba.types.UniTuple(integer, 6), 4)
    return (
        *(numbers, histograms, line, line, memory, wanted, line, integer, integer),
        *(arrays, places),
    )
