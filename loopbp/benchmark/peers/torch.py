"""PyTorch: a module, its loss and its optimiser; eager, or with the loss through torch.compile."""

from __future__ import annotations

import itertools
import shutil
from typing import Any

import numpy as np

from ..contender import AbsentError, Contender, nothing, timed
from ..workloads import NETWORK_TASKS, Problem


class Torch:
    """PyTorch on the processor."""

    package = "torch"
    imports = ("torch",)
    exact = False
    tasks = NETWORK_TASKS

    def __init__(self, *, compiled: bool) -> None:
        self.compiled = compiled
        self.name = "torch.compile" if compiled else "torch"

    def prepare(self, problem: Problem, task: str) -> Contender:
        try:
            import torch
        except ImportError as missing:
            raise AbsentError(f"not installed ({missing})") from None
        if self.compiled and not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
            raise AbsentError("torch.compile needs a C++ compiler; none was found")
        model = build(torch, problem)
        loss_function = torch.nn.CrossEntropyLoss()

        def loss(x: Any, y: Any) -> Any:
            return loss_function(model(x), y)

        def outputs(x: Any) -> Any:
            return torch.softmax(model(x), dim=1)

        if self.compiled:
            torch._dynamo.reset()
            loss, outputs = torch.compile(loss), torch.compile(outputs)
        if task == "epoch":
            return _epoch(torch, problem, model, loss)
        X = torch.tensor(problem.call)
        if task == "forward":
            kept: list[Any] = []

            def forward() -> None:
                with torch.inference_mode():
                    kept[:] = [outputs(X)]

            return Contender(nothing, timed(forward), lambda: np.array(kept[0].numpy()))
        labels = torch.tensor(problem.call_labels)

        def gradients() -> None:
            model.zero_grad(set_to_none=True)
            loss(X, labels).backward()

        return Contender(
            nothing, timed(gradients), lambda: flat(problem, [p.grad for p in model.parameters()])
        )


def _epoch(torch: Any, problem: Problem, model: Any, loss: Any) -> Contender:
    """The training loop that every tutorial has, over tensors in memory."""
    X, labels = torch.tensor(problem.X), torch.tensor(problem.labels)
    size = problem.workload.batch_size
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.eta)

    def epoch() -> None:
        for x, y in zip(X.split(size), labels.split(size), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss(x, y).backward()
            optimizer.step()

    return Contender(
        lambda: _load(torch, model, problem),
        timed(epoch),
        lambda: flat(problem, [p.detach() for p in model.parameters()]),
    )


def build(torch: Any, problem: Problem) -> Any:
    """The network as a `Sequential`, with the initial weights; the last layer gives S."""
    hidden = {
        "sigmoid": torch.nn.Sigmoid,
        "tanh": torch.nn.Tanh,
        "relu": torch.nn.ReLU,
    }.get(problem.workload.hidden)
    if hidden is None:
        raise AbsentError(f"not written for {problem.workload.hidden}")
    sizes = problem.workload.sizes
    dtype = getattr(torch, problem.dtype.name)
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, outputs, dtype=dtype), hidden()]
    model = torch.nn.Sequential(*layers[:-1])
    _load(torch, model, problem)
    return model


def _load(torch: Any, model: Any, problem: Problem) -> None:
    """Puts the initial weights into the model, in place."""
    parameters = iter(model.parameters())
    with torch.no_grad():
        for W in problem.layers(problem.theta):
            next(parameters).copy_(torch.tensor(np.ascontiguousarray(W[1:].T)))
            next(parameters).copy_(torch.tensor(W[0]))


def flat(problem: Problem, tensors: list[Any]) -> Any:
    """weight, bias, weight, bias, … as one vector, ordered as theta; a weight is (out, in)."""
    arrays = [np.array(tensor.numpy()) for tensor in tensors]
    return problem.flat([W.T for W in arrays[::2]], arrays[1::2])
