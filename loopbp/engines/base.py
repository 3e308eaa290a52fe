"""What every engine can do.

An engine works on a `Workspace`, whose arrays the caller owns, and checks nothing: `network` and
`training` have validated everything before they call it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ..checks import FloatArray
from ..kernels import statistics
from ..optimizers import Optimizer, OptimizerState
from ..workspace import Architecture, Descent, Indices, Steps, Workspace


class Engine(ABC):
    """What every engine can do. `exact`: agrees with the textbook loops bit for bit."""

    name: str
    exact: bool

    @abstractmethod
    def forward(self, net: Architecture, W: Sequence[FloatArray], work: Workspace) -> None:
        """Fills work.S and work.x[1:] from work.x[0], the inputs with their constant column."""

    @abstractmethod
    def losses(self, net: Architecture, work: Workspace) -> None:
        """Fills work.losses from the last S or x and work.y."""

    @abstractmethod
    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: int,
    ) -> None:
        """Fills work.delta and grad from what `forward` left; sums over examples / divisor."""

    @abstractmethod
    def total_loss(self, losses: FloatArray, divisor: int) -> float:
        """Σ_n f_n / divisor."""

    @abstractmethod
    def step(
        self,
        net: Architecture,
        optimizer: Optimizer,
        w: FloatArray,
        grad: FloatArray,
        state: OptimizerState,
    ) -> None:
        """One step of the optimiser against grad (P,), with λ w added where the optimiser says so.

        Changes w (P,) and the state in place.
        """

    def gradient(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: int,
    ) -> None:
        """Forward, losses and backward: everything that one batch asks for."""
        self.forward(net, W, work)
        self.losses(net, work)
        self.backward(net, W, work, grad, divisor)

    @np.errstate(all="ignore")
    def descend(self, net: Architecture, descent: Descent, order: Indices) -> Steps:
        """Steps of the optimiser over the examples in `order`, a mini-batch each.

        Changes descent.theta and descent.state in place, and uses descent.grad, which need not be
        filled. A step whose loss is not finite is the last, and changes no weight.
        """
        batches = range(0, len(order), descent.batch_size)
        steps = Steps.allocate(net, len(batches), descent.watch)
        W, grad = net.views(descent.theta), net.views(descent.grad)
        for t, start in enumerate(batches):
            work = descent.load(order[start : start + descent.batch_size])
            examples = len(work.losses)
            self.gradient(net, W, work, grad, examples)
            steps.loss[t] = self.total_loss(work.losses, examples)
            if descent.watch:
                for l in range(net.L):
                    statistics.gradient_statistics(steps.statistics[t, l], grad[l], work.delta[l])
            if not np.isfinite(steps.loss[t]):
                return steps.first(t + 1)
            self.step(net, descent.optimizer, descent.theta, descent.grad, descent.state)
        return steps
