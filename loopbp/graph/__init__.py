"""Scalar computational graphs: write an expression, and every gate has its value and gradient.

    >>> from loopbp import graph
    >>> x, m, t, y = graph.inputs(x=100, m=2, t=1.1, y=219)
    >>> f = (x * m * t).named("f")
    >>> L = (0.5 * (f - y) ** 2).named("L")
    >>> L.backward()
    >>> float(m.grad)
    110.00000000000314

`L.text()`, `L.svg()` and `L.dot()` draw the graph, `L.steps()` goes through it gate by gate, and
`from_network` expands a small network, so that its S, x, δ and ∂f/∂w are nodes.
"""

from .expansion import NetworkGraph, from_network
from .gates import Gate
from .labels import TooLargeError
from .node import (
    Graph,
    Node,
    activation,
    add,
    cos,
    exp,
    inputs,
    log,
    maximum,
    relu,
    sigmoid,
    sin,
    tanh,
)
from .steps import Step

__all__ = [
    "Gate",
    "Graph",
    "NetworkGraph",
    "Node",
    "Step",
    "TooLargeError",
    "activation",
    "add",
    "cos",
    "exp",
    "from_network",
    "inputs",
    "log",
    "maximum",
    "relu",
    "sigmoid",
    "sin",
    "tanh",
]
