"""PyTorch's gradients of single examples: `torch.func.vmap` over `grad`, as its manual teaches it.

Eager, the examples go through in chunks of the size that is fastest here, or all at once; or it is
all put through torch.compile, which turns products and sums into one loop. The matrix is left as
the tensors of single layers, as they come; a call cannot write into memory of its caller's.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ...checks import FloatArray
from ..contender import AbsentError, Contender, nothing, timed
from ..workloads import EXAMPLE_TASKS, Problem
from .torch import sequential

#: Sizes of chunks that are tried; None is all examples at once.
CHUNKS = (None, 16, 32, 64, 128)


class TorchFunc:
    """`torch.func` on the processor."""

    package = "torch"
    imports = ("torch", "torch.func")
    exact = False
    tasks = EXAMPLE_TASKS

    def __init__(self, *, compiled: bool) -> None:
        self.compiled = compiled
        self.name = "torch.func.compile" if compiled else "torch.func"

    def prepare(self, problem: Problem, task: str) -> Contender:
        try:
            import torch
            import torch.func
        except ImportError as missing:
            raise AbsentError(f"not installed ({missing})") from None
        if self.compiled and not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
            raise AbsentError("torch.compile needs a C++ compiler; none was found")
        model = _Model(torch, problem)
        make, result = {
            "examples": (model.lengths, model.columns),
            "matrix": (model.gradients, model.rows),
        }[task]
        if self.compiled:
            torch._dynamo.reset()
            function = torch.compile(make(None))
        else:
            function = _fastest([make(chunk) for chunk in CHUNKS])
        kept: list[Any] = []

        def call() -> None:
            kept.clear()  # so that its memory is free again
            kept.append(function())

        return Contender(nothing, timed(call), lambda: result(kept[0]))


class _Model:
    """The network as a function of its parameters, and its data."""

    def __init__(self, torch: Any, problem: Problem) -> None:
        self.torch, self.problem = torch, problem
        self.model = sequential(torch, problem.network())
        self.parameters = {name: value.detach() for name, value in self.model.named_parameters()}
        self.X, self.labels = torch.tensor(problem.call), torch.tensor(problem.call_labels)

    def loss(self, parameters: Any, x: Any, y: Any) -> Any:
        """The cross-entropy of one example, or the mean over some."""
        S = self.torch.func.functional_call(self.model, parameters, (x,))
        return self.torch.nn.functional.cross_entropy(S, y)

    def single(self, parameters: Any, x: Any, y: Any) -> Any:
        """∂f/∂w of one example."""
        return self.torch.func.grad(self.loss)(parameters, x[None], y[None])

    def gradients(self, chunk: int | None) -> Callable[[], Any]:
        """A function of nothing that gives all gradients, a tensor (N, …) for each parameter."""
        each = self.torch.func.vmap(self.single, in_dims=(None, 0, 0), chunk_size=chunk)
        X, labels = self.X[: self.problem.rows], self.labels[: self.problem.rows]
        return lambda: each(self.parameters, X, labels)

    def lengths(self, chunk: int | None) -> Callable[[], Any]:
        """A function of nothing that gives norms (N, L) and cosines (N,), without the matrix."""
        torch = self.torch

        def numbers(parameters: Any, x: Any, y: Any, mean: Any) -> Any:
            g = self.single(parameters, x, y)
            squares = [(v * v).sum() for v in g.values()]
            dots = [(g[name] * mean[name]).sum() for name in g]
            layers = [a + b for a, b in zip(squares[::2], squares[1::2], strict=True)]
            return torch.stack(layers), sum(dots)

        each = torch.func.vmap(numbers, in_dims=(None, 0, 0, None), chunk_size=chunk)

        def lengths() -> Any:
            mean = torch.func.grad(self.loss)(self.parameters, self.X, self.labels)
            squares, dots = each(self.parameters, self.X, self.labels, mean)
            length = torch.sqrt(sum((v * v).sum() for v in mean.values()))
            return torch.sqrt(squares), dots / (torch.sqrt(squares.sum(dim=1)) * length)

        return lengths

    def columns(self, found: Any) -> FloatArray:
        """Norms and cosines as one array."""
        norms, cosines = found
        return np.column_stack([norms.numpy(), cosines.numpy()])

    def rows(self, found: Any) -> FloatArray:
        """The tensors (N, out, in) and (N, out) as the matrix, ordered as theta."""
        tensors = [tensor.numpy() for tensor in found.values()]
        N = len(tensors[0])
        parts = []
        for weight, bias in zip(tensors[::2], tensors[1::2], strict=True):
            parts += [bias, weight.transpose(0, 2, 1).reshape(N, -1)]
        return np.concatenate(parts, axis=1)


def _fastest(functions: list[Callable[[], Any]]) -> Callable[[], Any]:
    """The one that takes the least time, of two calls of each after a first."""

    def seconds(function: Callable[[], Any]) -> float:
        samples = []
        for _ in range(3):
            started = time.perf_counter()
            function()
            samples.append(time.perf_counter() - started)
        return min(samples[1:])

    return min(functions, key=seconds)
