"""What decides which mistakes are possible, and in which layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...reference import MATCHING_OUTPUT

#: Activations whose g′ has a formula by x.
BY_X = ("sigmoid", "tanh", "exp")


@dataclass(frozen=True)
class Case:
    """What decides which mistakes are possible: the network, the batch, and what is known."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    reduction: str
    N: int
    has_eta: bool
    has_decay: bool = False

    @property
    def L(self) -> int:
        """The number of layers of weights."""
        return len(self.sizes) - 1

    @property
    def last(self) -> int:
        """The last layer of weights."""
        return self.L - 1

    @property
    def absorbed(self) -> bool:
        """Whether the loss has absorbed the last layer's g′, so that δ = x − y."""
        return self.loss in MATCHING_OUTPUT

    @property
    def softmax(self) -> bool:
        """Whether the outputs are a softmax."""
        return self.activations[-1] == "softmax"

    @property
    def mean(self) -> bool:
        """Whether the gradient of the batch is the mean over the examples."""
        return self.reduction == "mean"

    @property
    def every(self) -> range:
        """All layers of weights."""
        return range(self.L)

    @property
    def hidden(self) -> range:
        """The layers whose δ is a sum over the layer above."""
        return range(self.L - 1)

    def sloped(self, *without: str) -> list[int]:
        """Layers in which δ is multiplied by g′ of one number, but for these activations."""
        layers = self.hidden if self.absorbed or self.softmax else self.every
        return [l for l in layers if self.activations[l] not in without]

    def sloped_by_x(self, *without: str) -> list[int]:
        """Those of them whose g′ has a formula by x."""
        return [l for l in self.sloped(*without) if self.activations[l] in BY_X]


def called(activation: str) -> str:
    """The activation in a sentence."""
    return {"sigmoid": "the sigmoid", "relu": "ReLU"}.get(activation, activation)


def same_size(case: Case, l: int, other: int) -> bool:
    """Whether two layers of nodes have one size."""
    sizes = case.sizes
    return 0 <= l < len(sizes) and 0 <= other < len(sizes) and sizes[l] == sizes[other]


def on_last(condition: Callable[[Case], bool]) -> Callable[[Case], Iterable[int]]:
    """The last layer, on a condition."""
    return lambda case: [case.last] if condition(case) else []


def on_every(condition: Callable[[Case], bool] = lambda case: True) -> Callable[[Case], range]:
    """All layers, on a condition."""
    return lambda case: case.every if condition(case) else range(0)


def square(case: Case, l: int) -> bool:
    """Whether the weights of layer l, without the biases, are a square matrix."""
    return case.sizes[l] == case.sizes[l + 1] > 1
