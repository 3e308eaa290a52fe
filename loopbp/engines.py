"""Engines: who computes the equations. A name, and the object that does the work.

| name | what it is | exact |
|---|---|---|
| `python` | the textbook functions, not compiled: for the debugger and for proof | yes |
| `textbook` | the same functions, compiled | yes, by definition |
| `numpy` | the vectorised twin in `reference.py` | within tolerance |
| `auto` | the fastest exact engine | yes |

An engine works on a `Workspace`, whose arrays the caller owns, and checks nothing: `network` and
`training` have validated everything before they call it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import reference
from .checks import FloatArray, choice
from .kernels import activation, compile, loss, statistics, textbook, update
from .optimizers import Adam, Optimizer, OptimizerState
from .workspace import Architecture, Descent, Indices, Steps, Workspace

#: g and g′ by name, for the activations that work on one number.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "identity": (activation.identity, activation.identity_prime),
    "sigmoid": (activation.sigmoid, activation.sigmoid_prime),
    "tanh": (activation.tanh, activation.tanh_prime),
    "relu": (activation.relu, activation.relu_prime),
    "leaky_relu": (activation.leaky_relu, activation.leaky_relu_prime),
    "elu": (activation.elu, activation.elu_prime),
    "softplus": (activation.softplus, activation.softplus_prime),
    "silu": (activation.silu, activation.silu_prime),
    "gelu": (activation.gelu, activation.gelu_prime),
    "sin": (activation.sin, activation.sin_prime),
    "cos": (activation.cos, activation.cos_prime),
    "exp": (activation.exp, activation.exp_prime),
}

#: Losses of the outputs x by name: f and ∂f/∂x.
OUTPUT_LOSSES: dict[str, tuple[Any, Any]] = {
    "sse": (loss.sse, loss.sse_prime),
    "half_sse": (loss.half_sse, loss.half_sse_prime),
    "mse": (loss.mse, loss.mse_prime),
}

#: Losses computed from S, by name: f, and the one output activation that they go with.
SUM_LOSSES: dict[str, tuple[Any, str]] = {
    "cross_entropy": (loss.cross_entropy, "softmax"),
    "binary_cross_entropy": (loss.binary_cross_entropy, "sigmoid"),
}


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
        self, optimizer: Optimizer, w: FloatArray, grad: FloatArray, state: OptimizerState
    ) -> None:
        """One step of the optimiser: changes w (P,) and the state in place."""

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

        Changes descent.theta, descent.grad and descent.state in place. Stops after the first
        step whose loss is not finite; what that step did to theta is then meaningless.
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
            self.step(descent.optimizer, descent.theta, descent.grad, descent.state)
        return steps


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

    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: int,
    ) -> None:
        self._last_delta(net, work)
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

    def total_loss(self, losses: FloatArray, divisor: int) -> float:
        return float(self._run(textbook.total_loss, losses, losses.dtype.type(divisor)))

    def step(
        self, optimizer: Optimizer, w: FloatArray, grad: FloatArray, state: OptimizerState
    ) -> None:
        state.advance(optimizer)
        number = w.dtype.type
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

    @np.errstate(all="ignore")
    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: int,
    ) -> None:
        delta, sums = reference.backward(
            W, work.S, work.x, work.y, net.activations, net.loss, "sum"
        )
        for l in range(net.L):
            work.delta[l][...] = delta[l]
            grad[l][...] = sums[l] / divisor

    @np.errstate(all="ignore")
    def total_loss(self, losses: FloatArray, divisor: int) -> float:
        return float(losses.sum() / divisor)

    @np.errstate(all="ignore")
    def step(
        self, optimizer: Optimizer, w: FloatArray, grad: FloatArray, state: OptimizerState
    ) -> None:
        state.advance(optimizer)
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


ENGINES: dict[str, Engine] = {
    "python": LoopEngine("python", compiled=False),
    "textbook": LoopEngine("textbook", compiled=True),
    "numpy": NumpyEngine(),
}
ENGINES["auto"] = ENGINES["textbook"]


def find(name: object) -> Engine:
    """The engine of that name; raises `TypeError` or `ValueError` for anything else."""
    return ENGINES[choice("engine", name, ENGINES)]
