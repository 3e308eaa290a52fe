"""Sums of magnitudes, of squares and of deviations over the numbers of an array, in float64.

They are not part of the derivation, so they are summed in float64 whatever the dtype: column by
column down the rows, then over the columns. The order is the same on every machine; the numbers
of one column may be computed beside those of any other. Deviations are taken from the first
number c of a column: Σ (v − m)² = Σ (v − c)² − (Σ (v − c))² / n then loses no more than a factor
of n to rounding, since (c − m)² is one of the n squares.

Source of the last step, over the columns: Chan, Golub and LeVeque, "Algorithms for Computing the
Sample Variance", The American Statistician 37 (1983).
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from . import product
from .compile import part, scalar

# Rows of `columns`: the first number c, Σ |v|, Σ v², Σ (v − c), Σ (v − c)², max |v| without NaN.
FIRST, MAGNITUDES, SQUARES, DEVIATIONS, SQUARED_DEVIATIONS, LARGEST = range(6)


@part
def sum_rows(columns, arrays, scales):
    """Goes on with the sums of each column of s v, row after row, from what is in columns.

    Modified in place: columns (6, J) float64. Read: arrays, the values (R, J) alone; scales, s.
    """
    values, scale = arrays[0], scales[0]
    for r in range(values.shape[0]):
        for j in range(values.shape[1]):
            v = np.float64(values[r, j]) * scale
            deviation = v - columns[FIRST, j]
            columns[MAGNITUDES, j] += abs(v)
            columns[SQUARES, j] += v * v
            columns[DEVIATIONS, j] += deviation
            columns[SQUARED_DEVIATIONS, j] += deviation * deviation
            columns[LARGEST, j] = abs(v) if abs(v) > columns[LARGEST, j] else columns[LARGEST, j]


@part
def sum_products(columns, arrays, scales):
    """Goes on with Σ (s a)(t b) and Σ (s a)² of each column, row after row.

    Modified in place: columns (2, J) float64. Read: arrays, a and b (R, J); scales, s and t.
    """
    a, b = arrays
    for r in range(a.shape[0]):
        for j in range(a.shape[1]):
            v = np.float64(a[r, j]) * scales[0]
            columns[0, j] += v * (np.float64(b[r, j]) * scales[1])
            columns[1, j] += v * v


def _magnitude(builder, v):
    bits = ir.VectorType(ir.IntType(64), v.type.count)
    no_sign = ir.Constant(bits, [2**63 - 1] * v.type.count)
    return builder.bitcast(builder.and_(builder.bitcast(v, bits), no_sign), v.type)


def _moments(builder, sums, vectors):
    (v,) = vectors
    a, deviation = _magnitude(builder, v), builder.fsub(v, sums[FIRST])
    return [
        sums[FIRST],
        builder.fadd(sums[MAGNITUDES], a),
        builder.fadd(sums[SQUARES], builder.fmul(v, v)),
        builder.fadd(sums[DEVIATIONS], deviation),
        builder.fadd(sums[SQUARED_DEVIATIONS], builder.fmul(deviation, deviation)),
        builder.select(builder.fcmp_ordered(">", a, sums[LARGEST]), a, sums[LARGEST]),
    ]


def _products(builder, sums, vectors):
    a, b = vectors
    return [
        builder.fadd(sums[0], builder.fmul(a, b)),
        builder.fadd(sums[1], builder.fmul(a, a)),
    ]


def _over_rows(operation, count):
    """columns[:count] = operation(columns[:count], rows of the arrays) for row after row.

    For columns that are whole vectors.
    """

    @intrinsic
    def run(typing_context, columns, arrays, scales):
        def generate(context, builder, signature, arguments):
            values = [builder.extract_value(arguments[1], a) for a in range(len(arrays))]
            code = product._Vectors(
                context, builder, [*arrays.types, columns], [*values, arguments[0]]
            )
            *inputs, (data, strides, (_, J)) = code.arrays
            R = inputs[0][2][0]
            double = ir.VectorType(ir.DoubleType(), code.lanes)
            factors = [
                _broadcast(builder, builder.extract_value(arguments[2], a), code.lanes)
                for a in range(len(arrays))
            ]
            with cgutils.for_range(builder, builder.udiv(J, _integer(code.lanes))) as loop:
                j = builder.mul(loop.index, _integer(code.lanes))
                targets = [
                    builder.bitcast(
                        code.address(data, strides, _integer(q), j), double.as_pointer()
                    )
                    for q in range(count)
                ]
                sums = [cgutils.alloca_once(builder, double) for _ in targets]
                for target, total in zip(targets, sums, strict=True):
                    builder.store(code.load(target), total)
                with cgutils.for_range(builder, R) as rows:
                    vectors = []
                    for (start, steps, _), factor in zip(inputs, factors, strict=True):
                        v = code.load(code.address(start, steps, rows.index, j))
                        v = v if v.type == double else builder.fpext(v, double)
                        vectors.append(builder.fmul(v, factor))
                    results = operation(builder, [builder.load(total) for total in sums], vectors)
                    for result, total in zip(results, sums, strict=True):
                        builder.store(result, total)
                for target, total in zip(targets, sums, strict=True):
                    code.store(builder.load(total), target)
            return context.get_dummy_value()

        return types.void(columns, arrays, scales), generate

    return run


def _broadcast(builder, number, lanes):
    vector = ir.VectorType(number.type, lanes)
    zero = ir.Constant(ir.IntType(32), 0)
    undefined = ir.Constant(vector, ir.Undefined)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    one = builder.insert_element(undefined, number, zero)
    return builder.shuffle_vector(one, undefined, mask)


def _integer(value):
    return ir.Constant(ir.IntType(64), value)


_sum_rows, _sum_products = _over_rows(_moments, 6), _over_rows(_products, 2)
if config.DISABLE_JIT:
    _sum_rows, _sum_products = sum_rows, sum_products


@scalar
def whole_vectors(J, itemsize):
    """How many of J columns fill whole vectors."""
    lanes = product.REGISTERS.bytes // itemsize
    return J // lanes * lanes


@part
def begin_columns(columns, values, scale):
    """Sets the sums of each column to nothing, and c to s v of the first row.

    Modified in place: columns (6, J) float64. Read: values (R, J).
    """
    for j in range(values.shape[1]):
        columns[FIRST, j] = np.float64(values[0, j]) * scale
        for q in range(MAGNITUDES, LARGEST + 1):
            columns[q, j] = 0.0


@part
def add_rows(columns, values, scale):
    """`sum_rows`, as many columns at a time as a vector has numbers. As there."""
    J = values.shape[1]
    whole = whole_vectors(J, values.itemsize)
    _sum_rows(columns[:, :whole], (values[:, :whole],), (scale,))
    if whole < J:
        sum_rows(columns[:, whole:J], (values[:, whole:],), (scale,))


@part
def add_products(columns, a, b, scales):
    """`sum_products`, as many columns at a time as a vector has numbers. As there."""
    J = a.shape[1]
    whole = whole_vectors(J, a.itemsize)
    _sum_products(columns[:, :whole], (a[:, :whole], b[:, :whole]), scales)
    if whole < J:
        sum_products(columns[:, whole:J], (a[:, whole:], b[:, whole:]), scales)


@part
def mean_of(columns, J, rows):
    """Σ v / (rows J) from the sums of J columns of so many rows."""
    total = rows * columns[FIRST, 0] + columns[DEVIATIONS, 0]
    for j in range(1, J):
        total += rows * columns[FIRST, j] + columns[DEVIATIONS, j]
    return total / (rows * J)


@part
def standard_deviation(columns, J, rows, mean):
    """√(Σ (v − mean)² / (rows J)) from the sums of J columns of so many rows."""
    total = 0.0
    for j in range(J):
        deviations = columns[DEVIATIONS, j]
        within = columns[SQUARED_DEVIATIONS, j] - deviations * deviations / rows
        between = columns[FIRST, j] + deviations / rows - mean
        total += (within if within > 0 else 0.0) + rows * (between * between)
    return math.sqrt(total / (rows * J))


@scalar
def power_near(largest):
    """A power of 2 by which numbers up to `largest` become about 1 at most.

    Products with it are exact, unless a number becomes subnormal beside a larger one.
    """
    if not 0 < largest < np.inf:
        return 1.0
    exponent = math.frexp(largest)[1]
    return math.ldexp(1.0, min(max(-exponent, -1000), 1000))


@scalar
def leaves_the_range(largest):
    """Whether squares of numbers up to `largest` may be subnormal or infinite."""
    return 0 < largest < 1e-140 or 1e140 < largest < np.inf
