"""The derivation as arithmetic: steps that give the engine's bits when they are done in order.

A step is Σ (product of the factors of a term), times a factor, divided by a factor. Products are
formed from left to right, terms added from first to last, every operation rounded on its own in
the network's dtype: that is how the textbook loops compute it. A step uses what stands in steps
before it, and leaves: weights, outputs, targets and slopes g′(S).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .names import Place, Symbol
from .values import Example

#: Products that a derivation carries at most; beyond, δ of deeper layers are given as numbers.
MOST_PRODUCTS = 20_000


@dataclass(frozen=True, slots=True)
class Factor:
    """A symbol and its number; `n`: the example that it belongs to, where there are several."""

    symbol: Symbol
    value: Any
    n: int | None = None


Term = tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """symbol = (Σ products of terms) × times ÷ divided_by = value."""

    symbol: Symbol
    n: int | None
    terms: tuple[Term, ...]
    value: Any
    times: Factor | None = None
    divided_by: Factor | None = None

    @property
    def products(self) -> int:
        """How many terms, which is what a derivation's size is counted in."""
        return len(self.terms)


class Builder:
    """The steps of one example."""

    def __init__(self, example: Example, *, numbered: bool = False) -> None:
        self.example = example
        self.n = example.n if numbered else None
        self.net = example.net

    def factor(self, symbol: Symbol) -> Factor:
        """The symbol with its number."""
        return Factor(symbol, self.example.value(symbol), self.n)

    def constant(self, value: float) -> Factor:
        """A number that stands for itself."""
        return Factor(Symbol("number", 0, ()), self.net.dtype.type(value))

    def gradient(self, place: Place) -> Step:
        """∂f/∂w_ij = δ_j x_i of this example."""
        i, j = place.indices
        term = (
            self.factor(Symbol("delta", place.l, (j,))),
            self.factor(Symbol("x", place.l, (i,))),
        )
        return Step(place.symbol, self.n, (term,), term[0].value * term[1].value)

    def wish(self, place: Place) -> Step:
        """∂f/∂x_i = Σ_j δ_j w_ij of a node that is not an output."""
        l, i = place.l, place.indices[0]
        terms = tuple(
            (self.factor(Symbol("delta", l, (j,))), self.factor(Symbol("w", l, (i, j))))
            for j in range(1, self.net.sizes[l + 1] + 1)
        )
        products = [delta.value * w.value for delta, w in terms]
        return Step(Symbol("x", l, (i,)), self.n, terms, ascending_sum(products))

    def delta(self, l: int, j: int) -> Step:
        """δ_j^(l) from what stands above it."""
        symbol = Symbol("delta", l, (j,))
        value = self.example.value(symbol)
        last = self.net.L - 1
        if l < last:
            terms = tuple(
                (self.factor(Symbol("delta", l + 1, (k,))), self.factor(Symbol("w", l + 1, (j, k))))
                for k in range(1, self.net.sizes[l + 2] + 1)
            )
            return Step(symbol, self.n, terms, value, times=self.factor(Symbol("slope", l, (j,))))
        if self.example.absorbed:
            return Step(symbol, self.n, self._difference("x", "y", j), value)
        if self.example.dense:
            terms = tuple(
                (
                    self.factor(Symbol("dfdx", l + 1, (k,))),
                    self.factor(Symbol("jacobian", l, (k, j))),
                )
                for k in range(1, self.net.sizes[-1] + 1)
            )
            return Step(symbol, self.n, terms, value)
        term = (
            self.factor(Symbol("dfdx", l + 1, (j,))),
            self.factor(Symbol("slope", l, (j,))),
        )
        return Step(symbol, self.n, (term,), value)

    def output(self, k: int) -> list[Step]:
        """∂f/∂x_k of an output, preceded by what it is made of."""
        L = self.net.L
        symbol, loss = Symbol("dfdx", L, (k,)), self.net.loss
        value = self.example.value(symbol)
        if loss == "cross_entropy":
            term = (self.factor(Symbol("y", L, (k,), negative=True)),)
            return [Step(symbol, self.n, (term,), value, divided_by=self._x(k))]
        if loss == "binary_cross_entropy":
            spread = self._logistic_spread(k)
            divisor = Factor(spread.symbol, spread.value, self.n)
            difference = self._difference("x", "y", k)
            return [spread, Step(symbol, self.n, difference, value, divided_by=divisor)]
        error = self.factor(Symbol("error", L, (k,)))
        terms = ((self.constant(-1 if loss == "half_sse" else -2), error),)
        divisor_or_none = self.constant(self.net.sizes[-1]) if loss == "mse" else None
        return [
            Step(error.symbol, self.n, self._difference("y", "x", k), error.value),
            Step(symbol, self.n, terms, value, divided_by=divisor_or_none),
        ]

    def softmax(self, k: int, j: int) -> list[Step]:
        """∂x_k/∂S_j = x_k ([k = j] − x_j), preceded by the bracket."""
        l = self.net.L - 1
        switch = self.factor(Symbol("switch", l, (k, j)))
        minus = self.factor(Symbol("x", l + 1, (j,), negative=True))
        jacobian = self.factor(Symbol("jacobian", l, (k, j)))
        bracket = ((self.constant(k == j),), (minus,))
        return [
            Step(switch.symbol, self.n, bracket, switch.value),
            Step(jacobian.symbol, self.n, ((self._x(k), switch),), jacobian.value),
        ]

    def weighted_sum(self, l: int, j: int) -> Step:
        """S_j^(l) = Σ_i w_ij x_i, the forward half."""
        terms = tuple(
            (self.factor(Symbol("w", l, (i, j))), self.factor(Symbol("x", l, (i,))))
            for i in range(self.net.sizes[l] + 1)
        )
        symbol = Symbol("S", l, (j,))
        return Step(symbol, self.n, terms, self.example.value(symbol))

    def layer(self, l: int, nodes: Sequence[int]) -> list[Step]:
        """The steps of δ^(l) at these nodes; in the last layer with all that they stand on."""
        deltas = [self.delta(l, j) for j in nodes]
        if l < self.net.L - 1 or self.example.absorbed:
            return deltas
        outputs = range(1, self.net.sizes[-1] + 1) if self.example.dense else nodes
        below = [self.output(k) for k in outputs]
        if self.example.dense:
            below += [self.softmax(k, j) for j in nodes for k in outputs]
        return [*itertools.chain.from_iterable(below), *deltas]

    def layer_size(self, l: int, nodes: int) -> int:
        """How many products `layer` has, without making them."""
        outputs = self.net.sizes[-1]
        if l < self.net.L - 1:
            return nodes * self.net.sizes[l + 2]
        if self.example.absorbed:
            return 2 * nodes
        return 3 * outputs + 4 * nodes * outputs if self.example.dense else 4 * nodes

    def _x(self, k: int) -> Factor:
        return self.factor(Symbol("x", self.net.L, (k,)))

    def _difference(self, first: str, second: str, k: int) -> tuple[Term, ...]:
        """first_k − second_k."""
        L = self.net.L
        plus, minus = Symbol(first, L, (k,)), Symbol(second, L, (k,), negative=True)
        return ((self.factor(plus),), (self.factor(minus),))

    def _logistic_spread(self, k: int) -> Step:
        """x_k (1 − x_k), what the loss of sigmoid outputs is divided by."""
        x = self._x(k)
        rest = Factor(Symbol("switch", self.net.L - 1, (k, k)), 1 - x.value, self.n)
        symbol = Symbol("slope", self.net.L - 1, (k,))
        return Step(symbol, self.n, ((x, rest),), x.value * rest.value)


@dataclass(frozen=True)
class Arithmetic:
    """Steps in the order in which they are done; the last one is the result.

    `deepest`: the layer down to whose δ everything is spelled out, L for down to the loss;
    `complete`: whether all of it is there; where the examples alone are too many, no step is.
    """

    steps: tuple[Step, ...]
    complete: bool
    deepest: int


def arithmetic(examples: Iterable[Example], place: Place, divisor: int | None) -> Arithmetic:
    """The steps that lead to ∂f/∂ the place.

    divisor None: of one example. Otherwise over all examples: their sum, divided by it.
    """
    builders = [Builder(example, numbered=divisor is not None) for example in examples]
    if divisor is not None and len(builders) > MOST_PRODUCTS:
        return Arithmetic((), False, place.l)
    levels: list[list[Step]] = []
    l, nodes = place.l, [place.indices[-1]]
    first = builders[0]
    if place.kind == "w":
        levels.append([_over_examples(builders, place, divisor)])
    elif place.kind == "x" and l == first.net.L:
        return Arithmetic(tuple(first.output(nodes[0])), True, l)
    elif place.kind == "x":
        levels.append([first.wish(place)])
        nodes = list(range(1, first.net.sizes[l + 1] + 1))
    left = MOST_PRODUCTS - sum(step.products for level in levels for step in level)
    while l < first.net.L:
        left -= len(builders) * first.layer_size(l, len(nodes))
        if left < 0:
            break
        levels.append([step for builder in builders for step in builder.layer(l, nodes)])
        l += 1
        if l < first.net.L:
            nodes = list(range(1, first.net.sizes[l + 1] + 1))
    steps = tuple(itertools.chain.from_iterable(reversed(levels)))
    return Arithmetic(steps, l == first.net.L, l)


def _over_examples(builders: Sequence[Builder], place: Place, divisor: int | None) -> Step:
    """∂f/∂w_ij = Σ_n δ_j x_i / divisor, or of the only example."""
    parts = [builder.gradient(place) for builder in builders]
    if divisor is None:
        return parts[0]
    by = builders[0].constant(divisor)
    total = ascending_sum([part.value for part in parts])
    terms = tuple(part.terms[0] for part in parts)
    return Step(place.symbol, None, terms, total / by.value, divided_by=by)


def ascending_sum(values: Sequence[Any]) -> Any:
    """Starts from the first value and adds the others one by one."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
