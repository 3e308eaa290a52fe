"""A graph as an SVG picture that needs nothing else, in light and in dark surroundings.

The value of a node stands above the edge that leaves it, its gradient below. Where several edges
leave, the gradient is the sum of what came back, and each edge carries its part below its end.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rich.cells import cell_len

from .labels import (
    drawn,
    gradients_known,
    label,
    passed,
    short,
    subject,
    symbol,
    total,
    value_on,
)
from .layout import Edge, Layout, arrange
from .node import Node

Point = tuple[float, float]

#: Pixels: the gap between nodes of a column, of the margin, half the height of a node.
GAP, MARGIN, HALF = 66.0, 24.0, 16.0
#: Width of a character of a name, and of a number on an edge.
NAME, DIGIT = 8.4, 7.4
#: Width of a digit of a part of a gradient.
SMALL_DIGIT = 6.4
#: Between two columns, beside the numbers: at least, for each pixel of the steepest edge, at most.
LEVEL, CLIMB, MOST_CLIMB = 18.0, 0.6, 130.0
#: A part of a gradient stands at this share of the climb.
PART = 0.72

STYLE = """
.loopbp-graph { --paper: #ffffff; --ink: #1b1f24; --line: #8b949e; --fill: #f2f4f7;
  --value: #1d5fa8; --gradient: #b8400a; --muted: #5c6570;
  font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  .loopbp-graph { --paper: #14181d; --ink: #e8ebee; --line: #6b7681; --fill: #232a32;
    --value: #8cc0f5; --gradient: #f5a26b; --muted: #a3adb8; } }
.loopbp-graph .paper { fill: var(--paper); }
.loopbp-graph text { fill: var(--ink); text-anchor: middle; }
.loopbp-graph .box { fill: var(--fill); stroke: var(--line); stroke-width: 1.25; }
.loopbp-graph .gate .box { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
.loopbp-graph .line { fill: none; stroke: var(--line); stroke-width: 1.25; }
.loopbp-graph .head { fill: var(--line); }
.loopbp-graph .name { font-style: italic; }
.loopbp-graph .index { font-size: 10px; font-style: normal; }
.loopbp-graph .constant text { fill: var(--muted); }
.loopbp-graph .number { font-size: 13px; font-variant-numeric: tabular-nums;
  paint-order: stroke; stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; }
.loopbp-graph text.value { fill: var(--value); }
.loopbp-graph text.gradient { fill: var(--gradient); }
.loopbp-graph .part { font-size: 11px; }
.loopbp-graph .legend { font-size: 12px; text-anchor: start; fill: var(--muted); }
""".strip()

_INDEXED = re.compile(r"(.+?)_(\d[\d,]*)(?:\^(\(\d+\)))?")


@dataclass(frozen=True)
class _Picture:
    """What the parts of a picture are drawn from; a point per vertex, and where its stub ends."""

    root: Node
    nodes: list[Node]
    layout: Layout
    points: list[Point]
    stubs: list[float]
    half_widths: list[float]
    leaving: Counter[int]


def svg(root: Node) -> str:
    """The picture as one <svg> element with its style inside.

    Raises `TooLargeError`, a `ValueError`, for a graph that is too large to draw.
    """
    picture = _placed(root)
    width = max(picture.stubs) + MARGIN
    height = max(y for _, y in picture.points) + 2.5 * MARGIN + HALF
    legend = _legend(root)
    width = max(width, 2 * MARGIN + 6.2 * cell_len(re.sub("<[^>]*>", "", legend)))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="loopbp-graph" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        'style="max-width: 100%; height: auto">',
        f"<title>{escape(_title(picture))}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        *(_edge(picture, edge) for edge in picture.layout.edges),
        *(_node(picture, k) for k in range(len(picture.nodes))),
        *(_stub(picture, k) for k in range(len(picture.nodes))),
        *(_part(picture, edge) for edge in picture.layout.edges),
        f'<text class="legend" x="{MARGIN:.0f}" y="{height - 14:.0f}">{legend}</text>',
        "</svg>",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _placed(root: Node) -> _Picture:
    """Every vertex at its point in pixels."""
    nodes = drawn(root)
    layout = arrange(nodes)
    half_widths = [_half_width(node) for node in nodes]
    leaving = Counter(edge.source for edge in layout.edges)
    numbers = [
        DIGIT * max(cell_len(value_on(node)), cell_len(total(node, root)), 1) + 10 for node in nodes
    ]
    x, xs, stub_ends = MARGIN, [], []
    for c in layout.columns:
        here = [k for k in c if k < len(nodes)]
        half = max((half_widths[k] for k in here), default=0)
        xs.append(x + half)
        stub_ends.append(x + 2 * half + max((numbers[k] for k in here), default=0))
        x = stub_ends[-1] + _gap(root, nodes, layout, c, leaving)
    top = 1.5 * MARGIN + HALF
    points = [
        (xs[column], top + GAP * height)
        for column, height in zip(layout.column, layout.height, strict=True)
    ]
    stubs = [stub_ends[column] for column in layout.column]
    return _Picture(root, nodes, layout, points, stubs, half_widths, leaving)


def _gap(
    root: Node, nodes: list[Node], layout: Layout, c: list[int], leaving: Counter[int]
) -> float:
    """The room after a column: the steeper its edges, the more; and for parts of gradients."""
    starts = set(c)
    climb, part = 0.0, 0
    for edge in layout.edges:
        for a, b in pairwise(edge.way):
            if a in starts:
                climb = max(climb, GAP * abs(layout.height[a] - layout.height[b]))
        if edge.way[-2] in starts and leaving[edge.source] > 1:
            part = max(part, cell_len(passed(nodes[edge.target], edge.place, root)))
    return LEVEL + min(CLIMB * climb, MOST_CLIMB) + (2 * SMALL_DIGIT * part * PART if part else 0)


def _half_width(node: Node) -> float:
    """Half the width of a node's box."""
    if node.gate is None:
        return max(HALF, NAME * _shown_width(short(node)) / 2 + 7)
    return max(HALF, NAME * cell_len(symbol(node)) / 2 + 8)


def _shown_width(name: str) -> float:
    """The width of a name in characters; a subscript and the superscript above it are small."""
    match = _INDEXED.fullmatch(name)
    if match is None:
        return cell_len(name)
    return cell_len(match[1]) + 0.7 * (len(match[2]) + len(match[3] or ""))


def _node(picture: _Picture, k: int) -> str:
    """A circle or pill with its symbol for a gate, a box for an input, text for a constant."""
    node, (x, y), half = picture.nodes[k], picture.points[k], picture.half_widths[k]
    radius = HALF if node.gate is not None else 5
    box = (
        f'<rect class="box" x="{x - half:.1f}" y="{y - HALF:.1f}" width="{2 * half:.1f}" '
        f'height="{2 * HALF:.1f}" rx="{radius:.0f}"/>'
    )
    inside = escape(symbol(node)) if node.gate is not None else _name(short(node))
    kind = "gate" if node.gate is not None else "constant" if node.constant else "input"
    named = ' class="name"' if node.gate is None and node.name else ""
    text = f'<text x="{x:.1f}" y="{y + 5:.1f}"{named}>{inside}</text>'
    above = ""
    if node.gate is not None and node.name is not None:
        above = f'<text class="name" x="{x:.1f}" y="{y - HALF - 7:.1f}">{_name(short(node))}</text>'
    tip = f"<title>{escape(_tip(picture, node))}</title>"
    return f'<g class="{kind}">{tip}{"" if node.constant else box}{text}{above}</g>'


def _stub(picture: _Picture, k: int) -> str:
    """The level start of a node's edges, with its value above and its gradient below."""
    node, (x, y), end = picture.nodes[k], picture.points[k], picture.stubs[k]
    start = x + picture.half_widths[k]
    middle = (start + end) / 2
    marks = [f'<path class="line" d="M{start:.1f} {y:.1f}H{end:.1f}"/>']
    if node is picture.root:
        marks.append(_head(end + 2, y))
    marks += [
        f'<text class="number {kind}" x="{middle:.1f}" y="{y + down:.1f}">{text}</text>'
        for kind, down, text in (
            ("value", -6, value_on(node)),
            ("gradient", 16, total(node, picture.root)),
        )
        if text
    ]
    return "".join(marks)


def _edge(picture: _Picture, edge: Edge) -> str:
    """A smooth line from the end of the source's stub into the target."""
    points = _way(picture, edge)
    (x, y), *_ = points
    path = f"M{x:.1f} {y:.1f}"
    for (x, y), (u, v) in pairwise(points):
        middle = (x + u) / 2
        path += f"C{middle:.1f} {y:.1f} {middle:.1f} {v:.1f} {u:.1f} {v:.1f}"
    return f'<path class="line" d="{path}"/>{_head(*points[-1])}'


def _way(picture: _Picture, edge: Edge) -> list[Point]:
    """The end of the stub, two points at each bend, and the place where the edge arrives."""
    points = [(picture.stubs[edge.source], picture.points[edge.source][1])]
    for bend in edge.way[1:-1]:
        x, y = picture.points[bend]
        points += [(x, y), (picture.stubs[bend], y)]
    x, y = picture.points[edge.target]
    port = _port(picture, edge)
    rounding = HALF - math.sqrt(HALF**2 - port**2)
    return [*points, (x - picture.half_widths[edge.target] + rounding, y + port)]


def _port(picture: _Picture, edge: Edge) -> float:
    """How far below the middle of its target an edge arrives: those from above arrive higher.

    A level edge arrives in the middle.
    """
    height = picture.layout.height
    rivals = [other for other in picture.layout.edges if other.target == edge.target]
    rivals.sort(key=lambda other: (height[other.way[-2]], other.place))
    level = [
        k
        for k, other in enumerate(rivals)
        if abs(height[other.way[-2]] - height[other.target]) < 0.05
    ]
    middle = level[0] if len(level) == 1 else (len(rivals) - 1) / 2
    return min(8.0, HALF / len(rivals)) * (rivals.index(edge) - middle)


def _part(picture: _Picture, edge: Edge) -> str:
    """What an edge carries back, where its source has several edges."""
    text = passed(picture.nodes[edge.target], edge.place, picture.root)
    if picture.leaving[edge.source] < 2 or not text:
        return ""
    (x, y), (u, v) = _way(picture, edge)[-2:]
    s = PART
    # the curve of `_edge` at the share s of its parameter
    at_x = x + (u - x) * (1.5 * s * (1 - s) + s**3)
    at_y = y + (v - y) * (3 * s**2 - 2 * s**3)
    return f'<text class="number gradient part" x="{at_x:.1f}" y="{at_y + 13:.1f}">{text}</text>'


def _head(x: float, y: float) -> str:
    """The head of an arrow that points right and ends in (x, y)."""
    return f'<path class="head" d="M{x:.1f} {y:.1f}l-7 -3.5v7z"/>'


def _name(name: str) -> str:
    """A name, its indices set below and above the line."""
    match = _INDEXED.fullmatch(name)
    if match is None:
        return escape(name)
    base, below, above = match.groups()
    text = f'{escape(base)}<tspan class="index" dy="4">{below}</tspan>'
    return text + (f'<tspan class="index" dy="-10">{above}</tspan>' if above else "")


def _tip(picture: _Picture, node: Node) -> str:
    """What a pointer over a node shows: its name, what it is, and all digits."""
    kind = node.gate.name if node.gate else "constant" if node.constant else "input"
    known = node.grad is not None and gradients_known(picture.root)
    gradient = f", gradient {node.grad}" if known else ""
    return f"{label(node)} ({kind}): value {node.value}{gradient}"


def _title(picture: _Picture) -> str:
    """What the picture shows, in words."""
    return f"Computational graph of {label(picture.root)}, {len(picture.nodes)} nodes"


def _legend(root: Node) -> str:
    """What stands above and below the edges."""
    above = '<tspan style="fill: var(--value)">above each edge: value</tspan>'
    if not gradients_known(root):
        return above
    name = _name(subject(root))
    return f'{above}; <tspan style="fill: var(--gradient)">below: derivative of {name}</tspan>'
