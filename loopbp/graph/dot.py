"""A graph in the language of Graphviz, whose programs draw it."""

from __future__ import annotations

from html import escape

from .labels import drawn, drawn_inputs, passed, short, symbol, total, value_on
from .node import Node

VALUE, GRADIENT = "#1d5fa8", "#b8400a"


def dot(root: Node) -> str:
    """A directed graph from left to right; an edge's label is the value above the gradient.

    Raises `TooLargeError`, a `ValueError`, for a graph that is too large to draw.
    """
    nodes = drawn(root)
    lines = [
        "digraph {",
        "  rankdir=LR;",
        '  node [fontname="sans-serif" shape=box style=rounded];',
        '  edge [fontname="sans-serif" fontsize=11];',
    ]
    for node in nodes:
        lines.append(f"  n{node.index} [label={_node_label(node)}{_shape(node)}];")
    for node in nodes:
        for place, a in drawn_inputs(node):
            text = _edge_label(value_on(a), passed(node, place, root))
            lines.append(f"  n{a.index} -> n{node.index} [label={text}];")
    text = _edge_label(value_on(root), total(root, root))
    lines += ['  out [shape=none label=""];', f"  n{root.index} -> out [label={text}];", "}"]
    return "\n".join(lines) + "\n"


def _node_label(node: Node) -> str:
    """The symbol of a gate with its name below; the label of anything else."""
    if node.gate is None:
        return f"<{escape(short(node))}>"
    name = f'<br/><font point-size="10">{escape(short(node))}</font>' if node.name else ""
    return f"<{escape(symbol(node))}{name}>"


def _shape(node: Node) -> str:
    """Gates are circles, constants bare numbers, inputs boxes."""
    if node.gate is not None:
        return " shape=circle style=solid"
    return " shape=plain" if node.constant else ""


def _edge_label(value: str, gradient: str) -> str:
    """The value above the gradient, each in its colour."""
    parts = [
        f'<font color="{colour}">{text}</font>'
        for colour, text in ((VALUE, value), (GRADIENT, gradient))
        if text
    ]
    return f"<{'<br/>'.join(parts)}>" if parts else '""'
