"""The sum over all paths: the derivative as it stands before any factor is given a name.

A path leads from a weight, through one node of every later layer, to the loss; its product is that
of all derivatives along it. Their number is a product of layer sizes, so it is counted without
looking at any; the largest are found by dynamic programming from the loss backward, however many
there are; and all of them are added up where there are no more than `MOST_SUMMED`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..workspace import Architecture
from .names import Place, Symbol
from .steps import Factor
from .values import Example

Floats = NDArray[np.float64]

#: All paths are written out up to this many; beyond, only the `LARGEST` ones.
MOST_SHOWN = 12
LARGEST = 8
#: All paths are added up to this many.
MOST_SUMMED = 10**6
#: Candidates that are looked at together when the largest are searched for.
_AT_ONCE = 2**21


@dataclass(frozen=True)
class Path:
    """One path: the node of each sum on it, its factors from the loss to the weight, its product.

    `nodes` are (layer, node) of the S that it passes, from the weight on; the last entry of a
    path through softmax is (L, k), the output by which it leaves. The product is in float64.
    """

    nodes: tuple[tuple[int, int], ...]
    factors: tuple[Factor, ...]

    @property
    def product(self) -> float:
        """All factors multiplied."""
        return math.prod(float(factor.value) for factor in self.factors)


@dataclass(frozen=True)
class Paths:
    """The paths of one derivative of one example.

    `count` of them; `shown` holds all of them in the order of their nodes if there are at most
    `MOST_SHOWN`, else the largest, the largest first. `total` is the sum over all of them in
    float64, None if there are more than `MOST_SUMMED`; `value` is backpropagation's; they `agree`
    if they differ by no more than rounding can explain, which is `bound`.
    """

    count: int
    shown: tuple[Path, ...]
    total: float | None
    value: float
    bound: float

    @property
    def complete(self) -> bool:
        """Whether every path is shown."""
        return len(self.shown) == self.count

    @property
    def agree(self) -> bool | None:
        """Whether the sum over the paths is the derivative; None where it was not formed."""
        if self.total is None or not (math.isfinite(self.total) and math.isfinite(self.value)):
            return None
        return abs(self.total - self.value) <= self.bound

    def __iter__(self) -> Iterator[Path]:
        return iter(self.shown)

    def __len__(self) -> int:
        return len(self.shown)


@dataclass(frozen=True)
class Work:
    """Multiplications that one derivative costs, and those of all weights of the network.

    The values and slopes of the forward half, and ∂f/∂x, are taken as known. `paths`: every path
    on its own; `backprop`: with δ; `differences`: two forward passes for one weight.
    """

    paths: int
    backprop: int
    all_paths: int
    all_backprop: int
    all_differences: int
    parameters: int


@dataclass(frozen=True)
class _Stage:
    """From the nodes of one layer to those of the next: values (R, C), and what they stand for."""

    values: Floats
    layer: int


def trace_paths(example: Example, place: Place, value: float) -> Paths:
    """All paths from the place to the loss; `value`: the derivative by backpropagation."""
    count = count_paths(example.net, place)
    start, stages, end = _stages(example, place)
    routes: list[tuple[int, ...]]
    if count <= MOST_SHOWN:
        routes = list(itertools.product(*(range(stage.values.shape[1]) for stage in stages)))
    else:
        routes = _largest(stages, end, LARGEST)
    shown = tuple(_path(example, place, stages, route) for route in routes)
    if count > MOST_SUMMED:
        return Paths(count, shown, None, value, math.nan)
    products = _products(start, stages, end)
    finite = np.isfinite(products).all()
    total = math.fsum(products) if finite else float(products.sum())
    return Paths(count, shown, total, value, _bound(example.net, place, products))


def count_paths(net: Architecture, place: Place) -> int:
    """Π n over the layers that a path crosses freely."""
    first = place.l + (1 if place.kind == "x" else 2)
    count = math.prod(net.sizes[first:])
    return count * (net.sizes[-1] if _dense(net) and place.l < net.L else 1)


def work(net: Architecture, place: Place) -> Work:
    """The multiplications of the ways to the derivative at this place."""
    last = net.L - 1
    delta = [_delta_cost(net, m) for m in range(net.L)]
    one = int(place.kind == "w")
    if place.kind == "x":
        one = net.sizes[place.l + 1] if place.l < net.L else 0
        chain = range(place.l, net.L)
    else:
        one += delta[place.l]
        chain = range(place.l + 1, net.L)
    backprop = one + sum(net.sizes[m + 1] * delta[m] for m in chain)
    products = sum(i * j for i, j in itertools.pairwise(net.sizes))
    all_paths, beyond = 0, net.sizes[-1] if _dense(net) else 1
    for l in reversed(range(net.L)):  # beyond: the paths from one node of layer l + 1 on
        per_path = _factors(net, Place("w", l, (1, 1))) - 1
        all_paths += net.sizes[l + 1] * beyond * (net.sizes[l] * per_path + per_path - 1)
        beyond *= net.sizes[l + 1]
    all_backprop = products + sum(net.sizes[m + 1] * delta[m] for m in range(last + 1))
    return Work(
        paths=count_paths(net, place) * max(0, _factors(net, place) - 1),
        backprop=backprop,
        all_paths=all_paths,
        all_backprop=all_backprop,
        all_differences=2 * net.parameters * products,
        parameters=net.parameters,
    )


def _dense(net: Architecture) -> bool:
    return net.activations[-1] == "softmax" and net.loss != "cross_entropy"


def _absorbed(net: Architecture) -> bool:
    return net.loss in ("cross_entropy", "binary_cross_entropy")


def _delta_cost(net: Architecture, m: int) -> int:
    """Multiplications for one δ_j^(m) when those above it are known."""
    if m < net.L - 1:
        return net.sizes[m + 2] + 1
    if _absorbed(net):
        return 0
    return 2 * net.sizes[-1] if _dense(net) else 1


def _factors(net: Architecture, place: Place) -> int:
    """Factors of one path; the constant 1 of a bias is none."""
    if place.kind == "x" and place.l == net.L:
        return 1
    slopes = net.L - place.l - (1 if _absorbed(net) or _dense(net) else 0)
    weights = net.L - 1 - place.l + (place.kind == "x")
    ends = 1 + _dense(net)
    return slopes + weights + ends + (place.kind == "w" and place.indices[0] > 0)


def _stages(example: Example, place: Place) -> tuple[float, list[_Stage], Floats]:
    """The first factor, the stages with slopes folded in, and the last factor of each end node."""
    net, l = example.net, place.l
    start, stages = 1.0, []
    with np.errstate(all="ignore"):
        if place.kind == "x" and l == net.L:
            return float(example.value(Symbol("dfdx", l, place.indices))), [], np.ones(1)
        row: int | None = place.indices[-1] - 1
        if place.kind == "w":
            start = float(example.value(Symbol("x", l, place.indices[:1])))
        if place.kind == "x":
            stages.append(_Stage(_weights(example, l, row) * _slope(example, l), l))
            row = None
        else:
            start *= float(_slope(example, l)[place.indices[-1] - 1])
        for m in range(l + 1, net.L):
            stages.append(_Stage(_weights(example, m, row) * _slope(example, m), m))
            row = None
        if example.dense:
            through = example.jacobian.T.astype(np.float64)  # row j, column k: ∂x_k/∂S_j
            stages.append(_Stage(through if row is None else through[row : row + 1], net.L))
            row = None
        ends = (example.delta(net.L - 1) if example.absorbed else example.dfdx).astype(np.float64)
    return start, stages, ends if row is None else ends[row : row + 1]


def _weights(example: Example, m: int, row: int | None) -> Floats:
    """The weights from the nodes of layer m, or from one of them."""
    W = example.W(m) if row is None else example.W(m)[row : row + 1]
    return W.astype(np.float64)


def _slope(example: Example, m: int) -> Floats:
    """g′(S^(m)); 1 where it belongs to the stage after it, or to the loss."""
    if m == example.net.L - 1 and (example.absorbed or example.dense):
        return np.ones(example.net.sizes[-1])
    return example.slopes(m).astype(np.float64)


def _products(start: float, stages: Sequence[_Stage], end: Floats) -> Floats:
    """The products of all paths, in the order of their nodes."""
    products = np.array([[start]])
    with np.errstate(all="ignore"):
        for stage in stages:
            spread = products[:, :, None] * stage.values[None]
            products = spread.reshape(-1, stage.values.shape[1])
        result: Floats = (products * end).ravel()
    return result


def _largest(stages: Sequence[_Stage], end: Floats, most: int) -> list[tuple[int, ...]]:
    """The routes with the largest |product|: the node of each stage, from 0, the largest first."""
    with np.errstate(divide="ignore"):
        best = np.log(np.abs(end))[:, None]
    choices = []
    for stage in reversed(stages):
        with np.errstate(all="ignore"):
            gains = np.log(np.abs(stage.values))
        rows = max(1, _AT_ONCE // max(1, gains.shape[1] * best.shape[1]))
        parts = [_best(gains[r : r + rows], best, most) for r in range(0, gains.shape[0], rows)]
        best = np.concatenate([part[0] for part in parts])
        choices.append(np.concatenate([part[1] for part in parts]))
    choices.reverse()
    widths = [choice.shape[1] for choice in choices]
    return [_route(choices, widths, place) for place in range(best.shape[1])]


def _best(gains: Floats, best: Floats, most: int) -> tuple[Floats, NDArray[np.int64]]:
    """Of each row the largest gain + best, and where it is in the flattened candidates."""
    with np.errstate(invalid="ignore"):
        candidates = (gains[:, :, None] + best[None]).reshape(len(gains), -1)
    candidates = np.nan_to_num(candidates, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    size = candidates.shape[1]
    if size > most:
        at = np.sort(np.argpartition(-candidates, most - 1, axis=1)[:, :most], axis=1)
    else:
        at = np.broadcast_to(np.arange(size), candidates.shape)
    values = np.take_along_axis(candidates, at, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(at, order, axis=1)


def _route(
    choices: Sequence[NDArray[np.int64]], widths: Sequence[int], place: int
) -> tuple[int, ...]:
    """Follows the choices from the first stage on."""
    node, route = 0, []
    for t, choice in enumerate(choices):
        following = widths[t + 1] if t + 1 < len(widths) else 1
        node, place = divmod(int(choice[node, place]), following)
        route.append(node)
    return tuple(route)


def _path(example: Example, place: Place, stages: Sequence[_Stage], route: tuple[int, ...]) -> Path:
    """The path along this route, with its factors from the loss backward."""
    net = example.net
    nodes = [(stage.layer, node + 1) for stage, node in zip(stages, route, strict=True)]
    start = (place.l, place.indices[-1])
    if place.kind != "x":
        nodes.insert(0, start)
    symbols: list[Symbol] = []
    if place.kind == "w" and place.indices[0] > 0:
        symbols.append(Symbol("x", place.l, place.indices[:1]))
    before = start[1]
    for at, (layer, node) in enumerate(nodes):
        if layer == net.L:
            symbols.append(Symbol("jacobian", net.L - 1, (node, before)))
        else:
            if at or place.kind == "x":
                symbols.append(Symbol("w", layer, (before, node)))
            if layer < net.L - 1 or not (example.absorbed or example.dense):
                symbols.append(Symbol("slope", layer, (node,)))
        before = node
    if example.absorbed and nodes:
        symbols.append(Symbol("delta", net.L - 1, (before,)))
    else:
        symbols.append(Symbol("dfdx", net.L, (before,)))
    factors = tuple(Factor(symbol, example.value(symbol)) for symbol in reversed(symbols))
    return Path(tuple(nodes), factors)


def _bound(net: Architecture, place: Place, products: Floats) -> float:
    """How far rounding can take the derivative from the sum over the paths.

    With u the unit roundoff, m operations on every route and Σ|p| over the paths it is at most
    m u / (1 − m u) Σ|p| (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1);
    the last summand is for products that underflow.
    """
    info = np.finfo(net.dtype)
    u = float(info.eps) / 2
    operations = sum(n + 3 for n in net.sizes[place.l :]) + 2 * _factors(net, place)
    with np.errstate(all="ignore"):
        size = float(np.abs(products).sum())
    share = operations * u
    bound = share / (1 - share) * size if share < 1 else math.inf
    return bound + float(info.smallest_normal)
