"""Every mistake of the catalogue, made in an engine: the checks that engines pass must notice.

`Mutant` is an engine that computes as somebody does who made one mistake. It goes through the very
test functions that the engines go through, and one of them has to fail; without a mistake all
pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
import test_engines
import test_hand_computed
from problems import Problem
from students import Results, compute, possible

from loopbp import gradcheck
from loopbp.engines import ENGINES
from loopbp.engines.twin import NumpyEngine
from loopbp.mistakes import CATALOGUE
from loopbp.mistakes.catalogue import BY_NAME, DECAY, FORWARD, UPDATE
from loopbp.workspace import Architecture, Descent, Steps, Workspace

#: Small, with square matrices, and every kind of output and loss.
PROBLEMS = [
    Problem((4, 4, 4, 4), ("sigmoid", "tanh"), "softmax", "cross_entropy", 6, "float64", 1),
    Problem((4, 5, 3), ("relu",), "sigmoid", "binary_cross_entropy", 5, "float64", 2),
    Problem((3, 5, 5, 2), ("tanh", "relu"), "identity", "mse", 4, "float64", 3),
    Problem((3, 4, 4, 4), ("silu", "sigmoid"), "softmax", "sse", 7, "float64", 5),
]


class Mutant(NumpyEngine):
    """The engine of somebody who made this mistake wherever it can be made; None: nobody."""

    name = "mutant"

    def __init__(self, mistake: str | None) -> None:
        self.mistake = mistake

    def _results(
        self,
        net: Architecture,
        W: Sequence[np.ndarray],
        work: Workspace,
        reduction: str = "mean",
        eta: float | None = None,
        weight_decay: float = 0.0,
    ) -> Results:
        """Everything, from the inputs and targets in the workspace."""
        somebody = SimpleNamespace(
            W=W, sizes=net.sizes, L=net.L, activations=net.activations, output=net.activations[-1],
            loss=net.loss, dtype=net.dtype,
        )  # fmt: skip
        X = work.x[0][:, 1:]
        task = {"eta": eta, "reduction": reduction, "weight_decay": weight_decay}
        where = possible(somebody, len(X), **task)
        made = {self.mistake: where[self.mistake]} if self.mistake in where else {}
        return compute(somebody, X, work.y, made, **task)

    def forward(self, net: Architecture, W: Sequence[np.ndarray], work: Workspace) -> None:
        results = self._results(net, W, work)
        for l in range(net.L):
            work.S[l][...] = results.S[l]
            work.outputs(l + 1)[...] = results.x[l + 1]

    def backward(
        self,
        net: Architecture,
        W: Sequence[np.ndarray],
        work: Workspace,
        grad: Sequence[np.ndarray],
        divisor: int,
    ) -> None:
        reduction = "mean" if divisor == len(work.y) else "sum"
        results = self._results(net, W, work, reduction)
        for l in range(net.L):
            work.delta[l][...] = results.delta[l]
            grad[l][0], grad[l][1:] = results.db[l], results.grad[l].T

    def descend(self, net: Architecture, descent: Descent, order: np.ndarray) -> Steps:
        """One plain step over the whole batch, as the check of a step takes it."""
        steps, taken = Steps.allocate(net, descent, 1), descent.state.step
        work, W = descent.load(order), net.views(descent.theta)
        rule = descent.optimizer
        results = self._results(net, W, work, eta=rule.eta, weight_decay=rule.weight_decay)
        self.gradient(net, W, work, net.views(descent.grad), len(work.y))
        steps.loss[0] = self.total_loss(work.losses, len(work.y))
        for w, new, bias in zip(W, results.W_new, results.b_new, strict=True):
            w[0], w[1:] = bias, new.T
        return steps.first(1, taken)


def twin() -> None:
    for problem in PROBLEMS:
        for reduction in ("mean", "sum"):
            test_engines.test_exact_engines_agree_with_the_numpy_twin("mutant", problem, reduction)


def by_hand() -> None:
    test_hand_computed.test_two_two_two("mutant")
    test_hand_computed.test_mean_and_sum_over_two_examples("mutant")
    test_hand_computed.test_softmax_with_cross_entropy("mutant")
    test_hand_computed.test_sigmoid_with_binary_cross_entropy("mutant")
    test_hand_computed.test_softmax_with_squared_error("mutant")


def one_step() -> None:
    test_hand_computed.test_one_step_of_two_two_two("mutant")


def one_decayed_step() -> None:
    test_hand_computed.test_one_step_with_weight_decay("mutant")


def differences() -> None:
    """Without the loss's own engine: the gradient beside differences of the right losses."""
    for problem in PROBLEMS:
        net, (X, Y) = problem.network(), problem.data()
        for reduction in ("mean", "sum"):
            gradient = net.backprop(X, Y, engine="mutant", reduction=reduction).grad
            gradcheck(net, X, Y, gradient=gradient, reduction=reduction).raise_if_failed()


def fails(check: Callable[[], None]) -> bool:
    try:
        check()
    except (AssertionError, ArithmeticError):
        return True
    return False


@pytest.fixture
def mutant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The name of the mistake; an engine that makes it goes by the name `mutant`."""
    monkeypatch.setitem(ENGINES, "mutant", Mutant(request.param))
    return request.param


@pytest.mark.parametrize("mutant", [None], indirect=True)
def test_without_a_mistake_every_check_passes(mutant):
    for check in (twin, by_hand, one_step, one_decayed_step, differences):
        check()


@pytest.mark.parametrize("mutant", [mistake.name for mistake in CATALOGUE], indirect=True)
def test_the_checks_notice_every_mistake(mutant):
    """A wrong δ or gradient beside the twin *and* beside differences; a wrong step by hand.

    Engines add the decay term in the step, as somebody does whose gradient should have it as well.
    """
    stage = BY_NAME[mutant].stage
    if BY_NAME[mutant] in DECAY:
        assert fails(one_decayed_step) == (mutant != "decay-in-step-only")
        return
    if stage == UPDATE or mutant == "updated-while-going-back":
        assert fails(one_step)
        return
    assert fails(twin)
    assert fails(differences)
    if stage != FORWARD:
        net, X = PROBLEMS[0].network(), PROBLEMS[0].data()[0]
        right, wrong = (net.forward(X, engine=engine) for engine in ("numpy", "mutant"))
        assert np.allclose(right.x[-1], wrong.x[-1])


@pytest.mark.parametrize(
    "mutant",
    ["slope-left-out", "transposed-backward", "bias-row-in-delta", "error-swapped",
     "factor-2-too-many", "x-of-next-layer", "sum-instead-of-mean", "bias-gradient-zero",
     "gradient-sign", "softmax-diagonal", "slope-twice", "bias-left-out"],
    indirect=True,
)  # fmt: skip
def test_the_networks_on_paper_notice_it(mutant):
    assert fails(by_hand)
