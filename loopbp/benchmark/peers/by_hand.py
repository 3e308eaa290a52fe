"""NumPy, written by hand as one does who knows it: matrix products into arrays made beforehand.

Independent of `loopbp.reference`, which is written to be read. The factor η / N is multiplied
into the last δ, where it costs least.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import FloatArray
from ..contender import AbsentError, Contender, nothing, timed
from ..workloads import NETWORK_TASKS, Problem

InPlace = Callable[[FloatArray], object]
BackInPlace = Callable[[FloatArray, FloatArray, FloatArray], object]


def _sigmoid(x: FloatArray) -> None:
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += 1
    np.reciprocal(x, out=x)


def _sigmoid_back(delta: FloatArray, x: FloatArray, spare: FloatArray) -> None:
    """delta *= x (1 − x)."""
    delta *= x
    np.subtract(1, x, out=spare)
    delta *= spare


def _tanh(x: FloatArray) -> None:
    np.tanh(x, out=x)


def _tanh_back(delta: FloatArray, x: FloatArray, spare: FloatArray) -> None:
    """delta *= 1 − x²."""
    np.multiply(x, x, out=spare)
    np.subtract(1, spare, out=spare)
    delta *= spare


def _relu(x: FloatArray) -> None:
    np.maximum(x, 0, out=x)


def _relu_back(delta: FloatArray, x: FloatArray, spare: FloatArray) -> None:
    """delta *= [x > 0]."""
    np.greater(x, 0, out=spare)
    delta *= spare


ACTIVATIONS: dict[str, tuple[InPlace, BackInPlace]] = {
    "sigmoid": (_sigmoid, _sigmoid_back),
    "tanh": (_tanh, _tanh_back),
    "relu": (_relu, _relu_back),
}


class _Net:
    """Weights (n_l, n_{l+1}) and biases (n_{l+1},), and the arrays for `examples` examples."""

    def __init__(self, problem: Problem, examples: int) -> None:
        self.problem = problem
        sizes, dtype = problem.workload.sizes, problem.dtype
        self.g, self.back = ACTIVATIONS[problem.workload.hidden]
        shapes = list(itertools.pairwise(sizes))
        self.W: list[FloatArray] = [np.empty(shape, dtype) for shape in shapes]
        self.b: list[FloatArray] = [np.empty(shape[1], dtype) for shape in shapes]
        self.dW: list[FloatArray] = [np.empty(shape, dtype) for shape in shapes]
        self.db: list[FloatArray] = [np.empty(shape[1], dtype) for shape in shapes]
        self.x: list[FloatArray] = [np.empty((examples, n), dtype) for n in sizes[1:]]
        self.delta: list[FloatArray] = [np.empty((examples, n), dtype) for n in sizes[1:]]
        self.spare: list[FloatArray] = [np.empty((examples, n), dtype) for n in sizes[1:]]
        self.rows = np.arange(examples)
        self.reset()

    def reset(self) -> None:
        """Back to the initial weights."""
        for layer, W, b in zip(
            self.problem.layers(self.problem.theta), self.W, self.b, strict=True
        ):
            W[...], b[...] = layer[1:], layer[0]

    def forward(self, X: FloatArray) -> FloatArray:
        """The outputs of the softmax."""
        below = X
        for W, b, x in zip(self.W, self.b, self.x, strict=True):
            np.matmul(below, W, out=x)
            x += b
            if x is not self.x[-1]:
                self.g(x)
            below = x
        out = self.x[-1]
        out -= out.max(axis=1, keepdims=True)
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
        return out

    def gradients(self, X: FloatArray, labels: NDArray[Any], factor: float) -> None:
        """dW and db: the gradient of the summed cross-entropy, times a factor."""
        out = self.forward(X)
        delta = self.delta[-1]
        delta[...] = out
        delta[self.rows, labels] -= 1
        delta *= factor
        for l in reversed(range(len(self.W))):
            delta = self.delta[l]
            np.matmul((self.x[l - 1] if l else X).T, delta, out=self.dW[l])
            np.sum(delta, axis=0, out=self.db[l])
            if l:
                np.matmul(delta, self.W[l].T, out=self.delta[l - 1])
                self.back(self.delta[l - 1], self.x[l - 1], self.spare[l - 1])

    def epoch(self) -> None:
        """A step for every batch, in order."""
        X, labels = self.problem.X, self.problem.labels
        size = self.problem.workload.batch_size
        for start in range(0, len(X), size):
            part = slice(start, start + size)
            self.gradients(X[part], labels[part], self.problem.eta / size)
            for W, b, dW, db in zip(self.W, self.b, self.dW, self.db, strict=True):
                W -= dW
                b -= db


class ByHand:
    """NumPy by hand."""

    name = "numpy"
    package = "numpy"
    imports = ("numpy",)
    exact = False
    tasks = (*NETWORK_TASKS, "product")

    def prepare(self, problem: Problem, task: str) -> Contender:
        if task == "product":
            return _product(problem)
        if problem.workload.hidden not in ACTIVATIONS:
            raise AbsentError(f"not written for {problem.workload.hidden}")
        if task == "epoch":
            net = _Net(problem, problem.workload.batch_size)
            return Contender(
                net.reset, timed(_quiet(net.epoch)), lambda: problem.flat(net.W, net.b)
            )
        X, labels = problem.call, problem.call_labels
        net = _Net(problem, len(X))
        if task == "forward":
            call = _quiet(lambda: net.forward(X))
            return Contender(nothing, timed(call), net.x[-1].copy)
        call = _quiet(lambda: net.gradients(X, labels, 1 / len(X)))
        return Contender(nothing, timed(call), lambda: problem.flat(net.dW, net.db))


def _product(problem: Problem) -> Contender:
    """The BLAS's own product."""
    X, W = problem.call, problem.network().W[0][1:]
    C = np.empty((len(X), W.shape[1]), problem.dtype)
    return Contender(nothing, timed(lambda: np.matmul(X, W, out=C)), C.copy)


def _quiet(call: Callable[[], object]) -> Callable[[], None]:
    """`call` without warnings: e^−S may overflow to ∞, whose inverse is the right 0."""

    def quiet() -> None:
        with np.errstate(over="ignore"):
            call()

    return quiet
