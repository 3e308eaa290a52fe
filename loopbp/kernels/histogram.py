"""Counts of numbers by sign and size, and the quantiles that can be read off them.

A number's bits begin with its sign, its exponent and the first digits of its fraction. The first
`DIGITS` digits cut each factor of 2 into `FINE` bins of equal width, so that the bin of a number
is a shift away, and all bins of sign ± stand in ascending order of |v|. Each bin is counted in
`COPIES` places in turn: neighbouring numbers are often alike, and a count that has just been
written cannot be read at once.
"""

import math

import numpy as np

from .address import block
from .compile import part, scalar

#: Digits of the fraction that tell bins apart, bins per factor of 2, and counts of each.
DIGITS = 4
FINE = 1 << DIGITS
COPIES = 2

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


@scalar
def count(counts, v, copy):
    """Counts a number in its bin, in one of its places.

    Modified in place: counts (2 exponents FINE COPIES,) int32.
    """
    counts[bin_of(v) * np.uint64(COPIES) + np.uint64(copy % COPIES)] += 1


@scalar
def octave_of(counts, first):
    """The counts of one sign and exponent, which begin at `first`: a view (FINE, COPIES)."""
    return block(counts, first, (FINE, COPIES))


@scalar
def sum_of(octave):
    """The sum of the counts (FINE, COPIES) of one sign and exponent."""
    total = np.int32(0)
    for fine in range(FINE):
        for copy in range(COPIES):
            total = np.int32(total + octave[fine, copy])
    return np.int64(total)


@scalar
def clear(octave):
    """Modified in place: the counts (FINE, COPIES) of one sign and exponent, which become 0."""
    for fine in range(FINE):
        for copy in range(COPIES):
            octave[fine, copy] = 0


@scalar
def rank_from_above(percent, n):
    """How many of n numbers stand above their quantile, the ⌈q n⌉-th in ascending order."""
    return n - (percent * n + 99) // 100


@part
def within_octave(plus, minus, rank, start, unit, zeros):
    """The number with `rank` numbers of an octave above it, read off the bins of both signs.

    The numbers of a bin are taken to lie evenly in it. Read: plus and minus (FINE, COPIES), the
    counts of both signs; start and unit, the lower end of the octave and the width of its bins;
    zeros, how many numbers of the lowest bin are 0.
    """
    below = rank
    for fine in range(FINE - 1, -1, -1):
        total = np.int32(-zeros if fine == 0 else 0)
        for copy in range(COPIES):
            total = np.int32(total + plus[fine, copy] + minus[fine, copy])
        count = np.int64(total)
        if below < count:
            return start + unit * (fine + (count - below - 0.5) / count)
        below -= count
    return 0.0


@part
def take_counts(histogram, quantiles, counts, n, zeros, largest, itemsize):
    """Reads off a histogram and quantiles, and sets the counts that it has read back to 0.

    Modified in place: histogram (2, OCTAVES) int32, for each sign (+ first) how many numbers have
    2^e ≤ |v| < 2^(e+1), e from the exponent of the largest down, the last everything below;
    quantiles (5,) float64, of |v|; counts. Read: n, how many numbers were counted; zeros, how many
    of them were 0; largest, max |v| without NaN; the itemsize of the numbers. Returns how many
    were subnormal and not finite, whether +∞ (or NaN) and −∞ (or NaN) was among them, and e of
    the largest finite number.
    """
    many = exponents(itemsize)
    bias, negative = many // 2 - 1, many * OCTAVE
    for sign in range(2):
        for b in range(OCTAVES):
            histogram[sign, b] = 0
    positive_infinite, negative_infinite, tiny = take_ends(counts, many)
    above, q = positive_infinite + negative_infinite, len(PERCENT) - 1
    rank = rank_from_above(PERCENT[q], n)
    e, highest = many - 2, 0
    if largest < np.inf:
        e = max(math.frexp(largest)[1] - 1 + bias, 0) if largest > 0 else 0
    while q >= 0 and rank < above:
        quantiles[q] = np.inf
        q -= 1
        rank = rank_from_above(PERCENT[max(q, 0)], n)
    while e > 0 and above < n - tiny:
        plus = octave_of(counts, e * OCTAVE)
        minus = octave_of(counts, e * OCTAVE + negative)
        of_plus, of_minus = sum_of(plus), sum_of(minus)
        found = of_plus + of_minus
        if found > 0:
            highest = max(highest, e)
            bin = min(highest - e, OCTAVES - 1)
            histogram[0, bin] += of_plus
            histogram[1, bin] += of_minus
            while q >= 0 and rank < above + found:
                start = math.ldexp(1.0, e - bias)
                value = within_octave(plus, minus, rank - above, start, start / FINE, 0)
                quantiles[q] = min(value, largest)
                q -= 1
                rank = rank_from_above(PERCENT[max(q, 0)], n)
            clear(plus)
            clear(minus)
            above += found
        e -= 1
    plus, minus = octave_of(counts, 0), octave_of(counts, negative)
    while q >= 0:
        quantiles[q] = 0.0
        rank = rank_from_above(PERCENT[q], n) - above
        if rank < tiny - zeros:
            unit = math.ldexp(1.0, 1 - bias) / FINE
            quantiles[q] = min(within_octave(plus, minus, rank, 0.0, unit, zeros), largest)
        q -= 1
    if tiny > 0:
        clear(plus)
        clear(minus)
    nonfinite = positive_infinite + negative_infinite
    exponent = highest - bias if highest > 0 else 0
    return tiny - zeros, nonfinite, positive_infinite > 0, negative_infinite > 0, exponent


@part
def take_ends(counts, many):
    """How many numbers are +∞ or NaN, −∞ or NaN, and 0 or subnormal.

    Modified in place: the counts of the first two. Read: many, the number of exponents.
    """
    plus = octave_of(counts, (many - 1) * OCTAVE)
    minus = octave_of(counts, (2 * many - 1) * OCTAVE)
    of_plus, of_minus = sum_of(plus), sum_of(minus)
    if of_plus + of_minus > 0:
        clear(plus)
        clear(minus)
    tiny = sum_of(octave_of(counts, 0)) + sum_of(octave_of(counts, many * OCTAVE))
    return of_plus, of_minus, tiny
