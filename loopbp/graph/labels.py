"""How nodes and numbers are written in drawings and steps, and how large a drawing may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from . import gates

if TYPE_CHECKING:
    from .node import Node

#: A graph of more nodes is not drawn: nobody could read it.
MOST_DRAWN = 500
#: Names are cut to this many columns.
MOST_COLUMNS = 16

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class TooLargeError(ValueError):
    """A graph has more nodes than can be drawn."""


def drawn(root: Node) -> list[Node]:
    """The nodes that a drawing shows, in order of making, root as the last.

    All that root depends on, but for constant exponents: they are part of their gate's symbol.
    Raises `TooLargeError`, a `ValueError`, for more than `MOST_DRAWN`.
    """
    nodes = [node for node in root.ancestors() if node is root or not _only_exponent(node)]
    if len(nodes) > MOST_DRAWN:
        raise TooLargeError(
            f"graph: expected at most {MOST_DRAWN} nodes to draw; got {len(nodes):,}"
        )
    return nodes


def drawn_inputs(node: Node) -> list[tuple[int, Node]]:
    """The inputs that a drawing shows, each with its place."""
    return [(place, a) for place, a in enumerate(node.inputs) if not _is_exponent(node, place)]


def label(node: Node) -> str:
    """The name; else the number of a constant, or the symbol of a gate with its place: ×₅."""
    if node.name is not None:
        return node.name
    if node.gate is None:
        return number(node.value)
    return symbol(node) + str(node.index).translate(_SUBSCRIPTS)


def short(node: Node) -> str:
    """The label, cut to `MOST_COLUMNS` columns with an ellipsis."""
    return cut(label(node))


def cut(name: str) -> str:
    """The name, cut to `MOST_COLUMNS` columns with an ellipsis."""
    if cell_len(name) <= MOST_COLUMNS:
        return name
    return set_cell_size(name, MOST_COLUMNS - 1).rstrip() + "…"


def symbol(node: Node) -> str:
    """What is drawn in a gate; a constant exponent belongs to it: ( )², ^0.5."""
    assert node.gate is not None
    if len(node.inputs) < 2 or not _is_exponent(node, 1):
        return node.gate.symbol
    exponent = float(node.inputs[1].value)
    if exponent.is_integer() and abs(exponent) < 100:
        return f"( ){str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"^{number(exponent)}"


def number(value: float) -> str:
    """The value to five significant digits: 220, −0.25, 1.5×10⁻⁷, ∞."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    mantissa, _, exponent = f"{float(value) + 0.0:.5g}".partition("e")
    power = f"×10{str(int(exponent)).translate(_SUPERSCRIPTS)}" if exponent else ""
    return mantissa.replace("-", "−") + power


def value_on(node: Node) -> str:
    """The value above the edges of a node; nothing for a constant that is labelled with it."""
    return "" if node.constant and node.name is None else number(node.value)


def gradients_known(root: Node) -> bool:
    """Whether the gradients of the nodes are those of root, at the present values."""
    return root.graph._root is root


def subject(root: Node) -> str:
    """Of what the gradients are derivatives: the name of root, or the output."""
    return "the output" if root.name is None else short(root)


def total(node: Node, root: Node) -> str:
    """The gradient of a node; nothing where it is not known."""
    grad = node.grad if gradients_known(root) else None
    return "" if grad is None else number(grad)


def passed(gate: Node, place: int, root: Node) -> str:
    """What a gate passes back to one of its inputs; nothing where it is not known."""
    if not gradients_known(root) or gate.inputs[place].constant:
        return ""
    return number(gate._passed[place])


def _is_exponent(gate: Node, place: int) -> bool:
    """Whether the input in this place is the constant exponent of a power."""
    a = gate.inputs[place]
    return gate.gate is gates.POWER and place == 1 and a.constant and a.name is None


def _only_exponent(node: Node) -> bool:
    """Whether a node is only used as a constant exponent."""
    return bool(node.consumers) and all(_is_exponent(gate, k) for gate, k in node.consumers)
