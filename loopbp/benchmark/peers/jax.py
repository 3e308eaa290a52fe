"""JAX: the whole epoch as one jitted call, a `lax.scan` over the batches, weights donated."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...checks import FloatArray
from ..contender import AbsentError, Contender, nothing, timed
from ..workloads import NETWORK_TASKS, Problem


class Jax:
    """JAX on the processor."""

    name = "jax"
    package = "jax"
    imports = ("jax", "jax.numpy")
    exact = False
    tasks = NETWORK_TASKS

    def prepare(self, problem: Problem, task: str) -> Contender:
        try:
            import jax
        except ImportError as missing:
            raise AbsentError(f"not installed ({missing})") from None
        if not hasattr(_Model, problem.workload.hidden):
            raise AbsentError(f"not written for {problem.workload.hidden}")
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", problem.dtype == np.float64)
        model = _Model(jax, problem)
        return {"epoch": model.epoch, "gradients": model.gradients, "forward": model.forward}[
            task
        ]()


class _Model:
    """The network as functions of its parameters, a list of pairs W (n_l, n_{l+1}) and b."""

    def __init__(self, jax: Any, problem: Problem) -> None:
        self.jax, self.np, self.problem = jax, jax.numpy, problem
        self.g = getattr(self, problem.workload.hidden)

    def sigmoid(self, S: Any) -> Any:
        return self.jax.nn.sigmoid(S)

    def tanh(self, S: Any) -> Any:
        return self.np.tanh(S)

    def relu(self, S: Any) -> Any:
        return self.jax.nn.relu(S)

    def start(self) -> Any:
        """The initial parameters, in place and ready."""
        layers = self.problem.layers(self.problem.theta)
        pairs = [(self.np.array(W[1:]), self.np.array(W[0])) for W in layers]
        return self.jax.block_until_ready(pairs)

    def flat(self, parameters: Any) -> FloatArray:
        """The parameters as one vector, ordered as theta."""
        weights, biases = zip(*parameters, strict=True)
        return self.problem.flat(weights, biases)

    def sums(self, parameters: Any, x: Any) -> Any:
        """S of the last layer."""
        for W, b in parameters[:-1]:
            x = self.g(x @ W + b)
        W, b = parameters[-1]
        return x @ W + b

    def loss(self, parameters: Any, x: Any, y: Any) -> Any:
        """The mean cross-entropy."""
        logarithms = self.jax.nn.log_softmax(self.sums(parameters, x))
        return -self.np.mean(self.np.sum(y * logarithms, axis=1))

    def one_hot(self, labels: Any) -> Any:
        """Rows with a single 1."""
        outputs = self.problem.workload.sizes[-1]
        return self.jax.nn.one_hot(labels, outputs, dtype=self.problem.dtype)

    def epoch(self) -> Contender:
        """All steps in one call."""
        jax, problem = self.jax, self.problem
        shape = (-1, problem.workload.batch_size)
        X = self.np.array(problem.X).reshape(*shape, problem.X.shape[1])
        Y = self.one_hot(problem.labels).reshape(*shape, problem.workload.sizes[-1])

        def step(parameters: Any, batch: Any) -> Any:
            grad = jax.grad(self.loss)(parameters, *batch)
            return jax.tree.map(lambda w, g: w - problem.eta * g, parameters, grad), None

        def steps(parameters: Any, X: Any, Y: Any) -> Any:
            return jax.lax.scan(step, parameters, (X, Y))[0]

        train = jax.jit(steps, donate_argnums=0)
        state = [self.start()]

        def reset() -> None:
            state[0] = self.start()

        def call() -> None:
            state[0] = jax.block_until_ready(train(state[0], X, Y))

        return Contender(reset, timed(call), lambda: self.flat(state[0]))

    def gradients(self) -> Contender:
        """The gradient of the mean loss, jitted."""
        X, Y = self.np.array(self.problem.call), self.one_hot(self.problem.call_labels)
        return self._call(self.jax.grad(self.loss), (X, Y), self.flat)

    def forward(self) -> Contender:
        """The outputs, jitted."""

        def outputs(parameters: Any, X: Any) -> Any:
            return self.jax.nn.softmax(self.sums(parameters, X))

        return self._call(outputs, (self.np.array(self.problem.call),), np.asarray)

    def _call(self, function: Any, data: tuple[Any, ...], result: Any) -> Contender:
        """A jitted function of the initial parameters and some data."""
        compiled, parameters = self.jax.jit(function), self.start()
        kept: list[Any] = []

        def call() -> None:
            kept[:] = [self.jax.block_until_ready(compiled(parameters, *data))]

        return Contender(nothing, timed(call), lambda: result(kept[0]))
