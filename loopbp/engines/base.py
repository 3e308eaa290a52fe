"""What every engine can do.

An engine works on a `Workspace`, whose arrays the caller owns, and checks nothing: `network` and
`training` have validated everything before they call it, or ask `are_sound` afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from ..checks import FloatArray
from ..optimizers import Optimizer, OptimizerState
from ..workspace import Architecture, Descent, Indices, Steps, Workspace
from .observing import Quantities, observe


def are_sound(S: Sequence[FloatArray]) -> bool:
    """Whether no input and no weight can have been NaN or infinite: less to read than they are.

    S: the sums (N, n_l) of the layers 1 … L, or of the first few. Such an x_i makes every S_j of
    its example NaN or infinite, such a w_ij the S_j of every example. Sums may also have become too
    large without either: False says that inputs and weights must be looked at.
    """
    sums = S[0][:, 0], *(s[0] for s in S)
    return all(np.isfinite(s).all() for s in sums)


class Engine(ABC):
    """What every engine can do. `exact`: agrees with the textbook loops bit for bit."""

    name: str
    exact: bool

    @abstractmethod
    def forward(self, net: Architecture, W: Sequence[FloatArray], work: Workspace) -> None:
        """Fills work.S and work.x[1:] from work.x[0], the inputs with their constant column."""

    @abstractmethod
    def losses(self, net: Architecture, work: Workspace) -> None:
        """Fills work.losses from the last S or x and work.y, and the importance if there is one."""

    @abstractmethod
    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        """Fills work.delta and grad from what `forward` left; sums over examples / divisor.

        With an importance c_n, δ is c_n times that of the example.
        """

    @abstractmethod
    def total_loss(self, losses: FloatArray, divisor: float) -> float:
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

    def predict(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        inputs: FloatArray,
        outputs: FloatArray,
    ) -> bool:
        """Fills outputs, x^(L) (N, n_L), from inputs (N, n_0), without the constant column.

        Returns whether the sums on the way `are_sound`.
        """
        work = Workspace.allocate(net, len(inputs))
        work.x[0][:, 1:] = inputs
        self.forward(net, W, work)
        outputs[...] = work.x[-1]
        return are_sound(work.S)

    def gradient(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        """Forward, losses and backward: everything that one batch asks for."""
        self.forward(net, W, work)
        self.losses(net, work)
        self.backward(net, W, work, grad, divisor)

    def gradient_only(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        inputs: FloatArray,
        targets: FloatArray,
        losses: FloatArray,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> bool:
        """`gradient` without what leads there: fills losses (N,) and grad.

        Read: inputs (N, n_0), without the constant column, and targets (N, n_L). Returns whether
        the sums on the way `are_sound`.
        """
        work = Workspace.allocate(net, len(inputs))
        work.x[0][:, 1:] = inputs
        work.y[...] = targets
        self.gradient(net, W, work, grad, divisor)
        losses[...] = work.losses
        return are_sound(work.S)

    @np.errstate(all="ignore")
    def descend(self, net: Architecture, descent: Descent, order: Indices) -> Steps:
        """Steps of the optimiser over the examples in `order`, a mini-batch each.

        Changes descent.theta, state and observer in place, and uses descent.grad, which need not
        be filled. A step whose loss is not finite is the last, and changes no weight.
        """
        batches = range(0, len(order), descent.batch_size)
        steps, due = Steps.allocate(net, descent, len(batches)), descent.due(len(batches))
        W, grad = net.views(descent.theta), net.views(descent.grad)
        taken, row = descent.state.step, 0
        for t, start in enumerate(batches):
            work = descent.load(order[start : start + descent.batch_size])
            divisor: float = len(work.losses)
            if work.importance is not None:
                divisor = self.total_loss(work.importance, 1)
            self.gradient(net, W, work, grad, divisor)
            steps.loss[t] = self.total_loss(work.losses, divisor)
            finite = np.isfinite(steps.loss[t])
            observer = descent.observer if due[t] or not finite else None
            before = descent.theta if observer is None else descent.theta.copy()
            if finite:
                optimizer = descent.rule(net.dtype.type(divisor))
                self.step(net, optimizer, descent.theta, descent.grad, descent.state)
            if observer is not None and steps.records is not None:
                old, x = net.views(before), work.x[1:]
                found = Quantities(grad, W, old, work.delta, work.S, x)
                observe(steps.records, row, observer, found, net.views(observer.previous))
                row += 1
            if not finite:
                return steps.first(t + 1, taken)
        return steps.first(len(batches), taken)
