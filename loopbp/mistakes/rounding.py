"""Numbers with a bound on what rounding can do to them.

A `Bounded` array stands for everything that correct code can compute for a quantity: whatever the
order of its sums, and whichever of the usual formulas of an activation it uses, its numbers lie
within `error` of `value`. What one operation adds is what `loopbp.rounding` derives, where its
constants are; here each operation is bounded by itself, since a mistake may be in any of them:

- A sum of n products, in any order, is off by at most γ_n Σ|products|, beside what the errors of
  its factors make of it: Σ (|a| Δb + Δa |b|).
- g and g′ are evaluated at both ends of S ± ΔS as well. That takes their slope into account, and
  at a kink both sides: where S may be either side of 0, ReLU′ may be 0 or 1.
- An activation adds `EVALUATION` roundings of its largest intermediate.

So no plain relative tolerance is needed, which would be too tight where terms cancel, and too
loose where they do not. The bounds are worst cases: a mistake that changes less than they allow
cannot be told from rounding, and nobody is accused of it.

Sources: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapters 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reference import ACTIVATIONS, DERIVATIVES
from ..rounding import EVALUATION, SHAPES, SOFTPLUS_THRESHOLD, gamma

Floats = NDArray[np.float64]

#: A range of S so wide that g may turn in it; and the steepest slope of those that turn.
WIDE, STEEPEST = 0.1, 1.2


@dataclass(frozen=True, eq=False, slots=True)
class Bounded:
    """|computed − value| ≤ error; both float64 arrays of one shape."""

    value: Floats
    error: Floats

    def __getitem__(self, at: Any) -> Bounded:
        return Bounded(self.value[at], self.error[at])

    @property
    def transposed(self) -> Bounded:
        """Rows and columns exchanged."""
        return Bounded(self.value.T, self.error.T)

    def reshaped(self, *shape: int) -> Bounded:
        """The same numbers in another shape."""
        return Bounded(self.value.reshape(shape), self.error.reshape(shape))

    @property
    def nbytes(self) -> int:
        """The memory that both arrays take."""
        return self.value.nbytes + self.error.nbytes

    def times(self, factor: float) -> Bounded:
        """Every entry times a number; its rounding is among those of a sum's bound."""
        return Bounded(self.value * factor, self.error * abs(factor))


@dataclass(frozen=True)
class Arithmetic:
    """Operations on `Bounded` arrays that stand for those of a dtype with this rounding.

    unit: u, half the distance from 1 to the next number; tiny: the smallest normal number.
    """

    unit: float
    tiny: float

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Arithmetic:
        """That of the dtype."""
        info = np.finfo(dtype)
        return cls(float(info.eps) / 2, float(info.tiny))

    @property
    def rounding(self) -> float:
        """One rounding of theirs, and one of ours in float64."""
        return self.unit + 2.0**-53

    def input(self, value: Floats, error: Floats, coarse: bool) -> Bounded:
        """What is given; `coarse`: it was rounded to the dtype first."""
        return Bounded(value, error + self.unit * np.abs(value) if coarse else error)

    def rounded(self, value: Floats, error: Floats, scale: Floats, times: float = 1) -> Bounded:
        """A value whose computation rounds numbers of this scale so many times."""
        return Bounded(value, error + times * (self.rounding * scale + self.tiny))

    def product(self, a: Bounded, b: Bounded) -> Bounded:
        """a b, entry by entry."""
        value = a.value * b.value
        error = np.abs(a.value) * b.error + a.error * (np.abs(b.value) + b.error)
        return self.rounded(value, error, np.abs(value))

    def difference(self, a: Bounded, b: Bounded) -> Bounded:
        """a − b; the scale of its rounding is that of both, since a + b − 2b is one way to it."""
        scale = np.abs(a.value) + np.abs(b.value)
        return self.rounded(a.value - b.value, a.error + b.error, scale)

    def sum(self, a: Bounded, b: Bounded) -> Bounded:
        """a + b."""
        return self.difference(a, b.times(-1))

    def complement(self, x: Bounded) -> Bounded:
        """1 − x."""
        return self.rounded(1 - x.value, x.error, 1 + np.abs(x.value))

    def matmul(self, a: Bounded, b: Bounded) -> Bounded:
        """a b as matrices, each sum of n products in any order."""
        n = a.value.shape[1]
        large, own = np.abs(b.value), gamma(n, self.rounding)
        error = a.error @ large + (np.abs(a.value) + a.error) @ (b.error + own * large)
        return Bounded(a.value @ b.value, error + n * self.tiny)

    def row_sum(self, a: Bounded) -> Bounded:
        """Σ_j a_nj as a column."""
        scale = np.abs(a.value).sum(axis=1, keepdims=True)
        error = a.error.sum(axis=1, keepdims=True)
        total = a.value.sum(axis=1, keepdims=True)
        return self.rounded(total, error, scale, a.value.shape[1])

    def activation(self, name: str, S: Bounded) -> Bounded:
        """g(S)."""
        bounded = self._function(ACTIVATIONS[name], SHAPES[name].value, S, cut=name == "softplus")
        return _widened(bounded, S) if name in _TURNING else bounded

    def slope(self, name: str, S: Bounded) -> Bounded:
        """g′(S)."""
        bounded = self._function(DERIVATIVES[name], SHAPES[name].slope, S, cut=name == "softplus")
        return _widened(bounded, S) if name in _TURNING_SLOPES else bounded

    def softmax(self, S: Bounded) -> Bounded:
        """e^(S_j) / Σ_k e^(S_k) of each row; a relative error in e^S is an error of S."""
        largest = S.value.max(axis=1, keepdims=True)
        e = np.exp(S.value - largest)
        x = e / e.sum(axis=1, keepdims=True)
        moved = S.error + self.rounding * (np.abs(S.value) + np.abs(largest))
        relative = moved + (x * moved).sum(axis=1, keepdims=True)
        relative = (
            np.expm1(np.minimum(relative, 600)) + (x.shape[1] + 2 * EVALUATION) * self.rounding
        )
        return Bounded(x, x * relative + self.tiny)

    def jacobian_product(self, x: Bounded, upstream: Bounded) -> Bounded:
        """δ_j = x_j (u_j − Σ_k u_k x_k), for softmax."""
        inner = self.row_sum(self.product(upstream, x))
        return self.product(x, self.difference(upstream, inner))

    def _function(
        self,
        function: Callable[[Any], NDArray[Any]],
        measure: Callable[[Floats, Floats], Floats],
        s: Bounded,
        *,
        cut: bool,
    ) -> Bounded:
        """A function of one number, at s and at both ends of its range.

        cut: libraries replace it by its asymptote beyond a threshold, which is off by e^−s.
        """
        moved = s.error + self.tiny
        value: Floats = function(s.value)
        below, above = function(s.value - moved), function(s.value + moved)
        error = np.maximum(np.abs(below - value), np.abs(above - value))
        if cut:
            beyond = s.value > SOFTPLUS_THRESHOLD
            error = error + np.where(beyond, np.exp(-np.maximum(s.value, 0)), 0)
        return self.rounded(value, error, measure(np.abs(s.value), np.abs(value)), EVALUATION)


def _widened(bounded: Bounded, S: Bounded) -> Bounded:
    """The same where S has a wide range, whose ends do not bound a function that turns in it."""
    far = np.where(S.error > WIDE, STEEPEST * S.error, 0)
    return Bounded(bounded.value, np.maximum(bounded.error, far))


#: Functions that are not monotone.
_TURNING = ("silu", "gelu", "sin", "cos")
_TURNING_SLOPES = ("sigmoid", "tanh", *_TURNING)
