"""Graphs and their nodes: values forward, gradients backward, without recursion.

A graph keeps its nodes in the order in which they were made, which is an order of computation:
forward walks it upwards, backward downwards. Where a node is used more than once, the gradients
that come back are added in the order in which the gates were made, starting from the first.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import choice, describe, real
from ..engines import ACTIVATIONS
from . import gates
from .gates import Gate, Number

if TYPE_CHECKING:
    from .steps import Step

DTYPES = ("float64", "float32")


class Graph:
    """The nodes of one computation, in the order in which they were made.

    `dtype` (float64 or float32) is that of every value and gradient. `nodes` is to be read only.
    """

    def __init__(self, dtype: str = "float64") -> None:
        self.number: Any = np.dtype(choice("dtype", dtype, DTYPES)).type
        self.nodes: list[Node] = []
        #: Gates from this index on have to be computed again.
        self._stale: int | None = None
        #: Counts backward passes; a node that the last one reached carries this number.
        self._passes = 0
        #: The node of the last backward pass; None when a value changed after it.
        self._root: Node | None = None

    def input(self, name: str, value: float) -> Node:
        """A named input with a finite value.

        Raises `TypeError` or `ValueError` for a value that is not a finite number, and for a name
        that is empty or not printable.
        """
        return Node(self, None, (), self._finite(name, value), name=_checked_name(name))

    def inputs(self, **values: float) -> tuple[Node, ...]:
        """Named inputs, in the order given; always a tuple: `(x,) = graph.inputs(x=3)`."""
        return tuple(self.input(name, value) for name, value in values.items())

    def constant(self, value: float, name: str | None = None) -> Node:
        """A node that nothing changes: it has a value and no gradient."""
        label = None if name is None else _checked_name(name)
        return Node(self, None, (), self._finite("constant", value), name=label, constant=True)

    def apply(self, gate: Gate, *operands: Node | float) -> Node:
        """A new node f = gate(operands); numbers become constants.

        Raises `ValueError` if an operand belongs to another graph.
        """
        inputs = tuple(self._operand(gate, operand) for operand in operands)
        with np.errstate(all="ignore"):
            return Node(self, gate, inputs, gate.forward(*(node.value for node in inputs)))

    def _operand(self, gate: Gate, operand: Node | float) -> Node:
        """The operand as a node of this graph."""
        if not isinstance(operand, Node):
            return self.constant(operand)
        if operand.graph is not self:
            raise ValueError(
                f"{gate.name}: expected inputs of one graph; got {operand.label} of another "
                "(make all inputs with one call, or add one with node.graph.inputs)"
            )
        return operand

    def _finite(self, argument: str, value: float) -> Number:
        """The value as a number of the graph's dtype."""
        real(argument, value)
        with np.errstate(over="ignore"):
            number: Number = self.number(value)
        if not np.isfinite(number):
            raise ValueError(f"{argument}: expected a finite {number.dtype} number; got {value}")
        return number

    def _changed(self, index: int) -> None:
        """Notes that the value of this node is another one."""
        self._stale = index + 1 if self._stale is None else min(self._stale, index + 1)
        self._root = None

    def _refresh(self) -> None:
        """Computes the gates that come after a changed input once more."""
        if self._stale is None:
            return
        start, self._stale = self._stale, None
        with np.errstate(all="ignore"):
            for index in range(start, len(self.nodes)):
                node = self.nodes[index]
                if node.gate is not None:
                    node._value = node.gate.forward(*(a._value for a in node.inputs))

    def _backward(self, root: Node) -> None:
        """Gives a gradient to every node that root depends on, the last one first."""
        self._refresh()
        self._passes += 1
        root._reached, root._grad, self._root = self._passes, self.number(1), root
        with np.errstate(all="ignore"):
            for index in range(root.index, -1, -1):
                node = self.nodes[index]
                if node._reached != self._passes:
                    continue
                if node is not root:
                    node._grad = gates.add(*(passed for _, passed in node.received()))
                if node.gate is not None:
                    values = (a._value for a in node.inputs)
                    node._passed = node.gate.backward(node._grad, node._value, *values)
                    for a in node.inputs:
                        if not a.constant:
                            a._reached = self._passes

    def __repr__(self) -> str:
        count = sum(node.gate is not None for node in self.nodes)
        return f"<Graph: {len(self.nodes):,} nodes, {count:,} of them gates>"


class Node:
    """An input, a constant or the output of a gate; `+ − * / **` of nodes make new ones.

    `gate` is None for inputs and constants; `inputs` are the nodes that the gate receives, and
    `consumers` the gates that this node goes into, with the place of the input there.
    """

    __slots__ = (
        "_grad",
        "_name",
        "_passed",
        "_reached",
        "_value",
        "constant",
        "consumers",
        "gate",
        "graph",
        "index",
        "inputs",
    )

    # NumPy numbers leave their operators to this class.
    __array_ufunc__ = None

    def __init__(
        self,
        graph: Graph,
        gate: Gate | None,
        inputs: tuple[Node, ...],
        value: Number,
        name: str | None = None,
        constant: bool = False,
    ) -> None:
        self.graph, self.gate, self.inputs, self.constant = graph, gate, inputs, constant
        self.index = len(graph.nodes)
        self.consumers: list[tuple[Node, int]] = []
        self._name, self._value = name, value
        self._grad: Number | None = None
        self._passed: tuple[Number, ...] = ()
        self._reached = 0
        for place, node in enumerate(inputs):
            node.consumers.append((self, place))
        graph.nodes.append(self)

    @property
    def value(self) -> Number:
        """The value, which follows the inputs; assign to the value of an input to change it.

        Raises `AttributeError` where the value of a gate or a constant is assigned, `TypeError` or
        `ValueError` for a value that is not a finite number.
        """
        self.graph._refresh()
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        if self.gate is not None or self.constant:
            kind = "constant" if self.gate is None else f"gate ({self.gate.name})"
            raise AttributeError(f"value: expected an input; got {self.label}, a {kind}")
        self._value = self.graph._finite(self.label, value)
        self.graph._changed(self.index)

    @property
    def grad(self) -> Number | None:
        """The derivative by this node of the one on which `backward` was called last.

        It is that of the values of that time: inputs may be stepped one after the other. None
        before `backward`, for constants, and where that node does not depend on this one.
        """
        return self._grad if self._reached and self._reached == self.graph._passes else None

    @property
    def name(self) -> str | None:
        """The name, or None."""
        return self._name

    @property
    def label(self) -> str:
        """The name; else the number of a constant, or the symbol of a gate with its place: ×₅."""
        from .labels import label

        return label(self)

    def named(self, name: str) -> Node:
        """This node with a name, for expressions: `f = (x * t).named("f")`.

        Raises `TypeError` or `ValueError` for a name that is empty or not printable.
        """
        self._name = _checked_name(name)
        return self

    def backward(self) -> None:
        """∂self/∂node for every node that self depends on, into `node.grad`.

        Gradients of an earlier call are replaced, not added to. Nothing else is modified.
        """
        self.graph._backward(self)

    def received(self) -> Iterator[tuple[Node, Number]]:
        """What came back in the last backward pass: gates and gradients, in order of making."""
        for gate, place in self.consumers:
            if gate._reached == self.graph._passes:
                yield gate, gate._passed[place]

    def ancestors(self) -> list[Node]:
        """Every node that self depends on, and self as the last, in order of making."""
        needed = bytearray(self.index + 1)
        needed[self.index] = 1
        for index in range(self.index, -1, -1):
            if needed[index]:
                for node in self.graph.nodes[index].inputs:
                    needed[node.index] = 1
        return [self.graph.nodes[index] for index in range(self.index + 1) if needed[index]]

    def text(self) -> str:
        """The graph in at most 80 columns; raises `ValueError` for more nodes than can be drawn.

        Values stand above the edges, and gradients below them if `self.backward` was called since
        the last change of a value. The same holds for `svg` and `dot`.
        """
        from .text import text

        return text(self)

    def svg(self) -> str:
        """The graph as a picture that needs nothing else, light or dark; raises as `text` does."""
        from .svg import svg

        return svg(self)

    def dot(self) -> str:
        """The graph in the language of Graphviz; raises as `text` does."""
        from .dot import dot

        return dot(self)

    def steps(self) -> list[Step]:
        """Every gate in turn, forward and then backward; see `loopbp.graph.steps`."""
        from .steps import steps

        return steps(self)

    def __add__(self, other: Node | float) -> Node:
        return self._binary(gates.ADD, other)

    def __radd__(self, other: Node | float) -> Node:
        return self._binary(gates.ADD, other, reflected=True)

    def __sub__(self, other: Node | float) -> Node:
        return self._binary(gates.SUBTRACT, other)

    def __rsub__(self, other: Node | float) -> Node:
        return self._binary(gates.SUBTRACT, other, reflected=True)

    def __mul__(self, other: Node | float) -> Node:
        return self._binary(gates.MULTIPLY, other)

    def __rmul__(self, other: Node | float) -> Node:
        return self._binary(gates.MULTIPLY, other, reflected=True)

    def __truediv__(self, other: Node | float) -> Node:
        return self._binary(gates.DIVIDE, other)

    def __rtruediv__(self, other: Node | float) -> Node:
        return self._binary(gates.DIVIDE, other, reflected=True)

    def __pow__(self, other: Node | float) -> Node:
        return self._binary(gates.POWER, other)

    def __rpow__(self, other: Node | float) -> Node:
        return self._binary(gates.POWER, other, reflected=True)

    def __neg__(self) -> Node:
        return self._binary(gates.MULTIPLY, -1)

    def __pos__(self) -> Node:
        return self

    def _binary(self, gate: Gate, other: object, reflected: bool = False) -> Node:
        """gate(self, other), or gate(other, self); NotImplemented for what is not a number."""
        if not _is_operand(other):
            return NotImplemented  # type: ignore[no-any-return]
        operands: Any = (other, self) if reflected else (self, other)
        return self.graph.apply(gate, *operands)

    def __repr__(self) -> str:
        kind = self.gate.name if self.gate else "constant" if self.constant else "input"
        grad = "" if self.grad is None else f", grad {self.grad}"
        return f"<Node {self.label}: {kind}, value {self.value}{grad}>"

    def _repr_html_(self) -> str:
        from .labels import TooLargeError

        try:
            return self.svg()
        except TooLargeError as problem:
            return f"<p>{escape(repr(self))}</p><p>{escape(str(problem))}</p>"


def inputs(**values: float) -> tuple[Node, ...]:
    """Named inputs of a new graph, in the order given: `x, y = graph.inputs(x=1, y=2)`.

    Always a tuple: `(x,) = graph.inputs(x=3)`. Raises `TypeError` or `ValueError` for a value that
    is not a finite number.
    """
    return Graph().inputs(**values)


def add(*terms: Node | float) -> Node:
    """a + b + … as one gate, which starts from the first and adds the others in their order.

    A single node is its own sum and comes back as it is.
    """
    return terms[0] if len(terms) == 1 and isinstance(terms[0], Node) else _apply(gates.ADD, *terms)


def maximum(a: Node | float, b: Node | float) -> Node:
    """max(a, b); where the two are equal, b counts as the larger."""
    return _apply(gates.MAX, a, b)


def log(a: Node) -> Node:
    """ln a."""
    return _apply(gates.LOG, a)


def exp(a: Node) -> Node:
    """e^a."""
    return _apply(gates.elementwise("exp"), a)


def sin(a: Node) -> Node:
    """sin a."""
    return _apply(gates.elementwise("sin"), a)


def cos(a: Node) -> Node:
    """cos a."""
    return _apply(gates.elementwise("cos"), a)


def tanh(a: Node) -> Node:
    """tanh a."""
    return _apply(gates.elementwise("tanh"), a)


def sigmoid(a: Node) -> Node:
    """1 / (1 + e^−a)."""
    return _apply(gates.elementwise("sigmoid"), a)


def relu(a: Node) -> Node:
    """a for a > 0, 0 for a ≤ 0."""
    return _apply(gates.elementwise("relu"), a)


def activation(name: str, a: Node) -> Node:
    """g(a) for any activation of a network but softmax, by its name.

    Raises `TypeError` or `ValueError` for an unknown name, with the list of those known.
    """
    return _apply(gates.elementwise(choice("name", name, ACTIVATIONS)), a)


def _apply(gate: Gate, *operands: Node | float) -> Node:
    """The gate in the graph of its operands, at least one of which has to be a node."""
    for operand in operands:
        if not _is_operand(operand):
            raise TypeError(f"{gate.name}: expected nodes and numbers; got {describe(operand)}")
    for operand in operands:
        if isinstance(operand, Node):
            return operand.graph.apply(gate, *operands)
    got = ", ".join(describe(operand) for operand in operands) or "nothing"
    raise TypeError(f"{gate.name}: expected at least one node of a graph; got {got}")


def _is_operand(value: object) -> bool:
    """Whether a gate takes it: a node or a real number."""
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, Node | numbers.Real)


def _checked_name(name: object) -> str:
    """The name, if it is one that can be shown."""
    if not isinstance(name, str):
        raise TypeError(f"name: expected a string; got {describe(name)}")
    if not name.strip() or not name.isprintable():
        raise ValueError(f"name: expected printable characters; got {describe(name)}")
    return name
