"""How far rounding alone can move a forward pass or a gradient: distances in ulps, and bounds.

A *careful computation* rounds every operation on its own in the network's dtype, of unit roundoff
u (2⁻²⁴ or 2⁻⁵³), but adds the terms of a sum in any order, with or without fused multiply-adds. It
may divide by N or n_L at another place (room for `SCALINGS` roundings in every sum), flush
subnormal numbers to zero, and compute g and g′ by any of the usual formulas, which errs by at most
`EVALUATION` u times the largest number that comes up in them, as `SHAPES` says. Every exact engine
is one; so is PyTorch, JAX or scikit-learn, unless it is told to multiply with fewer bits (TF32,
bfloat16), and so is what a student writes by hand.

Let E be a bound of the distance between any such computation and the exact value. Two of them are
at most 2E apart, which is what a comparison should allow. In a sum of n products each term is
rounded at most m = n + SCALINGS times: as a product, in n − 1 additions, and in the scalings. With
γ_n = m u / (1 − m u), and every magnitude |x| enlarged to |x| + 2E so that it holds for both:

    sums          E_S = γ_{I+1} Σ_i |w_ij| |x_i| + Σ_i |w_ij| E_x,i, i = 0 … I
    outputs       E_x = |g′(S)| E_S + 2 max|g″| E_S² + EVALUATION u · (measure of g)
    derivatives   E_g′ = max|g″| E_S + EVALUATION u · (measure of g′), and the jump of g′ where
                  |S| ≤ 2 E_S
    δ, hidden     E_δ = |Σ_k δ_k w_jk| E_g′ + |g′| (γ_K Σ_k |δ_k| |w_jk| + Σ_k |w_jk| E_δ,k)
    gradients     E = (γ_N Σ_n |δ_j| |x_i| + Σ_n (|δ_j| E_x,i + |x_i| E_δ,j)) / N
    loss          E_f = (γ Σ |terms| + Σ (what a term moves by where x moves by 2 E_x)) / N

In a wide and deep float32 network these worst cases exceed the gradient itself: each layer
multiplies E by Σ |w|, as if all roundings conspired. *Likely* bounds take them for independent and
as often up as down: √n instead of n roundings in γ, times `CONFIDENCE`, and errors from different
sources added as the root of their squares, so that a layer multiplies E by √(Σ w²) only. They are
no theorem for a given network, but `CONFIDENCE` standard deviations.

Sources: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.1, equation
3.5 (sums of products in any order: γ_n Σ |products|) and section 2.2 (the model of rounding);
Higham and Mary, "A new approach to probabilistic rounding error analysis" (2019), theorem 2.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import reference
from .checks import FloatArray
from .trace import Trace

Bounds = NDArray[np.float64]

#: Roundings that scaling a sum, or its terms, may add: by N and by n_L, each as a reciprocal, which
#: is rounded, and a product.
SCALINGS = 4
#: The error of g and of g′ in units of u times the measure in `SHAPES`: an exponential or an erf of
#: a vector library, 4 ulp or 8 u, and 8 roundings around it.
EVALUATION = 16
#: λ of the likely bounds: a sum of n terms stays within them with probability 1 − 2n e^(−λ²/2).
CONFIDENCE = 6
#: PyTorch's softplus is s itself beyond this threshold; the rest is e^−s.
SOFTPLUS_THRESHOLD = 20


class Shape(NamedTuple):
    """What the bounds have to know of g.

    curvature, max |g″| away from a kink; jump, of g′ at 0; value and slope, the measures of the
    errors in evaluating g and g′, from |s| and the magnitude of the result, |g(s)| or |g′(s)|: the
    largest number in the formulas that are in use, such as 1 in 1 − x², e^s − 1 and ln(1 + e^s).
    """

    curvature: float
    value: Callable[[Bounds, Bounds], Any]
    slope: Callable[[Bounds, Bounds], Any]
    jump: float = 0.0


def _none(s: Bounds, result: Bounds) -> Any:
    return np.zeros_like(s)


def _one(s: Bounds, result: Bounds) -> Any:
    return np.ones_like(s)


def _result(s: Bounds, result: Bounds) -> Any:
    return result


def _argument(s: Bounds, result: Bounds) -> Any:
    return s


def _one_and_argument(s: Bounds, result: Bounds) -> Any:
    return 1 + s


#: max |g″|: sigmoid 1/(6√3), tanh 4/(3√3), softplus ¼, silu ½, gelu 2φ(0) = √(2/π).
SHAPES = {
    "identity": Shape(0.0, _none, _none),
    "sigmoid": Shape(0.09623, _one, _one),
    "tanh": Shape(0.76981, _one, _one),
    "relu": Shape(0.0, _none, _none, jump=1.0),
    "leaky_relu": Shape(0.0, _result, _result, jump=0.99),
    "elu": Shape(1.0, _one, _one),
    "softplus": Shape(0.25, _one_and_argument, _one),
    "silu": Shape(0.5, _argument, _one_and_argument),
    "gelu": Shape(0.79789, _argument, _one_and_argument),
    "sin": Shape(1.0, _one, _one),
    "cos": Shape(1.0, _one, _one),
    "exp": Shape(0.0, _result, _result),  # its curvature is e^s: see `_curvature`
}


@dataclass(frozen=True)
class ForwardBounds:
    """E of a forward pass, float64: S[l] (N, n_{l+1}); x[l] (N, n_l), without the constant."""

    S: tuple[Bounds, ...]
    x: tuple[Bounds, ...]


@dataclass(frozen=True)
class GradientBounds:
    """E of a gradient.

    grad[l] (n_l + 1, n_{l+1}) float64, row 0 the biases; kinks, how many sums S lie so near the
    kink of a relu or leaky_relu that rounding decides their g′.
    """

    grad: tuple[Bounds, ...]
    kinks: int


def ulps(a: FloatArray, b: FloatArray) -> Bounds:
    """How many steps from one floating-point number to the next lead from a to b; ±0 are one.

    a and b have one shape and dtype, float32 or float64. The result, float64, is exact up to 2⁵³;
    it is infinite where one of the two is NaN, or where only one is infinite.
    """
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"ulps: expected two arrays of float32 or float64; got {a.dtype}, {b.dtype}"
        )
    first, second = _ordered(a), _ordered(b)
    steps = (np.maximum(first, second) - np.minimum(first, second)).astype(np.float64)
    lost = np.isnan(a) | np.isnan(b) | (np.isinf(a) ^ np.isinf(b))
    found: Bounds = np.where(lost, np.inf, steps)
    return found


def _ordered(values: FloatArray) -> NDArray[np.uint64]:
    """The place of each number among all numbers of its dtype; that of ±0 is 2⁶³."""
    signed: type[np.int64 | np.int32] = np.int64 if values.dtype == np.float64 else np.int32
    bits = np.ascontiguousarray(values).view(signed).astype(np.int64)
    steps = (bits & np.int64(np.iinfo(signed).max)).astype(np.uint64)
    middle = np.uint64(2**63)
    places: NDArray[np.uint64] = np.where(bits < 0, middle - steps, middle + steps)
    return places


def gamma(terms: int, unit: float, *, likely: bool = False) -> float:
    """γ of a sum of so many products, with its scalings, for this unit roundoff."""
    count = terms + SCALINGS
    roundings = (CONFIDENCE * count**0.5 if likely else count) * unit
    return roundings / (1 - roundings) if roundings < 1 else np.inf


def forward_bounds(trace: Trace, *, likely: bool = False) -> ForwardBounds:
    """E_S and E_x of every layer, as the text of this module says; `trace` from any engine."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _Pass(trace, likely).forward()


def gradient_bounds(trace: Trace, *, likely: bool = False) -> GradientBounds:
    """E of every ∂f/∂w_ij^(l), as the text of this module says; `trace` of a backprop."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _Pass(trace, likely).backward(forward_bounds(trace, likely=likely))


def loss_bound(trace: Trace, *, likely: bool = False) -> float:
    """E_f of the loss, infinite where rounding could make an output of a cross-entropy 0.

    `trace` from any engine, with a loss.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _Pass(trace, likely).loss(forward_bounds(trace, likely=likely))


def _known(bound: Any) -> Bounds:
    """The bound, infinite where it overflowed and became NaN."""
    return np.where(np.isnan(bound), np.inf, bound)


def _curvature(name: str, S: Bounds, E: Bounds) -> Any:
    """The largest |g″| within 2 E of S."""
    return np.exp(S + 2 * E) if name == "exp" else SHAPES[name].curvature


class _Pass:
    """The bounds of one pass; all of its arrays are float64."""

    def __init__(self, trace: Trace, likely: bool) -> None:
        format_ = np.finfo(trace.architecture.dtype)
        self.trace = trace
        self.likely = likely
        self.u = float(format_.eps) / 2
        self.N = len(trace.x[0])
        self.n_L = trace.architecture.sizes[-1]
        # What a product can lose below the normal numbers, also where it was divided by N before.
        self.floor = 4.0 * self.N * self.n_L * float(format_.tiny)
        self.W = [np.abs(W.astype(np.float64)) for W in trace.W]
        self.S = [S.astype(np.float64) for S in trace.S]

    def gamma(self, terms: int) -> float:
        """γ of a sum of so many products."""
        return gamma(terms, self.u, likely=self.likely)

    def passed_on(self, errors: Bounds, weights: Bounds) -> Bounds:
        """Σ_i E_i |w_ij|, (N, I) times (I, J); likely, √(Σ_i E_i² w_ij²)."""
        return np.sqrt(errors**2 @ weights**2) if self.likely else errors @ weights

    def outputs(self, l: int) -> Bounds:
        """|x| of layer l, without the constant."""
        x = self.trace.x[l] if l == len(self.S) else self.trace.x[l][:, 1:]
        return np.abs(x.astype(np.float64))

    def forward(self) -> ForwardBounds:
        """Layer by layer; the inputs are exact."""
        E_x: list[Bounds] = [np.zeros_like(self.outputs(0))]
        E_S: list[Bounds] = []
        for l, name in enumerate(self.trace.architecture.activations):
            weights, x = self.W[l][1:], self.outputs(l)
            terms = len(weights) + 1
            size = self.W[l][0] + (x + 2 * E_x[l]) @ weights
            E_S.append(
                self.gamma(terms) * size + self.passed_on(E_x[l], weights) + terms * self.floor
            )
            if name == "softmax":
                E_x.append(self._softmax(E_S[l]))
            else:
                E_x.append(self._activation(name, l, E_S[l]))
        return ForwardBounds(tuple(map(_known, E_S)), tuple(map(_known, E_x)))

    def _activation(self, name: str, l: int, E: Bounds) -> Bounds:
        """E_x of an elementwise g."""
        S, x, shape = self.S[l], self.outputs(l + 1), SHAPES[name]
        slope = np.abs(reference.DERIVATIVES[name](S))
        near = shape.jump * (np.abs(S) <= 2 * E)
        bent = slope + near + 2 * _curvature(name, S, E) * E
        evaluation = EVALUATION * self.u * shape.value(np.abs(S), x) + self.floor
        return np.asarray(bent * E + evaluation + self._shortcut(name, S, E))

    def _shortcut(self, name: str, S: Bounds, E: Bounds) -> Any:
        """e^−s, what softplus = s leaves out beyond the threshold; its derivative as well."""
        if name != "softplus":
            return 0.0
        return np.where(S + 2 * E > SOFTPLUS_THRESHOLD, np.exp(-np.maximum(S, 0)), 0.0)

    def _softmax(self, E: Bounds) -> Bounds:
        """x e^r (e^r − 1), where e^±r are the factors that x_j can be off by.

        A change of S by E changes ln x_j by 2 max E; each exp errs by its argument's rounding,
        |S_j − m| u, and its own; the same for the sum, weighted by x_k.
        """
        S, x = self.S[-1], self.outputs(len(self.S))
        depth = np.abs(S - S.max(axis=1, keepdims=True))
        mean_depth = (x * depth).sum(axis=1, keepdims=True)
        evaluation = self.gamma(self.n_L) + self.u * (2 * EVALUATION + 2 * depth + 2 * mean_depth)
        r = 2 * E.max(axis=1, keepdims=True) + evaluation
        found: Bounds = x * np.exp(r) * np.expm1(r) + self.floor
        return found

    def derivative(self, l: int, E: Bounds) -> tuple[Bounds, Bounds]:
        """|g′(S)| of layer l, and its E."""
        name, S = self.trace.architecture.activations[l], self.S[l]
        shape, size = SHAPES[name], np.abs(reference.DERIVATIVES[name](S))
        measure = shape.slope(np.abs(S), size)
        error = _curvature(name, S, E) * E + EVALUATION * self.u * measure
        error = error + shape.jump * (np.abs(S) <= 2 * E) + self._shortcut(name, S, E)
        return size, error

    def loss(self, forward: ForwardBounds) -> float:
        """The losses of all examples, added up."""
        trace = self.trace
        assert trace.y is not None  # the caller has a trace with a loss
        x, y, E = trace.x[-1].astype(np.float64), trace.y.astype(np.float64), forward.x[-1]
        name = trace.architecture.loss
        if name in reference.MATCHING_OUTPUT:
            parts = [(y, x)] if name == "cross_entropy" else [(y, x), (1 - y, 1 - x)]
            moved, size = (sum(both) for both in zip(*self._logarithms(parts, E), strict=True))
        else:
            scale = {"half_sse": 0.5, "sse": 1.0, "mse": 1 / self.n_L}[name]
            moved = scale * (2 * np.abs(x - y) * 2 * E + 4 * E**2).sum()
            size = scale * ((np.abs(x - y) + 2 * E) ** 2).sum()
        found = float(_known(moved + self.gamma(self.N * self.n_L + 2) * size))
        return found / (self.N if trace.reduction == "mean" else 1)

    def _logarithms(
        self, parts: list[tuple[Bounds, Bounds]], E: Bounds
    ) -> Iterator[tuple[float, float]]:
        """How far Σ y ln p can move where p moves by 2 E, and its size; 0 ln p is 0."""
        for y, p in parts:
            weight, p, E_p = np.abs(y[y != 0]), p[y != 0], E[y != 0]
            steps = -np.log1p(-np.minimum(2 * E_p / p, 1))
            logarithms = np.abs(np.log(p))
            steps = steps + EVALUATION * self.u * (1 + logarithms)
            yield float((weight * steps).sum()), float((weight * logarithms).sum())

    def backward(self, forward: ForwardBounds) -> GradientBounds:
        """From the last layer to the first."""
        trace = self.trace
        assert trace.delta is not None  # the caller has a trace of backprop
        delta = [np.abs(d.astype(np.float64)) for d in trace.delta]
        E_delta = self._last(forward)
        grad: list[Bounds] = []
        for l in reversed(range(len(self.S))):
            if l < len(self.S) - 1:
                E_delta = self._hidden(l, delta[l + 1], E_delta, forward.S[l])
            grad.insert(0, self._gradient(l, delta[l], E_delta, forward.x[l]))
        kinks = sum(
            int(np.count_nonzero(np.abs(S) <= 2 * E))
            for S, E, g in zip(self.S, forward.S, trace.architecture.activations, strict=True)
            if g != "softmax" and SHAPES[g].jump
        )
        return GradientBounds(tuple(map(_known, grad)), kinks)

    def _last(self, forward: ForwardBounds) -> Bounds:
        """E of δ in the last layer."""
        trace = self.trace
        assert trace.y is not None
        x, E_x = trace.x[-1].astype(np.float64), forward.x[-1]
        y = trace.y.astype(np.float64)
        loss, output = trace.architecture.loss, trace.architecture.activations[-1]
        if loss in reference.MATCHING_OUTPUT:
            error = E_x + self.gamma(self.n_L) * (np.abs(x) + np.abs(y)) + self.floor
            if loss == "cross_entropy":  # some multiply x by the sum of the targets, which is 1
                error = error + np.abs(x) * np.abs(y.sum(axis=1, keepdims=True) - 1)
            return np.asarray(error)
        upstream = np.abs(reference.LOSS_DERIVATIVES[loss](x, y))
        scale = {"half_sse": 1.0, "sse": 2.0, "mse": 2.0 / self.n_L}[loss]
        E_up = scale * E_x + self.gamma(1) * (upstream + 2 * scale * E_x) + self.floor
        if output != "softmax":
            slope, E_slope = self.derivative(len(self.S) - 1, forward.S[-1])
            return self._product(upstream, E_up, slope, E_slope)
        # δ_j = x_j (u_j − Σ_k u_k x_k), all sizes enlarged
        x, upstream = np.abs(x) + 2 * E_x, upstream + 2 * E_up
        inner = upstream + (upstream * x).sum(axis=1, keepdims=True)
        E_inner = E_up + (E_up * x + upstream * E_x).sum(axis=1, keepdims=True)
        return np.asarray(x * E_inner + E_x * inner + 2 * self.gamma(self.n_L) * x * inner)

    def _hidden(self, l: int, above: Bounds, E_above: Bounds, E_S: Bounds) -> Bounds:
        """E of δ in layer l from |δ| and E_δ of the layer above."""
        assert self.trace.delta is not None
        weights = self.W[l + 1][1:]
        signed = self.trace.W[l + 1][1:].astype(np.float64)
        back = np.abs(self.trace.delta[l + 1].astype(np.float64) @ signed.T)
        terms = weights.shape[1]
        E_back = self.gamma(terms) * ((above + 2 * E_above) @ weights.T)
        E_back = E_back + self.passed_on(E_above, weights.T)
        slope, E_slope = self.derivative(l, E_S)
        return self._product(back, E_back + terms * self.floor, slope, E_slope)

    def _product(self, a: Bounds, E_a: Bounds, b: Bounds, E_b: Bounds) -> Bounds:
        """E of the product of two numbers, rounded."""
        large_a, large_b = a + 2 * E_a, b + 2 * E_b
        return large_a * E_b + large_b * E_a + self.gamma(1) * large_a * large_b + self.floor

    def _gradient(self, l: int, delta: Bounds, E_delta: Bounds, E_x: Bounds) -> Bounds:
        """E of ∂f/∂w in layer l; row 0, the biases, has x = 1 exactly."""
        ones, zeros = np.ones((self.N, 1)), np.zeros((self.N, 1))
        x = np.concatenate([ones, self.outputs(l)], axis=1)
        E_x = np.concatenate([zeros, E_x], axis=1)
        large_x, large_delta = x + 2 * E_x, delta + 2 * E_delta
        error = self.gamma(self.N) * (large_x.T @ large_delta)
        error = error + self.passed_on(large_x.T, E_delta) + self.passed_on(E_x.T, large_delta)
        error = error + self.N * self.floor
        divisor = self.N if self.trace.reduction == "mean" else 1
        return np.asarray(error / divisor)
