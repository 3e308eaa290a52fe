"""How exactly the numbers are written: in which dtype, and to how many digits they were rounded.

`ways` reads the numbers as they stand first, then as rounded as far as they tell: all arrays in one
way, each kind in its own, each array in its own, and all to significant digits. Every later way
allows more, so that rounding is no mistake; and none allows half a unit of a last digit that was
never cut off. What proves a rounding are decimals that arithmetic does not leave by itself, as 0.3
or −1.27: not whole numbers, halves and quarters, nor the inputs and the old weights, which people
choose with few decimals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import shorten
from .rounding import Floats

#: Significant digits, or decimals, from which on numbers count as printed and read again.
LEAST_DIGITS, LEAST_DECIMALS = 5, 4
#: A float32 number is written with at most so many significant digits.
FLOAT32_DIGITS = 9
#: How many entries of an array are looked at for the number of their digits.
LOOKED_AT = 500
#: The last bit of a float32 number, relative to it.
SINGLE = 2.0**-23
#: So many different numbers with decimals prove that a group of arrays was rounded.
LEAST_PROOF = 3
#: Significant digits that numbers of any size may have been rounded to.
SIGNIFICANT = range(3, FLOAT32_DIGITS + 1)
#: Numbers that are multiples of this one may be as arithmetic left them.
DYADIC = 2.0**-40
#: Decimals that are looked for in a part of the arrays.
MOST_DECIMALS = 9
#: Their unit is so many steps of the dtype or more, or any number would have so few decimals.
LEAST_STEPS = 2**2


@dataclass(frozen=True)
class Digits:
    """How exactly numbers are written: in which dtype, and with how many decimal digits."""

    dtype: np.dtype[Any]
    digits: int | None
    decimals: int | None

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]], decimals: int | None) -> Digits:
        """What the numbers themselves tell; a program writes all of them in one way."""
        kinds = [array.dtype for array in arrays if array.dtype.kind == "f"]
        dtype = min(kinds, key=lambda kind: -np.finfo(kind).eps, default=np.dtype(np.float64))
        if dtype.itemsize > 8:
            dtype = np.dtype(np.float64)
        sample = np.concatenate([_looked_at(array) for array in arrays])
        if dtype.itemsize < 8:
            return cls(dtype, None, decimals)
        digits = next((d for d in range(1, 16) if _has_digits(sample, d)), None)
        places = next((d for d in range(13) if (np.round(sample, d) == sample).all()), None)
        if (digits is not None and digits <= FLOAT32_DIGITS) or _single(sample, places):
            dtype = np.dtype(np.float32)
        if decimals is not None:
            return cls(dtype, None, decimals)
        if places is not None and places < LEAST_DECIMALS:
            return cls(dtype, None, None)  # whole numbers, or halves: perhaps computed by hand
        if places is None and (digits is None or digits < LEAST_DIGITS):
            return cls(dtype, None, None)
        return cls(dtype, digits if places is None else None, places)

    @property
    def name(self) -> str:
        """As in a sentence; empty for numbers as they stand."""
        if self.decimals is not None:
            return f"{self.decimals} decimal{'' if self.decimals == 1 else 's'}"
        return "" if self.digits is None else f"{self.digits} significant digits"

    def error(self, values: Floats) -> Floats | float:
        """Half a unit of the last digit, and what the dtype makes of the decimal number.

        0 where the number is not finite: it was not rounded.
        """
        if self.decimals is None and self.digits is None:
            return 0.0
        size = np.abs(np.where(np.isfinite(values), values, 0))
        if self.decimals is not None:
            half = 0.5 * 10.0**-self.decimals + float(np.finfo(self.dtype).eps) * size
            return np.where(np.isfinite(values), half, 0)
        assert self.digits is not None
        with np.errstate(divide="ignore"):
            exponent = np.floor(np.log10(size))
        return np.where(size == 0, 0, 0.5 * 10.0 ** (exponent + 1 - self.digits))


@dataclass(frozen=True)
class Way:
    """One way to read the numbers: the digits of each array by name.

    proven: the numbers prove that they were rounded so, or are read as they stand.
    """

    dtype: np.dtype[Any]
    by_name: Mapping[str, Digits]
    proven: bool = True

    @property
    def notes(self) -> list[str]:
        """What a reader should know about it."""
        by_digits: dict[str, list[str]] = {}
        for text, digits in self.by_name.items():
            if digits.name:
                by_digits.setdefault(digits.name, []).append(text)
        return [
            f"{'the numbers' if len(names) == len(self.by_name) else shorten(', '.join(names), 60)}"
            f" are read as rounded to {digits}"
            for digits, names in by_digits.items()
        ]


@dataclass(frozen=True)
class _Looks:
    """What an array looks like: its decimals, None for too many, and numbers that prove them."""

    decimals: int | None
    proof: frozenset[float]

    @classmethod
    def of(cls, array: NDArray[Any], chosen: Floats | None) -> _Looks:
        """chosen: numbers that were given; those with as few decimals prove nothing."""
        decimals = _places(array)
        if not decimals:
            return cls(decimals, frozenset())
        found = np.unique(np.round(_looked_at(array), decimals))
        found = found[found * 2.0**decimals % 1 != 0]
        if chosen is not None:
            few = np.abs(np.round(chosen, decimals) - chosen) <= SINGLE * np.abs(chosen)
            found = found[~np.isin(found, np.round(chosen[few], decimals))]
        return cls(decimals, frozenset(found.tolist()))


def ways(
    arrays: Mapping[str, NDArray[Any]],
    kinds: Mapping[str, str],
    chosen: Mapping[str, Floats],
    decimals: int | None = None,
) -> list[Way]:
    """The ways to read the arrays, the strictest first; the last ones may be unproven.

    kinds: which quantity each array is of; chosen: by kind, numbers that were given and not
    computed.
    """
    plain = Digits.of(list(arrays.values()), decimals)
    found = [Way(plain.dtype, dict.fromkeys(arrays, plain))]
    if decimals is not None:
        return found
    looks = {name: _Looks.of(array, chosen.get(kinds[name])) for name, array in arrays.items()}
    whole = list(looks.values())
    alike = {
        kind: [looks[name] for name in arrays if kinds[name] == kind] for kind in kinds.values()
    }
    for widest in (0, 1, 2):
        by_name = {}
        for name, one in looks.items():
            groups = ([one], alike[kinds[name]], whole)[2 - widest :]
            told = next(filter(None, map(_proven, groups)), None)
            by_name[name] = plain if told is None else Digits(plain.dtype, None, told)
        if by_name != found[-1].by_name:
            found.append(Way(plain.dtype, by_name))
    digits = _significant(arrays, kinds, chosen)
    if digits is not None:
        cut = Digits(plain.dtype, digits, None)
        if cut != plain:
            found.append(Way(plain.dtype, dict.fromkeys(arrays, cut)))
    most = _common(whole)
    if most is not None and most < LEAST_DECIMALS and len(found) == 1:
        perhaps = Digits(plain.dtype, None, max(most, 1))  # 0.04 is 0.0 to one decimal
        found.append(Way(plain.dtype, dict.fromkeys(arrays, perhaps), proven=False))
    return found


def _common(group: Sequence[_Looks]) -> int | None:
    """The decimals that all arrays of a group have at most; None if one has too many."""
    decimals = [one.decimals for one in group]
    known = [d for d in decimals if d is not None]
    return max(known) if len(known) == len(decimals) else None


def _proven(group: Sequence[_Looks]) -> int | None:
    """The decimals that a group of arrays was certainly rounded to."""
    proof = frozenset[float]().union(*(one.proof for one in group))
    return _common(group) if len(proof) >= LEAST_PROOF else None


def _significant(
    arrays: Mapping[str, NDArray[Any]], kinds: Mapping[str, str], chosen: Mapping[str, Floats]
) -> int | None:
    """The significant digits that all arrays were certainly rounded to; None where none are."""
    sample = np.concatenate([_looked_at(array) for array in arrays.values()])
    digits = next((d for d in SIGNIFICANT if _has_digits(sample, d)), None)
    if digits is None:
        return None
    proof: set[float] = set()
    for name, array in arrays.items():
        found = _looked_at(array)
        given = chosen.get(kinds[name])
        if given is not None:
            found = found[~np.isin(found, given)]
        proof.update(found[found % DYADIC != 0].tolist())
    return digits if len(proof) >= LEAST_PROOF else None


def _places(array: NDArray[Any]) -> int | None:
    """The fewest decimals of which all entries are numbers, up to the last bit of the dtype."""
    sample, flat = _looked_at(array), array.ravel().astype(np.float64)
    flat = flat[np.isfinite(flat)]
    eps = float(np.finfo(array.dtype if array.dtype.kind == "f" else np.float64).eps)
    step = eps * float(np.median(np.abs(flat))) if len(flat) else 0.0
    for d in range(MOST_DECIMALS + 1):
        if 10.0**-d < LEAST_STEPS * step:
            return None
        if all((np.abs(np.round(v, d) - v) <= eps * np.abs(v)).all() for v in (sample, flat)):
            return d
    return None


def _looked_at(array: NDArray[Any]) -> Floats:
    """Finite entries of an array, evenly spread."""
    flat = array.ravel().astype(np.float64)
    flat = flat[:: max(1, len(flat) // LOOKED_AT)]
    return flat[np.isfinite(flat)]


def _single(sample: Floats, places: int | None) -> bool:
    """Whether all numbers are those of a float32, printed perhaps to so many decimals."""
    with np.errstate(over="ignore"):
        wide = sample.astype(np.float32).astype(np.float64)
    return bool((wide == sample).all() or (places and (np.round(wide, places) == sample).all()))


def _has_digits(sample: Floats, digits: int) -> bool:
    """Whether no number has more significant digits."""
    return all(float(f"{value:.{digits - 1}e}") == value for value in sample.tolist())
