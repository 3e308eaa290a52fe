"""What somebody is given who computes a network's gradients, and what there is to compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .catalogue import Case
from .rounding import Arithmetic, Bounded


class Quantity(NamedTuple):
    """S^(l), x^(l), δ^(l), the gradient or the new weights of a layer.

    few: of gradients and new weights, only the rows that `Student.few` names.
    """

    kind: str
    l: int
    few: bool = False


@dataclass(frozen=True)
class Problem:
    """What is given: W[l] (n_l + 1, n_{l+1}), x (N, n_0), y (N, n_L), η if it is known, and λ."""

    case: Case
    W: Sequence[Bounded]
    x: Bounded
    y: Bounded
    eta: float | None
    weight_decay: float = 0.0

    def order(self) -> list[Quantity]:
        """All quantities in the order in which they are computed."""
        L = self.case.L
        forward = [Quantity(kind, l + (kind == "x")) for l in range(L) for kind in ("S", "x")]
        back = [Quantity(kind, l) for l in reversed(range(L)) for kind in ("delta", "grad")]
        steps = [Quantity("W_new", l) for l in reversed(range(L))] if self.eta is not None else []
        return [Quantity("x", 0), *forward, *back, *steps]


def bounded_problem(
    case: Case,
    W: Sequence[np.ndarray],
    x: tuple[np.ndarray, np.ndarray],
    y: tuple[np.ndarray, np.ndarray],
    eta: float | None,
    arithmetic: Arithmetic,
    *,
    weight_decay: float,
    coarse: bool,
) -> Problem:
    """The problem as somebody has it whose arithmetic this is.

    x and y come as they were given and as the network rounds them. coarse: the numbers had to be
    rounded to a dtype that has fewer digits than the network.
    """

    def given(exact: np.ndarray, rounded: np.ndarray) -> Bounded:
        values = exact.astype(np.float64)
        return arithmetic.input(values, np.abs(values - rounded), coarse)

    return Problem(case, [given(w, w) for w in W], given(*x), given(*y), eta, weight_decay)
