"""Checks, networks and gradients that the tests of the gradient check share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from problems import Problem

from loopbp.gradcheck import GradientCheck, gradcheck
from loopbp.network import Network

#: Most tests are about the check and not about the loops, so they take the fastest for tiny work.
ENGINE = "numpy"


def check(net: Network, X: Any, Y: Any, **options: Any) -> GradientCheck:
    """A gradient check by the NumPy twin, unless told otherwise."""
    return gradcheck(net, X, Y, **{"engine": ENGINE, "progress": False, **options})


def problem(hidden: str = "sigmoid", depth: int = 3, *, N: int = 5, **names: Any) -> Problem:
    """A problem with `depth` layers of weights."""
    names = {"output": "softmax", "loss": "cross_entropy", "dtype": "float64", "seed": 3, **names}
    return Problem((*(3, 4, 3, 4, 3)[:depth], 3), (hidden,) * (depth - 1), N=N, **names)


def right(net: Network, X: Any, Y: Any, reduction: str = "mean") -> list[np.ndarray]:
    """The gradient by the NumPy twin's matrix products, one new array per layer."""
    trace = net.backprop(X, Y, engine="numpy", reduction=reduction)
    assert trace.grad is not None
    return [block.copy() for block in trace.grad]


def statuses(result: GradientCheck) -> set[tuple[int, int, int, str]]:
    """(layer, i, j, status) of every entry."""
    columns = (result.layer, result.i, result.j, result.status)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def toy() -> tuple[Network, list[float]]:
    """f3 = β3 + ω3 cos(β2 + ω2 exp(β1 + ω1 sin(β0 + ω0 x))), ℓ = (f3 − y)²; x = 0.7, y = 0.5.

    The network, and the eight derivatives ∂ℓ/∂β0, ∂ℓ/∂ω0, …, ∂ℓ/∂ω3 as products of the chain.
    """
    b0, w0, b1, w1, b2, w2, b3, w3 = theta = [0.3, -1.1, 0.2, 0.8, -0.4, 0.6, 0.1, 1.7]
    x, y = 0.7, 0.5
    f0 = b0 + w0 * x
    f1 = b1 + w1 * math.sin(f0)
    f2 = b2 + w2 * math.exp(f1)
    f3 = b3 + w3 * math.cos(f2)
    d3 = 2 * (f3 - y)
    d2 = d3 * w3 * -math.sin(f2)
    d1 = d2 * w2 * math.exp(f1)
    d0 = d1 * w1 * math.cos(f0)
    net = Network([1, 1, 1, 1, 1], ["sin", "exp", "cos"], "identity", "sse", init=theta)
    by_hand = [d0, d0 * x, d1, d1 * math.sin(f0), d2, d2 * math.exp(f1), d3, d3 * math.cos(f2)]
    return net, by_hand


def faulty(net: Network, X: Any, Y: Any, wrong: Any) -> GradientCheck:
    """The check of a wrong gradient; it must fail."""
    result = check(net, X, Y, gradient=wrong)
    assert not result.passed
    assert result.worst is not None
    return result


BIG = Network([30, 40, 50, 3], hidden="tanh", seed=2)
BIG_X = np.random.default_rng(5).uniform(-1, 1, (2, 30))
BIG_Y = [0, 2]
