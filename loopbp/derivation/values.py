"""The numbers of one example that a derivation is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..checks import FloatArray
from ..engines import ACTIVATIONS, SUM_LOSSES
from ..kernels import compile, textbook
from ..trace import Trace
from ..workspace import Architecture
from .names import Symbol


@dataclass(frozen=True, eq=False)
class Example:
    """Example n of a trace of `backprop`; every number has the network's dtype."""

    trace: Trace
    n: int

    @property
    def net(self) -> Architecture:
        """Sizes, activations, loss, dtype."""
        return self.trace.architecture

    @property
    def absorbed(self) -> bool:
        """Whether the loss and the output's activation are differentiated in one step."""
        return self.net.loss in SUM_LOSSES

    @property
    def dense(self) -> bool:
        """Whether ∂x_k/∂S_j of the outputs is needed for k ≠ j: softmax, not absorbed."""
        return self.net.activations[-1] == "softmax" and not self.absorbed

    def value(self, symbol: Symbol) -> Any:
        """The number that a symbol stands for, a NumPy scalar of the network's dtype."""
        value = self._value(symbol)
        return -value if symbol.negative else value

    def _value(self, symbol: Symbol) -> Any:
        kind, l, at, _ = symbol
        assert isinstance(l, int)
        node = at[-1]
        assert isinstance(node, int)
        if kind == "w":
            return self.trace.W[l][int(at[0]), node - 1]
        if kind == "x":
            return self.x(l)[node - 1] if node else self.net.dtype.type(1)
        if kind == "jacobian":
            return self.jacobian[int(at[0]) - 1, node - 1]
        if kind == "switch":
            return self.net.dtype.type(at[0] == node) - self.x(l + 1)[node - 1]
        if kind == "error":
            return self.y[node - 1] - self.x(l)[node - 1]
        vectors = {"S": self.S, "delta": self.delta, "slope": self.slopes}
        if kind in vectors:
            return vectors[kind](l)[node - 1]
        last = self.dfdx if kind == "dfdx" else self.y
        return last[node - 1]

    def S(self, l: int) -> FloatArray:
        """S^(l), (n_{l+1},)."""
        row: FloatArray = self.trace.S[l][self.n]
        return row

    def x(self, l: int) -> FloatArray:
        """x^(l) without the constant node, (n_l,)."""
        row: FloatArray = self.trace.x[l][self.n]
        return row if l == self.net.L else row[1:]

    def delta(self, l: int) -> FloatArray:
        """δ^(l), (n_{l+1},)."""
        assert self.trace.delta is not None
        row: FloatArray = self.trace.delta[l][self.n]
        return row

    def W(self, l: int) -> FloatArray:
        """The weights without the biases, (n_l, n_{l+1}): row i − 1, column j − 1 holds w_ij."""
        return self.trace.W[l][1:]

    @property
    def y(self) -> FloatArray:
        """The targets, (n_L,)."""
        assert self.trace.y is not None
        row: FloatArray = self.trace.y[self.n]
        return row

    @cached_property
    def _slopes(self) -> dict[int, FloatArray]:
        return {}

    def slopes(self, l: int) -> FloatArray:
        """g′(S^(l)), (n_{l+1},), as the engine computes it; not for softmax."""
        if l not in self._slopes:
            S, x = self.S(l)[None], self.x(l + 1)[None]
            slopes = np.empty_like(S)
            g_prime = ACTIVATIONS[self.net.activations[l]][1]
            with np.errstate(all="ignore"):  # 1 · g′(S) is g′(S)
                compile.bind(textbook.output_delta, g_prime)(slopes, np.ones_like(S), S, x)
            self._slopes[l] = slopes[0]
        return self._slopes[l]

    @cached_property
    def dfdx(self) -> FloatArray:
        """∂f/∂x_k of the outputs, (n_L,); not what δ is computed from where that is absorbed."""
        x, y = self.x(self.net.L), self.y
        with np.errstate(all="ignore"):
            error = y - x
            slopes: dict[str, FloatArray] = {
                "sse": -2 * error,
                "half_sse": -error,
                "mse": -2 * error / len(x),
                "cross_entropy": -y / x,
                "binary_cross_entropy": (x - y) / (x * (1 - x)),
            }
        return slopes[self.net.loss]

    @cached_property
    def jacobian(self) -> FloatArray:
        """∂x_k/∂S_j = x_k ([k = j] − x_j) of softmax, (n_L, n_L): row k, column j, from 0."""
        x = self.x(self.net.L)
        return x[:, None] * (np.eye(len(x), dtype=x.dtype) - x)
