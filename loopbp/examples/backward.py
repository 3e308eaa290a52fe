"""Backward passes, of networks and of graphs, whose every quantity is there."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from ..checks import FloatArray
from ..graph import Node
from ..network import Network


@dataclass(frozen=True)
class Backward:
    """S, x, delta, grad, losses, loss and the flat gradient of `Network.backprop`, none missing."""

    S: tuple[FloatArray, ...]
    x: tuple[FloatArray, ...]
    delta: tuple[FloatArray, ...]
    grad: tuple[FloatArray, ...]
    losses: FloatArray
    loss: float
    gradient: FloatArray


def backprop(net: Network, X: ArrayLike, Y: ArrayLike, reduction: str = "mean") -> Backward:
    """`net.backprop`; shapes as in `Trace`."""
    trace = net.backprop(X, Y, reduction=reduction)
    assert trace.delta is not None and trace.grad is not None
    assert trace.losses is not None and trace.loss is not None
    return Backward(
        trace.S, trace.x, trace.delta, trace.grad, trace.losses, trace.loss, trace.gradient
    )


def grad(node: Node) -> float:
    """The node's gradient, after `backward`."""
    assert node.grad is not None
    return float(node.grad)
