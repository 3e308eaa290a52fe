"""Where nodes and edges of a drawing stand: columns from left to right, few crossings, even gaps.

The method of Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures" (1981): columns by the longest way to the output; an edge over several columns gets a
bend in each; rows ordered by the mean of their neighbours; then heights, which come as near to the
mean of the neighbours as the order and the gaps allow (isotonic regression).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from .labels import drawn_inputs
from .node import Node

#: Sweeps over the columns, forth and back, for the order and for the heights.
SWEEPS = 12
#: The gap that a bend keeps, in units of that of a node.
BEND = 0.45
#: The pull of an input or a bend on its neighbours, where that of a gate is 1: gates that follow
#: each other stand on one line.
LIGHT = 1e-3


@dataclass(frozen=True)
class Edge:
    """An edge from one node into a place of another; `way` are its vertices, bends between."""

    source: int
    target: int
    place: int
    way: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Vertices 0 … n−1 are the nodes, those after them bends.

    `columns` holds the vertices of every column, from top to bottom; `column` and `height` belong
    to a vertex, heights in units of the gap between two nodes, the least being 0.
    """

    columns: list[list[int]]
    column: list[int]
    height: list[float]
    edges: list[Edge]


def arrange(nodes: Sequence[Node]) -> Layout:
    """The layout of nodes in order of making, the last of which is the output."""
    position = {node.index: k for k, node in enumerate(nodes)}
    links = [
        (position[a.index], k, place)
        for k, node in enumerate(nodes)
        for place, a in drawn_inputs(node)
    ]
    column = _columns(len(nodes), links)
    edges = [_with_bends(link, column) for link in links]
    left, right = _neighbours(len(column), edges)
    columns = _first_order(len(nodes) - 1, column, left)
    columns = _untangled(columns, left, right)
    pull = [LIGHT if node.gate is None else 1.0 for node in nodes]
    pull += [LIGHT] * (len(column) - len(nodes))
    return Layout(columns, column, _heights(columns, left, right, pull, len(nodes)), edges)


def _columns(n: int, links: list[tuple[int, int, int]]) -> list[int]:
    """The column of each node: as far right as its consumers allow, the output in the last."""
    distance = [0] * n
    for source, target, _ in reversed(links):
        distance[source] = max(distance[source], distance[target] + 1)
    return [max(distance) - d for d in distance]


def _with_bends(link: tuple[int, int, int], column: list[int]) -> Edge:
    """The edge, with a new vertex in every column that it passes; extends `column`."""
    source, target, place = link
    between = range(column[source] + 1, column[target])
    bends = range(len(column), len(column) + len(between))
    column.extend(between)
    return Edge(source, target, place, (source, *bends, target))


def _neighbours(n: int, edges: list[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    """The neighbours of each vertex in the column before, and in the one after."""
    left: list[list[int]] = [[] for _ in range(n)]
    right: list[list[int]] = [[] for _ in range(n)]
    for edge in edges:
        for a, b in pairwise(edge.way):
            left[b].append(a)
            right[a].append(b)
    return left, right


def _first_order(output: int, column: list[int], left: list[list[int]]) -> list[list[int]]:
    """The order in which a walk from the output meets the vertices: a tree has no crossings."""
    columns: list[list[int]] = [[] for _ in range(max(column) + 1)]
    waiting, met = [output], {output}
    while waiting:
        vertex = waiting.pop()
        columns[column[vertex]].append(vertex)
        for a in reversed(left[vertex]):
            if a not in met:
                met.add(a)
                waiting.append(a)
    return columns


def _untangled(
    columns: list[list[int]], left: list[list[int]], right: list[list[int]]
) -> list[list[int]]:
    """The order with the fewest crossings that was met while sorting by neighbours."""
    best, fewest = [list(c) for c in columns], _crossings(columns, right)
    even = [1.0] * len(left)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        neighbours, order = (left, columns) if sweep % 2 else (right, columns[::-1])
        rank = {vertex: k for c in columns for k, vertex in enumerate(c)}
        for c in order:
            means = {v: _mean(neighbours[v], rank, even, rank[v]) for v in c}
            c.sort(key=means.__getitem__)
            rank.update((vertex, k) for k, vertex in enumerate(c))
        crossings = _crossings(columns, right)
        if crossings < fewest:
            best, fewest = [list(c) for c in columns], crossings
    return best


def _crossings(columns: list[list[int]], right: list[list[int]]) -> int:
    """How many pairs of edges cross."""
    count = 0
    rank = {vertex: k for c in columns for k, vertex in enumerate(c)}
    for c in columns:
        ends: list[int] = []
        for vertex in c:
            here = [rank[b] for b in right[vertex]]
            count += sum(1 for end in here for other in ends if other > end)
            ends += here
    return count


def _heights(
    columns: list[list[int]],
    left: list[list[int]],
    right: list[list[int]],
    pull: list[float],
    n: int,
) -> list[float]:
    """Heights near the mean of the neighbours, in the given order and with the needed gaps."""
    height = dict.fromkeys(range(len(left)), 0.0)
    offsets = [_offsets(c, n) for c in columns]
    for c, offset in zip(columns, offsets, strict=True):
        height.update(zip(c, offset, strict=True))
    for sweep in range(2 * SWEEPS):
        forth = bool(sweep % 2)
        order = list(zip(columns, offsets, strict=True))
        for c, offset in order if forth else order[::-1]:
            wishes = [
                _mean((left if forth else right)[v], height, pull, height[v]) - o
                for v, o in zip(c, offset, strict=True)
            ]
            placed = _rising(wishes, [pull[v] for v in c])
            height.update((v, y + o) for v, y, o in zip(c, placed, offset, strict=True))
    least = min(height.values())
    return [height[v] - least for v in range(len(left))]


def _offsets(c: list[int], n: int) -> list[float]:
    """How far each vertex of a column is at least below the first one."""
    sizes = [1.0 if vertex < n else BEND for vertex in c]
    gaps = ((a + b) / 2 for a, b in pairwise(sizes))
    return list(accumulate(gaps, initial=0.0))


def _rising(wishes: list[float], weights: list[float]) -> list[float]:
    """The rising sequence nearest to the wishes by least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for mean, weight in zip(wishes, weights, strict=True):
        size = 1
        while blocks and blocks[-1][0] > mean:
            other, more, count = blocks.pop()
            mean = (mean * weight + other * more) / (weight + more)
            weight, size = weight + more, size + count
        blocks.append((mean, weight, size))
    return [mean for mean, _, size in blocks for _ in range(size)]


def _mean(
    vertices: list[int], number: Mapping[int, float], pull: list[float], otherwise: float
) -> float:
    """The mean of the vertices' numbers, weighted by their pull; `otherwise` of none."""
    if not vertices:
        return otherwise
    return sum(pull[v] * number[v] for v in vertices) / sum(pull[v] for v in vertices)
