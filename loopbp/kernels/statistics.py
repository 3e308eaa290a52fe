"""The numbers that describe an array: sums and norms, quantiles, a histogram, what is not normal.

| name | formula, over the numbers v of the array |
|---|---|
| count | n |
| l1, l2, max_abs | Σ |v|, √(Σ v²), max |v| |
| mean, std | m = Σ v / n, √(Σ (v − m)² / n) |
| q01, q05, q50, q95, q99 | the ⌈q n⌉-th of |v| in ascending order, read off a bin: relative error |
| | below 1/16; what is subnormal, to 1/16 of the smallest normal number |
| zeros, subnormals, nonfinite | how many v are 0; are subnormal in their own format; ±∞ or NaN |
| exponent | e of the largest finite v, 2^e ≤ |v| < 2^(e+1), where the histogram begins |
| inner_std | std without the biases, where biases are among the numbers |

A NaN makes all sums and quantiles NaN; an infinite number makes them what they are in NumPy.
"""

import math

import numpy as np

from . import histogram as bins
from . import moments
from .address import block, window
from .compile import part, scalar

#: What `measure` writes, in order.
NAMES = (
    "count",
    "l1",
    "l2",
    "max_abs",
    "mean",
    "std",
    "q01",
    "q05",
    "q50",
    "q95",
    "q99",
    "zeros",
    "subnormals",
    "nonfinite",
    "exponent",
    "inner_std",
)

COUNT, L1, L2, MAX, MEAN, STD, Q01 = range(7)
ZEROS, SUBNORMALS, NONFINITE, EXPONENT, INNER_STD = range(11, 16)

#: Which rows of an array are measured: all of them; all, the first, of biases, as the last; all
#: but the first; the first alone.
EVERY, BIASES_LAST, WEIGHTS, BIASES = range(4)

# Where an array stands in memory: its rows and columns; the number of columns that may be read;
# columns of a panel, and of all panels with their padding; where it begins. Rows of a layer, and
# the legend's own arrays, are one panel. The last may be narrower.
ROWS, COLUMNS, WIDE, PANEL, TOTAL, START = range(6)


@scalar
def where(place, j, row):
    """Where a row of the panel that begins at column j begins, and how far the next one is."""
    stride = min(place[PANEL], place[TOTAL] - j)
    return place[START] + j * place[ROWS] + row * stride, stride


@scalar
def line_of(values, place, j, start, stop):
    """Rows start … stop − 1 of a panel of weights in one line, between which is no gap: a view."""
    first, stride = where(place, j, start)
    return block(values, first, ((stop - start) * stride,))


@part
def subtract(difference, minuend, subtrahend):
    """Modified in place: difference (·,). Read: minuend and subtrahend (·,)."""
    for p in range(minuend.shape[0]):
        difference[p] = minuend[p] - subtrahend[p]


@part
def add_span(memory, values, minus, place, start, stop, fresh, scale, counting):
    """Goes on with sums, and if counting with counts, over rows start … stop − 1 of s v.

    Arguments as for `measure`; fresh: begin the sums.
    """
    columns, counts, scratch = memory
    for j in range(0, place[COLUMNS], place[PANEL]):
        counted = min(place[PANEL], place[COLUMNS] - j) if counting else 0
        wide = min(place[PANEL], place[WIDE] - j)
        at_once = max(1, scratch.size // wide)
        sums = window(columns.ravel(), j, (columns.shape[0], wide), (columns.shape[1], 1))
        for r in range(start, stop, at_once):
            end = min(stop, r + at_once)
            source = values
            first, stride = where(place, j, r)
            if minus.size > 0:
                lines = line_of(values, place, j, r, end), line_of(minus, place, j, r, end)
                subtract(scratch, lines[0], lines[1])
                source, first = scratch, 0
            every = window(source, first, (end - r, wide), (stride, 1))
            moments.add_rows(sums, every, scale, fresh and r == start, counts, counted)


@part
def add_up(numbers, memory, values, minus, place, which, scale, counting):
    """The sums over all rows that `which` says, biases last; sets inner_std, up to the scale.

    Arguments as for `measure`.
    """
    start = 1 if which == BIASES_LAST or which == WEIGHTS else 0
    stop = 1 if which == BIASES else place[ROWS]
    add_span(memory, values, minus, place, start, stop, True, scale, counting)
    numbers[INNER_STD] = np.nan
    if which == BIASES_LAST:
        columns, J, rows = memory[0], place[COLUMNS], place[ROWS] - 1
        shift = moments.sums_over_columns(columns, J, rows)[2]
        numbers[INNER_STD] = moments.standard_deviation(columns, J, rows, shift) / scale
        add_span(memory, values, minus, place, 0, 1, False, scale, counting)


@part
def measure(numbers, histogram, memory, values, minus, place, which):
    """The statistics of an array, or of the difference of two, by the names in `NAMES`.

    Modified in place: numbers (16,) float64; histogram as `histogram.take_counts` says; memory,
    (columns, counts, scratch): columns (7, ·) float64 for every column of the array, counts all 0
    before and after, scratch (·,) of the array's dtype with room for a row of it. Read: values,
    and minus in the same order or of size 0, (·,); place and which as above. Returns in how many
    columns every number is 0.
    """
    columns = memory[0]
    J = place[COLUMNS]
    rows = 1 if which == BIASES else place[ROWS] - (1 if which == WEIGHTS else 0)
    n = rows * J
    add_up(numbers, memory, values, minus, place, which, 1.0, True)
    largest, zeros, empty = moments.over_columns(columns, J, rows)
    subnormals, nonfinite, above, below, exponent = bins.take_counts(
        histogram, numbers[Q01:ZEROS], memory[1], n, zeros, largest, values.itemsize
    )
    scale = 1.0
    if moments.leaves_the_range(largest):
        scale = moments.power_near(largest)
        add_up(numbers, memory, values, minus, place, which, scale, False)
    numbers[COUNT] = n
    numbers[ZEROS] = zeros
    numbers[SUBNORMALS] = subnormals
    numbers[NONFINITE] = nonfinite
    numbers[EXPONENT] = exponent
    numbers[MAX] = largest
    summarise(numbers, columns, J, rows, scale)
    if nonfinite > 0:
        without_a_finite_sum(numbers, above, below)
    return empty


@part
def summarise(numbers, columns, J, rows, scale):
    """Sets l1, l2, mean and std from the sums of s v in J columns, the first column first."""
    magnitudes, squares, shift = moments.sums_over_columns(columns, J, rows)
    numbers[L1] = magnitudes / scale
    numbers[L2] = math.sqrt(squares) / scale
    numbers[MEAN] = (columns[moments.FIRST, 0] + shift) / scale
    numbers[STD] = moments.standard_deviation(columns, J, rows, shift) / scale


@part
def without_a_finite_sum(numbers, above, below):
    """Sets what NumPy gives where +∞ (above), −∞ (below) or NaN is among the numbers."""
    if np.isnan(numbers[L1]):
        numbers[L1 : STD + 1] = np.nan
        numbers[Q01:ZEROS] = np.nan
    elif above and below:
        numbers[MEAN] = np.nan
    else:
        numbers[MEAN] = np.inf if above else -np.inf
    numbers[STD] = np.nan
    numbers[INNER_STD] = np.nan


@part
def closeness(state, columns, values, previous, place, largest):
    """The cosine of the angle between an array and the one of the call before: a·b / (|a| |b|).

    NaN at the first call, and where a norm is 0 or not finite. Modified in place: previous (·,),
    which becomes the array; state (2,) float64, its power of 2 (0 before the first call) and the
    sum of the squares of its numbers times it; columns (7, ·) float64. Read: values and place as
    in `measure`; largest, max |v|.
    """
    J = place[COLUMNS]
    scale = moments.power_near(largest)
    for j in range(0, J, place[PANEL]):
        wide = min(place[PANEL], place[WIDE] - j)
        first, stride = where(place, j, 0)
        a = window(values, first, (place[ROWS], wide), (stride, 1))
        b = window(previous, first, (place[ROWS], wide), (stride, 1))
        sums = window(columns.ravel(), j, (columns.shape[0], wide), (columns.shape[1], 1))
        moments.add_products(sums, a, b, (scale, state[0]))
        copy(line_of(previous, place, j, 0, place[ROWS]), line_of(values, place, j, 0, place[ROWS]))
    product, squares = columns[0, 0], columns[1, 0]
    for j in range(1, J):
        product += columns[0, j]
        squares += columns[1, j]
    norms = math.sqrt(squares) * math.sqrt(state[1])
    cosine = np.nan
    if state[0] > 0 and 0 < norms < np.inf:
        cosine = min(max(product / norms, -1.0), 1.0)
    state[0], state[1] = scale, squares
    return cosine


@part
def copy(target, source):
    """Modified in place: target (·,). Read: source (·,)."""
    for p in range(source.shape[0]):
        target[p] = source[p]


@part
def outside(values, place, bounds):
    """How many numbers of rows are outside of the first two bounds, and of the other two."""
    soft, hard = 0, 0
    for n in range(place[ROWS]):
        first, _ = where(place, 0, n)
        row = block(values, first, (place[COLUMNS],))
        for j in range(row.shape[0]):
            v = np.float64(row[j])
            soft += 1 if (v < bounds[0]) | (v > bounds[1]) else 0
            hard += 1 if (v < bounds[2]) | (v > bounds[3]) else 0
    return soft, hard
