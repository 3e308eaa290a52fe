"""What is derived: a place in a network, an example or all of them, and a notation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..trace import Trace
from ..workspace import Architecture
from .names import Place, Symbol
from .notation import Notation
from .paths import Paths, trace_paths
from .spelling import Piece
from .steps import Builder
from .values import Example


@dataclass(frozen=True, eq=False)
class Subject:
    """∂f/∂ the place. `n`: the example, or None for all of them together."""

    trace: Trace
    place: Place
    n: int | None
    notation: Notation
    #: What the reader calls the trace's example 0.
    first: int = 0

    @property
    def number(self) -> int | None:
        """The example as the reader counts it; None for all of them."""
        return None if self.n is None else self.first + self.n

    @property
    def which(self) -> str:
        """The example or examples, in words."""
        if self.n is not None:
            return f"example {self.number}"
        examples = "1 example" if self.examples == 1 else f"{self.examples:,} examples"
        return f"{self.trace.reduction} over {examples}"

    @property
    def net(self) -> Architecture:
        """Sizes, activations, loss, dtype."""
        return self.trace.architecture

    @property
    def examples(self) -> int:
        """How many examples the trace has."""
        return len(self.trace.x[0])

    @property
    def divisor(self) -> int | None:
        """What the sum over the examples is divided by; None for a single example."""
        if self.n is not None:
            return None
        return self.examples if self.trace.reduction == "mean" else 1

    @cached_property
    def products(self) -> list[float]:
        """δ_j x_i of every example, whose sum over the examples is divided (weights only)."""
        l, (i, j) = self.place.l, self.place.indices
        assert self.trace.delta is not None
        return [float(p) for p in self.trace.delta[l][:, j - 1] * self.trace.x[l][:, i]]

    @cached_property
    def example(self) -> Example:
        """The example whose numbers are shown: the one that contributes most."""
        if self.n is not None:
            return Example(self.trace, self.n)
        sizes = [abs(product) for product in self.products]
        return Example(self.trace, sizes.index(max(sizes)) if max(sizes) > 0 else 0)

    @cached_property
    def value(self) -> float:
        """∂f/∂ the place, the engine's number."""
        if self.n is None:
            assert self.trace.grad is not None
            i, j = self.place.indices
            return float(self.trace.grad[self.place.l][i, j - 1])
        return self.example_value

    @cached_property
    def example_value(self) -> float:
        """The same for the shown example alone."""
        kind, l, at = self.place
        builder = Builder(self.example)
        if kind == "w":
            return float(builder.gradient(self.place).value)
        if kind == "x" and l < self.net.L:
            return float(builder.wish(self.place).value)
        if kind == "x":
            return float(self.example.value(Symbol("dfdx", l, at)))
        return float(self.example.value(Symbol("delta", l, at)))

    @cached_property
    def own_value(self) -> float:
        """The weight, sum, output or δ itself, in the shown example."""
        return float(self.example.value(self.place.symbol))

    @cached_property
    def paths(self) -> Paths:
        """The paths of the shown example."""
        return trace_paths(self.example, self.place, self.example_value)

    @property
    def name(self) -> Piece:
        """The place in the reader's notation."""
        return self.notation.spell(self.place.symbol)

    @property
    def derivative(self) -> Piece:
        """∂f/∂ the place in the reader's notation."""
        return self.notation.derivative(self.place.symbol)
