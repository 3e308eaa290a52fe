"""A graph one gate at a time: what it receives, and what it passes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .gates import Number
from .labels import label, number, symbol
from .node import Node


@dataclass(frozen=True)
class Step:
    """One node's turn, forward or backward, in numbers and in words.

    Forward, a gate `receives` the values of its inputs and `passes` on one value. Backward, a node
    `receives` gradients, one from each gate that it went into, and `passes` on one to each of its
    inputs: none for an input of the graph, whose derivative is the sum of what it receives.
    """

    number: int
    direction: str
    node: Node
    receives: tuple[Number, ...]
    passes: tuple[Number, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.number}. {self.text}"


def steps(root: Node) -> list[Step]:
    """Every gate that root depends on, forward in order of making; then backward, the last first.

    Calls `root.backward`, so that gradients are then those of root. The numbers are those of the
    values at the call.
    """
    root.backward()
    nodes = root.ancestors()
    return list(_numbered(nodes, root))


def _numbered(nodes: list[Node], root: Node) -> Iterator[Step]:
    """The steps of both directions."""
    count = 0
    for node in nodes:
        if node.gate is not None:
            count += 1
            yield _forward(count, node)
    for node in reversed(nodes):
        if node.grad is not None:
            count += 1
            yield _backward(count, node, root)


def _forward(count: int, node: Node) -> Step:
    """A gate computes its value."""
    got = _listing([_with_value(a) for a in node.inputs])
    text = f"Forward: {_title(node)} receives {got}, and passes on {number(node.value)}."
    receives = tuple(a.value for a in node.inputs)
    return Step(count, "forward", node, receives, (node.value,), text)


def _backward(count: int, node: Node, root: Node) -> Step:
    """A node takes its gradients, and a gate passes its own on."""
    assert node.grad is not None
    if node is root:
        receives: tuple[Number, ...] = (node.grad,)
        got = f"starts with ∂{label(root)}/∂{label(root)} = 1"
    else:
        pairs = list(node.received())
        receives = tuple(passed for _, passed in pairs)
        got = "receives " + _listing([f"{number(g)} from {_title(gate)}" for gate, g in pairs])
        if len(pairs) > 1:
            got += f", together {number(node.grad)}"
    if node.gate is None:
        text = (
            f"Backward: {label(node)} {got}: ∂{label(root)}/∂{label(node)} = {number(node.grad)}."
        )
        return Step(count, "backward", node, receives, (), text)
    given = [
        f"{number(passed)} to {label(a)}"
        for a, passed in zip(node.inputs, node._passed, strict=True)
        if not a.constant
    ]
    result = f"passes on {_listing(given)}" if given else "has only constants below it"
    text = f"Backward: {_title(node)} {got}; {node.gate.rule}; it {result}."
    return Step(count, "backward", node, receives, node._passed, text)


def _title(node: Node) -> str:
    """A gate by its symbol and its name, anything else by its label."""
    return f"{symbol(node)} {node.name}" if node.gate is not None and node.name else label(node)


def _with_value(node: Node) -> str:
    """x = 100; a constant without a name is its value."""
    unnamed = node.constant and node.name is None
    return label(node) if unnamed else f"{label(node)} = {number(node.value)}"


def _listing(items: list[str]) -> str:
    """a; a and b; a, b and c."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
