"""Derivatives of the loss by single weights, from differences, and how far to trust them.

A weight w_ij^(l) acts on the loss only through S_j^(l), and a unit step of w moves S_j^(l) by
x_i^(l). Both the step and what counts as small are therefore measured in S:

- Step. h = σ / max_n |x_i|, so that no S_j of any example moves by more than σ, whether the
  inputs are pixels from 0 to 255 or tiny numbers; it is larger only where w is so large that it
  could not move so little.
- Differences. D(h) = (f(w + h) − f(w − h)) / 2h has the error h² f‴/6 + O(h⁴); extrapolation to
  (4 D(h/2) − D(h)) / 3 leaves O(h⁴). The losses are subtracted example by example before they
  are summed, so that what is common to them costs no digits; the divisor is the distance of the
  two weights as they were rounded.
- Uncertainty. Truncation is read off the change from D(h) to D(h/2), rounding off the scatter of
  the loss when weights move by one unit in the last place. Where the two together are not well
  below the tolerance, the difference is repeated with a larger step (rounding) or smaller ones
  (truncation, kinks), and the least uncertain one counts. None of this looks at the gradient
  that is being checked.

Sources: Richardson, "The approximate arithmetical solution by finite differences" (1911), for the
extrapolation; Moré and Wild, "Estimating computational noise" (2011), for measuring rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import draws, engines
from .checks import FloatArray
from .workspace import Architecture, Workspace

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

FLOAT64 = np.dtype(np.float64)

#: σ, the largest change of a weighted sum in the first attempt.
STEP = 3e-3
#: Steps of further attempts, in units of σ: larger against rounding, smaller against the rest.
FACTORS = (10.0, 1e-1, 1e-2, 1e-3, 1e-4)
#: Entries below this share of their layer's measure are judged by their absolute difference.
FLOOR = 1e-2
#: A difference is good enough if its uncertainty is below this share of the tolerance.
MARGIN = 0.1
#: Rounding of an extrapolated difference with step h: this many times the scatter of f, over h.
ROUNDING = 4.0
#: Evaluations that measure the scatter.
SCATTER = 8
#: h is at least this times σ |w|, so that w + h and w − h are apart after rounding.
SHARE = 2.0**-12
#: A node whose outputs are all below this counts as 0, and no step is smaller.
TINY = 1e-200

#: Activations that have no derivative at 0, and those whose derivative bends there.
CORNERS = ("relu", "leaky_relu")
BENDS = ("elu",)


@dataclass(frozen=True)
class Loss:
    """The losses as a function of the weights, evaluated by an engine in float64.

    Of a whole network, or of its layers from some layer on. W are views of a private copy of
    theta; work holds what the engine last computed; divisor, N for the mean over the examples
    and 1 for their sum.
    """

    net: Architecture
    W: tuple[FloatArray, ...]
    work: Workspace
    solver: engines.Engine
    divisor: int

    def losses(self) -> FloatArray:
        """f of each example at the present weights, (N,), a new array."""
        with np.errstate(over="ignore", invalid="ignore"):
            self.solver.forward(self.net, self.W, self.work)
            self.solver.losses(self.net, self.work)
        return self.work.losses.copy()

    def change(self, before: FloatArray, after: FloatArray) -> float:
        """after − before, summed over the examples / divisor."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float((after - before).sum()) / self.divisor

    def gradient(self) -> Floats:
        """∂f/∂w by the engine's backpropagation, (P,)."""
        flat = np.empty(self.net.parameters)
        grad = self.net.views(flat)
        with np.errstate(over="ignore", invalid="ignore"):
            self.solver.gradient(self.net, self.W, self.work, grad, self.divisor)
        return flat

    def scatter(self, theta: Floats) -> float:
        """How much f varies by rounding: when each weight moves by one unit, or at least when
        each loss does. theta, which W views, is left as it was."""
        bits = draws.source(0)
        epsilon = np.finfo(FLOAT64).eps
        base, original = self.losses(), theta.copy()
        largest = float(epsilon * np.sqrt(len(base)) * np.abs(base).max()) / self.divisor
        for _ in range(SCATTER):
            units = np.floor(3 * draws.uniform(bits, theta.shape)) - 1
            theta[...] = original * (1 + epsilon * units)
            largest = max(largest, abs(self.change(base, self.losses())))
        theta[...] = original
        return largest

    def above(self, l: int) -> Loss:
        """The same from layer l on, x^(l) being that of the present weights: the weights of
        layer l change nothing below S^(l)."""
        self.losses()
        net = replace(self.net, sizes=self.net.sizes[l:], activations=self.net.activations[l:])
        work = replace(self.work, x=self.work.x[l:], S=self.work.S[l:], delta=self.work.delta[l:])
        return replace(self, net=net, W=self.W[l:], work=work)

    def signs(self, kinked: tuple[str, ...]) -> list[NDArray[Any]]:
        """Signs (−1, 0, 1) of the last S, in the layers whose activation is one of `kinked`."""
        layers = zip(self.work.S, self.net.activations, strict=True)
        return [np.sign(S) for S, name in layers if name in kinked]


class _Difference(NamedTuple):
    """A derivative; its change from D(h) to D(h/2); whether a corner or a bend was crossed."""

    value: float
    change: float
    corner: bool
    bend: bool


class LowestLayer:
    """Differences by the weights of the lowest layer of a loss.

    `reach` (n_l + 1,): max_n |x_i|, how far a unit step of w_ij moves S_j; 1 for a node that is
    always 0.
    """

    def __init__(self, loss: Loss) -> None:
        self._loss = loss
        self._corners, self._bends = loss.signs(CORNERS), loss.signs(BENDS)
        largest = np.abs(loss.work.x[0]).max(axis=0)
        self.reach: Floats = np.where(largest < TINY, 1.0, largest)

    def steps(self, i: Integers, j: Integers, sigma: float) -> Floats:
        """h of the weights W[i, j]: moves S by σ, or by more where w cannot move so little."""
        least = SHARE * sigma * np.abs(self._loss.W[0][i, j])
        steps: Floats = np.maximum(sigma / self.reach[i], least)
        return np.maximum(steps, TINY)

    def difference(self, i: int, j: int, h: float) -> _Difference:
        """The derivative by W[i, j] from D(h) and D(h/2); across a corner, D(h) alone."""
        outer, corner, bend = self._central(i, j, h)
        if corner:
            return _Difference(outer, np.inf, corner, bend)
        inner, _, _ = self._central(i, j, h / 2)
        return _Difference(inner + (inner - outer) / 3, abs(inner - outer), corner, bend)

    def _central(self, i: int, j: int, h: float) -> tuple[float, bool, bool]:
        """D(h) = (f(w + h) − f(w − h)) / 2h, and whether a corner or a bend lies between."""
        w = self._loss.W[0][i, j]
        after, corner_after, bend_after = self._at(i, j, w + h)
        before, corner_before, bend_before = self._at(i, j, w - h)
        self._loss.W[0][i, j] = w
        slope = self._loss.change(before, after) / float((w + h) - (w - h))
        return slope, corner_after or corner_before, bend_after or bend_before

    def _at(self, i: int, j: int, w: float) -> tuple[FloatArray, bool, bool]:
        """The losses with W[i, j] = w, and whether signs at corners, at bends are others now."""
        self._loss.W[0][i, j] = w
        losses = self._loss.losses()
        corner = _differ(self._loss.signs(CORNERS), self._corners)
        return losses, corner, _differ(self._loss.signs(BENDS), self._bends)


def _differ(these: list[NDArray[Any]], those: list[NDArray[Any]]) -> bool:
    """Whether any entry is another."""
    return not all(np.array_equal(a, b) for a, b in zip(these, those, strict=True))


@dataclass(frozen=True)
class Derivatives:
    """Numerical derivatives, all arrays (M,).

    value; truncation and rounding, the two parts of its uncertainty; corner, whether the step
    crosses one; near, whether the step crosses a corner or a bend.
    """

    value: Floats
    truncation: Floats
    rounding: Floats
    corner: Booleans
    near: Booleans

    @property
    def uncertainty(self) -> Floats:
        """Truncation and rounding together."""
        return self.truncation + self.rounding

    @classmethod
    def joined(cls, parts: Sequence[Derivatives]) -> Derivatives:
        """The derivatives of all parts, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def updated(self, at: Integers, others: Derivatives) -> Derivatives:
        """These, with those at the positions `at` replaced where `others` are not less certain."""
        better = others.uncertainty <= self.uncertainty[at]
        merged = {field.name: getattr(self, field.name).copy() for field in fields(self)}
        for name, array in merged.items():
            array[at[better]] = getattr(others, name)[better]
        return Derivatives(**merged)


def derivatives(
    layer: LowestLayer,
    i: Integers,
    j: Integers,
    sigma: float,
    tolerance: float,
    noise: float,
    tell: Callable[[int], None],
) -> tuple[Derivatives, Floats]:
    """Derivatives by the weights W[i, j] of a layer, and the floors of their relative errors.

    `near` is that of the first attempt.
    """
    reach = layer.reach[i]
    steps = layer.steps(i, j, sigma)
    found = []
    for row, column, h in zip(i, j, steps, strict=True):
        found.append(layer.difference(row, column, h))
        tell(1)
    first = best = _judged(found, reach, steps, noise, 0.0)
    for factor in FACTORS:
        scale = _scale(best.value, reach)
        size = np.maximum(np.abs(best.value), FLOOR * scale * reach)
        doubtful = ~(best.uncertainty < MARGIN * tolerance * size)  # infinite ones as well
        rounded = best.rounding > best.truncation
        todo = np.flatnonzero(doubtful & (rounded if factor > 1 else ~rounded))
        if len(todo) == 0:
            continue
        steps = layer.steps(i[todo], j[todo], factor * sigma)
        again = [layer.difference(*at) for at in zip(i[todo], j[todo], steps, strict=True)]
        best = best.updated(todo, _judged(again, reach[todo], steps, noise, scale))
    return replace(best, near=first.near), FLOOR * _scale(best.value, reach) * reach


def _judged(
    found: Sequence[_Difference], reach: Floats, steps: Floats, noise: float, scale: float
) -> Derivatives:
    """Differences with steps of one σ, together with their uncertainties.

    Let s be the layer's scale, which is at least `scale`. With f‴ ~ s/c² and f⁽⁵⁾ ~ s/c⁴ for
    some length c, the change from D(h) to D(h/2) is s (σ/c)²/8, and extrapolation leaves
    s (σ/c)⁴/480, less than change²/s. The change of a single entry can be small by accident, so
    the largest one stands for all. Across a bend with a jump of 1 in g″, g′ of some examples is
    off by σ or less: less than s σ in all.
    """
    values, changes, corners, bends = (np.array(column) for column in zip(*found, strict=True))
    smooth = ~corners & ~bends & np.isfinite(values)
    scale = max(scale, _scale(values, reach))
    largest = (changes[smooth] / reach[smooth]).max(initial=0.0)
    left = largest * (largest / scale) if scale > 0 else 0.0
    bent = np.maximum(changes, scale * reach * (steps * reach))
    truncation = np.where(bends, bent, left * reach)
    truncation[corners | ~np.isfinite(values)] = np.inf
    return Derivatives(values, truncation, ROUNDING * noise / steps, corners, corners | bends)


def _scale(values: Floats, reach: Floats) -> float:
    """The largest |∂f/∂w_ij| / max_n |x_i|: how much f changes at most by a unit change of S."""
    sizes = np.abs(values) / reach
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))
