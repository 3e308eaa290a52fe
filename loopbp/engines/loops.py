"""The textbook loops as an engine, compiled (`textbook`) or not (`python`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..checks import FloatArray
from ..kernels import activation, compile, loss, textbook, update
from ..optimizers import Adam, Optimizer, OptimizerState
from ..workspace import Architecture, Workspace
from .base import Engine
from .tables import ACTIVATIONS, OUTPUT_LOSSES, SUM_LOSSES


class LoopEngine(Engine):
    """The textbook loops, compiled or not."""

    exact = True

    def __init__(self, name: str, *, compiled: bool) -> None:
        self.name = name
        # With NUMBA_DISABLE_JIT=1 a kernel is a plain function from the start.
        self._compiled = compiled and hasattr(textbook.weighted_sum, "py_func")

    def _run(self, loops: Any, *arrays: Any, g: Callable[..., Any] | None = None) -> Any:
        """Calls a kernel; g is its last argument where it has one."""
        if self._compiled:
            return compile.bind(loops, g)(*arrays) if g else loops(*arrays)
        with np.errstate(all="ignore"):  # compiled loops do not warn of overflow either
            functions = (g,) if g else ()
            return compile.uncompiled(loops)(*arrays, *functions)

    def forward(self, net: Architecture, W: Sequence[FloatArray], work: Workspace) -> None:
        for l, name in enumerate(net.activations):
            self._run(textbook.weighted_sum, work.S[l], W[l], work.x[l])
            x = work.outputs(l + 1)
            if name == "softmax":
                self._run(activation.softmax, x, work.S[l])
            else:
                self._run(textbook.output, x, work.S[l], g=ACTIVATIONS[name][0])

    def losses(self, net: Architecture, work: Workspace) -> None:
        if net.loss in SUM_LOSSES:
            self._run(SUM_LOSSES[net.loss][0], work.losses, work.S[-1], work.y)
        else:
            self._run(OUTPUT_LOSSES[net.loss][0], work.losses, work.x[-1], work.y)
        if work.importance is not None:
            self._run(loss.weigh, work.losses[:, None], work.importance)

    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        self._last_delta(net, work)
        if work.importance is not None:
            self._run(loss.weigh, work.delta[-1], work.importance)
        for l in reversed(range(net.L - 1)):
            self._run(
                textbook.hidden_delta,
                work.delta[l],
                work.delta[l + 1],
                W[l + 1][1:],
                work.S[l],
                work.outputs(l + 1),
                g=ACTIVATIONS[net.activations[l]][1],
            )
        for l in range(net.L):
            self._run(
                textbook.weight_gradient, grad[l], work.delta[l], work.x[l], net.dtype.type(divisor)
            )

    def _last_delta(self, net: Architecture, work: Workspace) -> None:
        """δ of the last layer, from the loss and the output activation."""
        delta, x, y = work.delta[-1], work.x[-1], work.y
        if net.loss in SUM_LOSSES:
            self._run(loss.cross_entropy_delta, delta, x, y)
            return
        self._run(OUTPUT_LOSSES[net.loss][1], work.dfdx, x, y)
        if net.activations[-1] == "softmax":
            self._run(activation.softmax_delta, delta, work.dfdx, x)
        else:
            g_prime = ACTIVATIONS[net.activations[-1]][1]
            self._run(textbook.output_delta, delta, work.dfdx, work.S[-1], x, g=g_prime)

    def total_loss(self, losses: FloatArray, divisor: float) -> float:
        return float(self._run(textbook.total_loss, losses, losses.dtype.type(divisor)))

    def step(
        self,
        net: Architecture,
        optimizer: Optimizer,
        w: FloatArray,
        grad: FloatArray,
        state: OptimizerState,
    ) -> None:
        state.advance(optimizer)
        number = w.dtype.type
        if optimizer.weight_decay:
            grad = grad.copy()
            for W, g in zip(net.views(w), net.views(grad), strict=True):
                weights, gradient = W[1:].reshape(-1), g[1:].reshape(-1)  # views
                decay = number(optimizer.weight_decay)
                self._run(update.add_decay, gradient, gradient, weights, decay)
        eta = number(optimizer.eta)
        if isinstance(optimizer, Adam):
            first, second = optimizer.beta1, optimizer.beta2
            betas = (number(beta) for beta in (first, 1 - first, second, 1 - second))
            biases = (number(1 - power) for power in state.powers)
            epsilon = number(optimizer.epsilon)
            self._run(update.adam, w, *state.vectors, grad, eta, *betas, epsilon, *biases)
        elif optimizer.momentum:
            loops = update.nesterov if optimizer.nesterov else update.momentum
            self._run(loops, w, *state.vectors, grad, eta, number(optimizer.momentum))
        else:
            self._run(update.descent, w, grad, eta)
