"""loopbp itself, through its public interface."""

from __future__ import annotations

import numpy as np

from ...checks import FloatArray
from ...engines import find
from ...network import Gradients, Network
from ...optimizers import SGD
from ...per_example import PerExampleGradients, per_example_gradients
from ..contender import Contender, nothing, timed
from ..workloads import TASKS, Problem


class Engine:
    """One of our exact engines."""

    package = "loopbp"
    imports = ("loopbp.network", "loopbp.training")
    exact = True
    tasks = tuple(TASKS)

    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self, problem: Problem, task: str) -> Contender:
        return {
            "epoch": self._epoch,
            "gradients": self._gradients,
            "forward": self._forward,
            "product": self._product,
            "examples": self._examples,
            "matrix": self._matrix,
        }[task](problem)

    def _epoch(self, problem: Problem) -> Contender:
        """`fit`, by its own clock: the epochs, without the checks of the data before them.

        The other libraries' data has been checked and put in place beforehand as well.
        """
        net = problem.network()

        def reset() -> None:
            net.theta[...] = problem.theta

        def run(calls: int) -> float:
            return net.fit(
                problem.X,
                problem.labels,
                epochs=calls,
                batch_size=problem.workload.batch_size,
                optimizer=SGD(eta=problem.eta),
                shuffle=False,
                engine=self.name,
                progress=False,
            ).seconds

        return Contender(reset, run, net.theta.copy)

    def _gradients(self, problem: Problem) -> Contender:
        net = problem.network()
        found: list[Gradients] = []

        def call() -> None:
            found[:] = [net.gradients(problem.call, problem.call_labels, engine=self.name)]

        def result() -> FloatArray:
            return np.concatenate([g.ravel() for g in found[0].grad])

        return Contender(nothing, timed(call), result)

    def _forward(self, problem: Problem) -> Contender:
        net = problem.network()
        outputs: list[FloatArray] = []

        def call() -> None:
            outputs[:] = [net.predict(problem.call, engine=self.name)]

        return Contender(nothing, timed(call), lambda: outputs[0])

    def _examples(self, problem: Problem) -> Contender:
        """Norms and cosines, which need no entry of a gradient."""
        net = problem.network()
        results: list[tuple[FloatArray, FloatArray]] = []

        def call() -> None:
            found = self._single_gradients(net, problem, len(problem.call))
            results[:] = [(found.norms, found.cosine)]

        def result() -> FloatArray:
            norms, cosine = results[0]
            return np.column_stack([norms, cosine]).astype(problem.dtype)

        return Contender(nothing, timed(call), result)

    def _matrix(self, problem: Problem) -> Contender:
        """All entries, into memory that is used again from call to call."""
        net = problem.network()
        out = np.empty((problem.rows, len(net.theta)), problem.dtype)
        call = timed(lambda: self._single_gradients(net, problem, problem.rows).matrix(out=out))
        return Contender(nothing, call, lambda: out)

    def _single_gradients(
        self, net: Network, problem: Problem, examples: int
    ) -> PerExampleGradients:
        X, labels = problem.call[:examples], problem.call_labels[:examples]
        return per_example_gradients(net, X, labels, engine=self.name, progress=False)

    def _product(self, problem: Problem) -> Contender:
        """The engine's kernel by itself where it gives it away, else a layer of identities.

        A product of BLAS copies its operands into a layout of its own; so may this one, and the
        copying is timed. A network holds its weights in that layout all the time.
        """
        multiply = getattr(find(self.name), "product", None)
        if multiply is None:
            return self._forward(problem)
        X, W = problem.call, problem.network().W[0][1:]
        C = np.empty((len(X), W.shape[1]), problem.dtype)
        return Contender(nothing, timed(lambda: multiply(C, X, W)), C.copy)
