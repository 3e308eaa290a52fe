"""The exactness contract written once more, in scalars and lists: what the bits have to be.

Nothing here is an array: a layer is a list of rows, and each number is one np.float32 or
np.float64, whose + − × ÷ round on their own. g and g′ are the package's functions of one number;
every sum, and where it is divided and multiplied, is this module's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from problems import Problem

from loopbp.engines import ACTIVATIONS

Rows = list[list[Any]]


class Quantities(NamedTuple):
    """S, x, δ and ∂f/∂w per layer, as arrays; x without the constant node."""

    S: list[np.ndarray]
    x: list[np.ndarray]
    delta: list[np.ndarray]
    grad: list[np.ndarray]


def ascending_sum(terms: Any) -> Any:
    """Starts from the first term and adds the others one by one."""
    total, *others = terms
    for term in others:
        total = total + term
    return total


def quantities(problem: Problem, reduction: str) -> Quantities:
    """Everything that backpropagation computes for an elementwise output and `sse`."""
    assert problem.loss == "sse" and problem.output != "softmax"
    number = np.dtype(problem.dtype).type
    net = problem.network()
    X, Y = ([list(row) for row in part] for part in problem.data())
    W = [[list(row) for row in weights] for weights in net.W]
    primes = [ACTIVATIONS[name][1] for name in net.activations]
    divisor = number(problem.N if reduction == "mean" else 1)
    with np.errstate(all="ignore"):
        x, S = [X], []
        for w, name in zip(W, net.activations, strict=True):
            S.append([_weighted_sums(w, [number(1), *row]) for row in x[-1]])
            x.append([[ACTIVATIONS[name][0](s) for s in row] for row in S[-1]])
        layers = zip(x[-1], Y, S[-1], strict=True)
        delta = [[_output_delta(*rows, primes[-1]) for rows in layers]]
        for l in reversed(range(net.L - 1)):
            rows = zip(delta[0], S[l], x[l + 1], strict=True)
            delta.insert(0, [_hidden_delta(d, W[l + 1], s, z, primes[l]) for d, s, z in rows])
        grad = [
            _gradient(delta[l], [[number(1), *row] for row in x[l]], divisor) for l in range(net.L)
        ]
    return Quantities(*([np.array(a, number) for a in part] for part in (S, x, delta, grad)))


def _weighted_sums(w: Rows, inputs: list[Any]) -> list[Any]:
    """S_j = Σ_i w_ij x_i for one example, the bias first."""
    nodes = range(len(w[0]))
    return [ascending_sum(w[i][j] * inputs[i] for i in range(len(inputs))) for j in nodes]


def _output_delta(x: list[Any], y: list[Any], S: list[Any], g_prime: Any) -> list[Any]:
    """δ_j = −2 (y_j − x_j) g′(S_j) for one example."""
    return [-type(s)(2) * (t - z) * g_prime(s, z) for z, t, s in zip(x, y, S, strict=True)]


def _hidden_delta(above: list[Any], w: Rows, S: list[Any], x: list[Any], g_prime: Any) -> list[Any]:
    """δ_j = (Σ_k δ_k w_jk) g′(S_j) for one example; row 0 of w, the biases, has no part in it."""
    return [
        ascending_sum(above[k] * w[j + 1][k] for k in range(len(above))) * g_prime(S[j], x[j])
        for j in range(len(S))
    ]


def _gradient(delta: Rows, inputs: Rows, divisor: Any) -> Rows:
    """∂f/∂w_ij = Σ_n δ_j x_i / divisor, with one division at the end."""
    examples, nodes = range(len(delta)), range(len(delta[0]))
    return [
        [ascending_sum(delta[n][j] * inputs[n][i] for n in examples) / divisor for j in nodes]
        for i in range(len(inputs[0]))
    ]
