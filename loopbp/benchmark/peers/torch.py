"""PyTorch: a module, its loss and its optimiser; eager, or with the loss through torch.compile."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from ...checks import FloatArray
from ...network import Network
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
        net = problem.network()
        model = sequential(torch, net)
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
            nothing, timed(gradients), lambda: _flat(net, [p.grad for p in model.parameters()])
        )


def _epoch(torch: Any, problem: Problem, model: Any, loss: Any) -> Contender:
    """The training loop that every tutorial has, over tensors in memory."""
    X, labels = torch.tensor(problem.X), torch.tensor(problem.labels)
    size, net = problem.workload.batch_size, problem.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.eta)

    def epoch() -> None:
        for x, y in zip(X.split(size), labels.split(size), strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss(x, y).backward()
            optimizer.step()

    return Contender(
        lambda: _load(torch, model, net),
        timed(epoch),
        lambda: weights(net, model),
    )


def sequential(torch: Any, net: Network) -> Any:
    """A network as a `Sequential` with the same weights; the last layer gives S.

    Raises `AbsentError` for a hidden activation that is not among the workloads'.
    """
    known = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}
    layers: list[Any] = []
    for W, name in zip(net.W, net.architecture.activations, strict=True):
        layers.append(
            torch.nn.Linear(W.shape[0] - 1, W.shape[1], dtype=getattr(torch, W.dtype.name))
        )
        if len(layers) < 2 * len(net.W) - 1:
            if name not in known:
                raise AbsentError(f"not written for {name}")
            layers.append(known[name]())
    model = torch.nn.Sequential(*layers)
    _load(torch, model, net)
    return model


def _load(torch: Any, model: Any, net: Network) -> None:
    """Puts the weights into the model, in place."""
    parameters = iter(model.parameters())
    with torch.no_grad():
        for W in net.W:
            next(parameters).copy_(torch.tensor(np.ascontiguousarray(W[1:].T)))
            next(parameters).copy_(torch.tensor(W[0]))


def weights(net: Network, model: Any) -> FloatArray:
    """The model's weights as one vector (P,), ordered as `net.theta`."""
    return _flat(net, [p.detach() for p in model.parameters()])


def _flat(net: Network, tensors: list[Any]) -> FloatArray:
    """weight, bias, weight, bias, … as one vector, ordered as theta; a weight is (out, in)."""
    flat = np.empty_like(net.theta)
    arrays = [tensor.numpy() for tensor in tensors]
    for W, weight, bias in zip(
        net.architecture.views(flat), arrays[::2], arrays[1::2], strict=True
    ):
        W[1:], W[0] = weight.T, bias
    return flat
