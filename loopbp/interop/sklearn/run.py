"""Epochs of descent that an estimator can end, judge, and take up again.

`Network.fit` starts its optimiser anew in every call. An estimator asks after every epoch whether
to go on, at which learning rate, and goes on from the same velocities in `partial_fit`: so it
holds the optimiser itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import FloatArray
from ...engines import find
from ...network import Network
from ...optimizers import SGD, Optimizer, OptimizerState
from ...workspace import Descent, Indices, Workspace


@dataclass
class Stepper:
    """An optimiser between two epochs: its numbers, and what it carries from step to step."""

    optimizer: Optimizer
    state: OptimizerState

    @classmethod
    def start(cls, optimizer: Optimizer, theta: FloatArray) -> Stepper:
        """The optimiser before its first step on theta (P,)."""
        return cls(optimizer, OptimizerState.start(optimizer, theta))

    @property
    def eta(self) -> float:
        """The present learning rate."""
        return self.optimizer.eta

    @eta.setter
    def eta(self, eta: float) -> None:
        """Goes on at another learning rate, with steps of the same velocity η v as before.

        So scikit-learn does, whose velocity is what has been subtracted: V ← μ V + η g, w ← w − V.
        """
        if isinstance(self.optimizer, SGD):
            for v in self.state.vectors:
                v *= v.dtype.type(self.optimizer.eta / eta)
        self.optimizer = replace(self.optimizer, eta=eta)


class Run:
    """Descent on Σ_n c_n f_n / Σ_n c_n + α/2 Σ w² / Σ_n c_n over mini-batches, epoch by epoch.

    net : Network, whose weights are modified in place; X (·, n_0), Y (·, n_L) and importance (·,),
    the c_n ≥ 0, of its dtype, or None where all are 1; stepper, modified in place; alpha, α ≥ 0.
    Biases are not in Σ w².
    """

    def __init__(
        self,
        net: Network,
        stepper: Stepper,
        X: FloatArray,
        Y: FloatArray,
        importance: FloatArray | None,
        batch_size: int,
        alpha: float,
    ) -> None:
        self._net, self._stepper, self._alpha = net, stepper, alpha
        self._engine = find("auto")
        vectors = (np.require(v, requirements="W") for v in stepper.state.vectors)
        stepper.state.vectors = tuple(vectors)  # read-only in an estimator on a file in memory
        self._descent = Descent(
            theta=net.theta,
            grad=np.empty_like(net.theta),
            inputs=X,
            targets=Y,
            work=Workspace.allocate(net.architecture, batch_size, weighted=importance is not None),
            batch_size=batch_size,
            optimizer=stepper.optimizer,
            state=stepper.state,
            importance=importance,
            penalty=alpha,
        )
        self._squares = self._sum_of_squares()

    @np.errstate(all="ignore")
    def epoch(self, order: Indices) -> tuple[float, float]:
        """The steps of one pass over the examples in `order`; returns the means of both terms.

        They are means over the steps, weighted by their numbers of examples, of the two terms
        before the step. Σ w² is taken before the first and after the last step and drawn as a line
        in between, which is exact for one step. The first term is not finite if that of a step was
        not, which is then not taken. Raises `ValueError` where no example of a mini-batch counts.
        """
        starts = np.arange(0, len(order), self._descent.batch_size)
        counts = np.diff(starts, append=len(order))
        sums = self._sums(order, starts, counts)
        before = self._squares
        self._descent.optimizer = self._stepper.optimizer
        loss = self._engine.descend(self._net.architecture, self._descent, order).loss
        if not np.isfinite(loss[-1]):
            return float(loss[-1]), 0.0
        total = float((loss * counts).sum())
        self._squares, steps = self._sum_of_squares(), len(starts)
        squares = before + (self._squares - before) * np.arange(steps) / steps
        penalty = float((squares * counts / sums).sum())
        return total / len(order), self._alpha / 2 * penalty / len(order)

    def _sums(self, order: Indices, starts: Indices, counts: Indices) -> NDArray[Any]:
        """Σ_n c_n of each mini-batch, which begins at `starts` in `order`."""
        if self._descent.importance is None:
            return counts
        sums: FloatArray = np.add.reduceat(self._descent.importance[order], starts)
        if sums.min() == 0:
            raise ValueError(
                "sample_weight: expected a number > 0 in every mini-batch; got one of "
                f"{counts[sums.argmin()]} examples with zeros only (leave out examples that do not "
                "count, or take a larger batch_size)"
            )
        return sums

    def _sum_of_squares(self) -> float:
        """Σ w² without the biases, added up in float64 and in order; 0 where nobody needs it."""
        if not self._alpha:
            return 0.0
        flat = (W[1:].reshape(-1).astype(np.float64) for W in self._net.W)
        return sum(self._engine.total_loss(w * w, 1) for w in flat)
