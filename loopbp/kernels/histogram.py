"""Counts of numbers by sign and size, and the quantiles that can be read off them.

A number's bits begin with its sign, its exponent and the first digits of its fraction. The first
`DIGITS` digits cut each factor of 2 into `FINE` bins of equal width, so that the bin of a number
is a shift away, and all bins of sign ± stand in ascending order of |v|. Each bin is counted in
`COPIES` places in turn: neighbouring numbers are often alike, and a count that has just been
written cannot be read at once.
"""

import math

import numpy as np

from .compile import part, scalar

#: Digits of the fraction that tell bins apart, bins per factor of 2, and counts of each.
DIGITS = 4
FINE = 1 << DIGITS
COPIES = 4

#: Counts of one sign and exponent, which stand side by side.
OCTAVE = FINE * COPIES

#: Factors of 2 that a histogram keeps: the largest, and 64 beneath it.
OCTAVES = 65

#: The quantiles, in hundredths.
PERCENT = (1, 5, 50, 95, 99)


@scalar
def exponents(itemsize):
    """How many exponents numbers of 4 or 8 bytes have: 2^8 or 2^11."""
    return 256 if itemsize == 4 else 2048


@scalar
def bin_of(v):
    """The number of the bin of v: sign, exponent and the first digits of the fraction."""
    if isinstance(v, np.float32):
        return np.uint64(np.float32(v).view(np.uint32)) >> np.uint64(23 - DIGITS)
    return np.float64(v).view(np.uint64) >> np.uint64(52 - DIGITS)


@part
def add_counts(counts, values):
    """Counts the numbers of an array in their bins.

    Modified in place: counts (2 exponents FINE COPIES,) int32. Read: values (R, J).
    """
    R, J = values.shape
    fours = J // COPIES * COPIES
    for r in range(R):
        for j in range(0, fours, COPIES):
            counts[bin_of(values[r, j]) * np.uint64(COPIES)] += 1
            counts[bin_of(values[r, j + 1]) * np.uint64(COPIES) + np.uint64(1)] += 1
            counts[bin_of(values[r, j + 2]) * np.uint64(COPIES) + np.uint64(2)] += 1
            counts[bin_of(values[r, j + 3]) * np.uint64(COPIES) + np.uint64(3)] += 1
        for j in range(fours, J):
            counts[bin_of(values[r, j]) * np.uint64(COPIES) + np.uint64(r % COPIES)] += 1


@part
def count_zeros(values):
    """How many numbers of an array (R, J) are 0."""
    zeros = 0
    for r in range(values.shape[0]):
        for j in range(values.shape[1]):
            zeros += 1 if values[r, j] == 0 else 0
    return zeros


@part
def sum_of(counts, first, length):
    """The sum of so many counts from `first` on."""
    total = 0
    for b in range(first, first + length):
        total += counts[b]
    return total


@scalar
def rank_from_above(percent, n):
    """How many of n numbers stand above their quantile, the ⌈q n⌉-th in ascending order."""
    return n - (percent * n + 99) // 100


@part
def within_octave(counts, first, negative, rank, start, unit, zeros):
    """The number with `rank` numbers of an octave above it, read off the bins of both signs.

    The numbers of a bin are taken to lie evenly in it. Read: counts, of which the octave begins
    at `first`, that of sign − at `negative`; start and unit, the lower end of the octave and the
    width of its bins; zeros, how many numbers of the lowest bin are 0.
    """
    above = 0
    for fine in range(FINE - 1, -1, -1):
        count = sum_of(counts, first + fine * COPIES, COPIES)
        count += sum_of(counts, negative + fine * COPIES, COPIES)
        if fine == 0:
            count -= zeros
        if rank < above + count:
            return start + unit * (fine + (count - (rank - above) - 0.5) / count)
        above += count
    return 0.0


@part
def take_counts(histogram, quantiles, counts, n, zeros, largest, itemsize):
    """Reads off a histogram and quantiles, and sets the counts that it has read back to 0.

    Modified in place: histogram (2, OCTAVES) int32, for each sign (+ first) how many numbers have
    2^e ≤ |v| < 2^(e+1), e from the exponent of the largest down, the last everything below;
    quantiles (5,) float64, of |v|; counts. Read: n, how many numbers were counted; zeros, how many
    of them were 0; largest, max |v| without NaN; the itemsize of the numbers. Returns how many
    were subnormal, +∞, −∞ and NaN, and e of the largest.
    """
    many = exponents(itemsize)
    bias, minus = many // 2 - 1, many * OCTAVE
    histogram[:, :] = 0
    infinite = (many - 1) * OCTAVE
    positive = sum_of(counts, infinite, OCTAVE)
    negative = sum_of(counts, minus + infinite, OCTAVE)
    nonfinite = positive + negative
    if nonfinite > 0:
        counts[infinite : infinite + OCTAVE] = 0
        counts[minus + infinite : minus + infinite + OCTAVE] = 0
    tiny = sum_of(counts, 0, OCTAVE) + sum_of(counts, minus, OCTAVE)
    top = many - 2
    if largest < np.inf:
        top = max(math.frexp(largest)[1] - 1 + bias, 0) if largest > 0 else 0
    above, e, q = nonfinite, top, len(PERCENT) - 1
    highest = 0
    while q >= 0 and rank_from_above(PERCENT[q], n) < above:
        quantiles[q] = np.inf
        q -= 1
    while e > 0 and above < n - tiny:
        first = e * OCTAVE
        plus, other = sum_of(counts, first, OCTAVE), sum_of(counts, minus + first, OCTAVE)
        if plus + other > 0:
            highest = highest if highest > 0 else e
            bin = min(highest - e, OCTAVES - 1)
            histogram[0, bin] += plus
            histogram[1, bin] += other
            while q >= 0 and rank_from_above(PERCENT[q], n) < above + plus + other:
                start = math.ldexp(1.0, e - bias)
                rank = rank_from_above(PERCENT[q], n) - above
                value = within_octave(counts, first, minus + first, rank, start, start / FINE, 0)
                quantiles[q] = min(value, largest)
                q -= 1
            counts[first : first + OCTAVE] = 0
            counts[minus + first : minus + first + OCTAVE] = 0
            above += plus + other
        e -= 1
    while q >= 0:
        rank = rank_from_above(PERCENT[q], n) - above
        unit = math.ldexp(1.0, 1 - bias) / FINE
        value = (
            within_octave(counts, 0, minus, rank, 0.0, unit, zeros) if rank < tiny - zeros else 0.0
        )
        quantiles[q] = min(value, largest)
        q -= 1
    if tiny > 0:
        counts[:OCTAVE] = 0
        counts[minus : minus + OCTAVE] = 0
    return (
        tiny - zeros,
        nonfinite,
        positive > 0,
        negative > 0,
        (highest - bias if highest > 0 else 0),
    )
