"""The NumPy twin as an engine: `numpy`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import reference
from ..checks import FloatArray
from ..optimizers import Adam, Optimizer, OptimizerState
from ..workspace import Architecture, Workspace
from .base import Engine


class NumpyEngine(Engine):
    """The vectorised twin, behind the same interface."""

    name = "numpy"
    exact = False

    @np.errstate(all="ignore")
    def forward(self, net: Architecture, W: Sequence[FloatArray], work: Workspace) -> None:
        S, x = reference.forward(W, work.x[0][:, 1:], net.activations)
        for l in range(net.L):
            work.S[l][...] = S[l]
            work.x[l + 1][...] = x[l + 1]

    @np.errstate(all="ignore")
    def losses(self, net: Architecture, work: Workspace) -> None:
        work.losses[...] = reference.losses(net.loss, work.S[-1], work.x[-1], work.y)
        if work.importance is not None:
            work.losses[...] *= work.importance

    @np.errstate(all="ignore")
    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        delta, sums = reference.backward(
            W, work.S, work.x, work.y, net.activations, net.loss, "sum"
        )
        if work.importance is not None:  # every δ is linear in that of the last layer
            delta = [work.importance[:, None] * d for d in delta]
            sums = [x.T @ d for x, d in zip(work.x[:-1], delta, strict=True)]
        for l in range(net.L):
            work.delta[l][...] = delta[l]
            grad[l][...] = sums[l] / divisor

    @np.errstate(all="ignore")
    def total_loss(self, losses: FloatArray, divisor: float) -> float:
        return float(losses.sum() / divisor)

    @np.errstate(all="ignore")
    def step(
        self,
        net: Architecture,
        optimizer: Optimizer,
        w: FloatArray,
        grad: FloatArray,
        state: OptimizerState,
    ) -> None:
        state.advance(optimizer)
        if optimizer.weight_decay:
            grad = grad.copy()
            for W, g in zip(net.views(w), net.views(grad), strict=True):
                g[1:] += float(optimizer.weight_decay) * W[1:]
        if isinstance(optimizer, Adam):
            m, v = state.vectors
            w[...], m[...], v[...] = reference.adam(
                w,
                grad,
                m,
                v,
                state.step,
                optimizer.eta,
                optimizer.beta1,
                optimizer.beta2,
                optimizer.epsilon,
            )
        else:
            velocity = state.vectors[0] if state.vectors else np.zeros_like(w)
            w[...], velocity[...] = reference.sgd(
                w, grad, velocity, optimizer.eta, optimizer.momentum, optimizer.nesterov
            )
