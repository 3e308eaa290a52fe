"""A mistake: one changed line of the derivation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .case import Case

#: Whether a mistake shows from the forward pass on, from δ on, in the gradient or in the update.
FORWARD, BACKWARD, GRADIENT, UPDATE = range(4)


@dataclass(frozen=True)
class Mistake:
    """A wrong line beside the right one, what is wrong with it, and a hint.

    `name` identifies it; `title` is a sentence's beginning; `stage` is one of FORWARD, BACKWARD,
    GRADIENT and UPDATE; `by_layer`, whether it can be made in a single layer only; `also`, other
    lines that it decides beside `line`; `shows_as`, the name of the mistake whose forward pass it
    has, and as which it is told where the backward pass does not show.
    """

    name: str
    title: str
    wrong: str
    right: str
    explanation: str
    hint: str
    stage: int
    line: str
    layers: Callable[[Case], Iterable[int]]
    by_layer: bool = True
    also: tuple[str, ...] = ()
    shows_as: str = ""

    @property
    def lines(self) -> frozenset[str]:
        """The lines that it changes."""
        return frozenset((self.line, *self.also))


class Atom(NamedTuple):
    """A mistake made in one layer."""

    name: str
    layer: int
