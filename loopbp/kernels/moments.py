"""Sums of magnitudes, of squares and of deviations over the numbers of an array, in float64.

They are not part of the derivation, so they are summed in float64 whatever the dtype: column by
column down the rows, then over the columns. The order is the same on every machine; the numbers
of one column may be computed beside those of any other. Deviations are taken from the first
number c of a column: Σ (v − m)² = Σ (v − c)² − (Σ (v − c))² / n then loses no more than a factor
of n to rounding, since (c − m)² is one of the n squares.

The numbers are counted (see `histogram`) on the same way through an array: that keeps other
parts of the processor busy.

Source of the last step, over the columns: Chan, Golub and LeVeque, "Algorithms for Computing the
Sample Variance", The American Statistician 37 (1983).
"""

import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils, config, types
from numba.extending import intrinsic

from . import histogram as bins
from . import product
from .compile import part, scalar

# Rows of `columns`: the first number c, Σ |v|, Σ v², Σ (v − c), Σ (v − c)², max |v| without NaN,
# and how many v are 0.
FIRST, MAGNITUDES, SQUARES, DEVIATIONS, SQUARED_DEVIATIONS, LARGEST, ZEROS = range(7)


@part
def sum_rows(columns, arrays, scales, fresh, counts, counted):
    """Goes on with the sums of each column of s v, row after row; if fresh, begins them.

    Counts v in the first columns, so many as counted says. Modified in place: columns (7, J)
    float64; counts as in `histogram`. Read: arrays, the values (R, J) alone; scales, s.
    """
    values, scale = arrays[0], scales[0]
    for j in range(values.shape[1]):
        if fresh:
            columns[:, j] = 0
            columns[FIRST, j] = np.float64(values[0, j]) * scale
        for r in range(values.shape[0]):
            v = np.float64(values[r, j]) * scale
            deviation = v - columns[FIRST, j]
            columns[MAGNITUDES, j] += abs(v)
            columns[SQUARES, j] += v * v
            columns[DEVIATIONS, j] += deviation
            columns[SQUARED_DEVIATIONS, j] += deviation * deviation
            columns[LARGEST, j] = abs(v) if abs(v) > columns[LARGEST, j] else columns[LARGEST, j]
            columns[ZEROS, j] += 1.0 if v == 0 else 0.0
            if j < counted:
                bins.count(counts, values[r, j], j)


@part
def sum_products(columns, arrays, scales, fresh):
    """Goes on with Σ (s a)(t b) and Σ (s a)² of each column, row after row; if fresh, begins them.

    Modified in place: columns (2, J) float64. Read: arrays, a and b (R, J); scales, s and t.
    """
    a, b = arrays
    for j in range(a.shape[1]):
        if fresh:
            columns[:2, j] = 0
        for r in range(a.shape[0]):
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
    zero, one = (ir.Constant(v.type, [number] * v.type.count) for number in (0.0, 1.0))
    is_zero = builder.fcmp_ordered("==", v, zero)
    return [
        sums[FIRST],
        builder.fadd(sums[MAGNITUDES], a),
        builder.fadd(sums[SQUARES], builder.fmul(v, v)),
        builder.fadd(sums[DEVIATIONS], deviation),
        builder.fadd(sums[SQUARED_DEVIATIONS], builder.fmul(deviation, deviation)),
        builder.select(builder.fcmp_ordered(">", a, sums[LARGEST]), a, sums[LARGEST]),
        builder.select(is_zero, builder.fadd(sums[ZEROS], one), sums[ZEROS]),
    ]


def _products(builder, sums, vectors):
    a, b = vectors
    return [
        builder.fadd(sums[0], builder.fmul(a, b)),
        builder.fadd(sums[1], builder.fmul(a, a)),
    ]


def _over_rows(context, builder, signature, arguments, operation, count, first, counter=None):
    """columns[:count] = operation(columns[:count], rows of the arrays) for row after row.

    For columns that are whole vectors. If fresh, they begin with 0, and the first of them, where
    `first` says so, with the first row. counter: a `_Counter` of the numbers of the first array.
    """
    _, kinds, _, _, *_ = signature.args
    columns, arrays, scales, fresh = arguments[:4]
    values = [builder.extract_value(arrays, a) for a in range(len(kinds))]
    code = product._Vectors(context, builder, [*kinds.types, signature.args[0]], [*values, columns])
    *inputs, (data, strides, (_, J)) = code.arrays
    R = inputs[0][2][0]
    double = ir.VectorType(ir.DoubleType(), code.lanes)
    factors = [
        _broadcast(builder, builder.extract_value(scales, a), code.lanes) for a in range(len(kinds))
    ]

    def load(a, r, j):
        start, steps, _ = inputs[a]
        v = code.load(code.address(start, steps, r, j))
        v = v if v.type == double else builder.fpext(v, double)
        return builder.fmul(v, factors[a])

    def run(sums, j, count_lanes):
        with cgutils.for_range(builder, R) as rows:
            vectors = [load(a, rows.index, j) for a in range(len(inputs))]
            results = operation(builder, [builder.load(v) for _, v in sums], vectors)
            for result, (_, total) in zip(results, sums, strict=True):
                builder.store(result, total)
            start, steps, _ = inputs[0]
            count_lanes(code.address(start, steps, rows.index, j))

    with cgutils.for_range(builder, builder.udiv(J, _integer(code.lanes))) as loop:
        j = builder.mul(loop.index, _integer(code.lanes))
        sums = []  # where each is stored, and its present value
        for q in range(count):
            target = code.address(data, strides, _integer(q), j)
            target = builder.bitcast(target, double.as_pointer())
            new = ir.Constant(double, [0.0] * code.lanes)
            new = load(0, _integer(0), j) if first and q == 0 else new
            start = builder.select(fresh, new, code.load(target))
            sums.append((target, cgutils.alloca_once(builder, double)))
            builder.store(start, sums[-1][1])
        if counter is None:
            run(sums, j, lambda _: None)
        else:
            left = builder.sub(counter.columns, j)
            whole = builder.icmp_signed(">=", left, _integer(code.lanes))
            with builder.if_else(whole) as (all_lanes, some_lanes):
                with all_lanes:
                    run(sums, j, counter.whole)
                with some_lanes:
                    run(sums, j, lambda address: counter.some(address, left))
        for target, total in sums:
            code.store(builder.load(total), target)
    return context.get_dummy_value()


class _Counter:
    """Writes code that counts the numbers of a vector in memory, as `histogram.count` does."""

    def __init__(self, context, builder, kind, counts, number, columns):
        self.builder, self.columns = builder, columns
        self.counts = context.make_array(kind)(context, builder, counts).data
        bits = number.bitwidth
        self.bits, self.lanes = ir.IntType(bits), product.REGISTERS.bytes * 8 // bits
        self.shift = ir.Constant(self.bits, (23 if bits == 32 else 52) - bins.DIGITS)

    def whole(self, address):
        """All numbers of the vector that stands there."""
        for lane in range(self.lanes):
            self._count(address, _integer(lane), _integer(lane % bins.COPIES))

    def some(self, address, many):
        """The first so many numbers of the vector."""
        with cgutils.for_range(self.builder, many) as loop:
            self._count(address, loop.index, self.builder.urem(loop.index, _integer(bins.COPIES)))

    def _count(self, address, lane, copy):
        builder = self.builder
        place = builder.gep(builder.bitcast(address, self.bits.as_pointer()), [lane])
        number = builder.lshr(builder.load(place), self.shift)
        number = number if self.bits.width == 64 else builder.zext(number, ir.IntType(64))
        index = builder.add(builder.mul(number, _integer(bins.COPIES)), copy)
        target = builder.gep(self.counts, [index])
        builder.store(builder.add(builder.load(target), ir.Constant(ir.IntType(32), 1)), target)


def _broadcast(builder, number, lanes):
    vector = ir.VectorType(number.type, lanes)
    zero = ir.Constant(ir.IntType(32), 0)
    undefined = ir.Constant(vector, ir.Undefined)
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    one = builder.insert_element(undefined, number, zero)
    return builder.shuffle_vector(one, undefined, mask)


def _integer(value):
    return ir.Constant(ir.IntType(64), value)


@intrinsic
def _sum_rows(typing_context, columns, arrays, scales, fresh, counts, counted):
    def generate(context, builder, signature, arguments):
        number = arrays[0].dtype
        counter = _Counter(context, builder, counts, arguments[4], number, arguments[5])
        return _over_rows(context, builder, signature, arguments, _moments, 7, True, counter)

    return types.void(columns, arrays, scales, types.boolean, counts, types.intp), generate


@intrinsic
def _sum_products(typing_context, columns, arrays, scales, fresh):
    def generate(context, builder, signature, arguments):
        return _over_rows(context, builder, signature, arguments, _products, 2, False)

    return types.void(columns, arrays, scales, types.boolean), generate


if config.DISABLE_JIT:
    _sum_rows, _sum_products = sum_rows, sum_products


@scalar
def whole_vectors(J, itemsize):
    """How many of J columns fill whole vectors."""
    lanes = product.REGISTERS.bytes // itemsize
    return J // lanes * lanes


@part
def add_rows(columns, values, scale, fresh, counts, counted):
    """`sum_rows`, as many columns at a time as a vector has numbers. As there."""
    J = values.shape[1]
    whole = whole_vectors(J, values.itemsize)
    if whole == J:
        _sum_rows(columns, (values,), (scale,), fresh, counts, counted)
        return
    _sum_rows(
        columns[:, :whole], (values[:, :whole],), (scale,), fresh, counts, min(whole, counted)
    )
    rest = max(counted - whole, 0)
    sum_rows(columns[:, whole:J], (values[:, whole:],), (scale,), fresh, counts, rest)


@part
def add_products(columns, a, b, scales):
    """`sum_products`, as many columns at a time as a vector has numbers, from 0. As there."""
    J = a.shape[1]
    whole = whole_vectors(J, a.itemsize)
    if whole == J:
        _sum_products(columns, (a, b), scales, True)
    else:
        _sum_products(columns[:, :whole], (a[:, :whole], b[:, :whole]), scales, True)
        sum_products(columns[:, whole:J], (a[:, whole:], b[:, whole:]), scales, True)


@part
def over_columns(columns, J, rows):
    """max |v|, how many v are 0, and in how many columns all are; J columns of so many rows."""
    largest, zeros, empty = 0.0, 0.0, 0
    for j in range(J):
        largest = max(largest, columns[LARGEST, j])
        zeros += columns[ZEROS, j]
        empty += 1 if columns[ZEROS, j] == rows else 0
    return largest, int(zeros), empty


@part
def sums_over_columns(columns, J, rows):
    """Σ |v|, Σ v² and Σ (v − c) / n from J columns of so many rows, the first column first.

    c is the first number of the first column.
    """
    magnitudes, squares, total = 0.0, 0.0, 0.0
    for j in range(J):
        magnitudes += columns[MAGNITUDES, j]
        squares += columns[SQUARES, j]
        total += rows * (columns[FIRST, j] - columns[FIRST, 0]) + columns[DEVIATIONS, j]
    return magnitudes, squares, total / (rows * J)


@part
def standard_deviation(columns, J, rows, shift):
    """√(Σ (v − m)² / n), m = c + shift, from J columns of so many rows, the first column first.

    c is the first number of the first column.
    """
    total, inverse = 0.0, 1.0 / rows
    for j in range(J):
        deviation = columns[DEVIATIONS, j] * inverse
        within = columns[SQUARED_DEVIATIONS, j] - columns[DEVIATIONS, j] * deviation
        between = columns[FIRST, j] - columns[FIRST, 0] + deviation - shift
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
