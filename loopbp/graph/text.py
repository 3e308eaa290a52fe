"""A graph as text of at most 80 columns: trees that flow to the right, value above, gradient below.

A gate that is used more than once is drawn once, as a tree of its own, and stands in the others
by its name; so does a part that would be too wide.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from .labels import (
    drawn,
    drawn_inputs,
    gradients_known,
    passed,
    short,
    subject,
    symbol,
    total,
    value_on,
)
from .node import Node

WIDTH = 80


@dataclass
class _Branch:
    """An edge into a gate: what stands on it, and the gate itself where it is drawn in place."""

    node: Node
    value: str
    gradient: str
    inline: _Tree | None

    @property
    def reach(self) -> int:
        """The columns up to the junction: the node, a space, and its numbers over a line."""
        width = self.inline.width if self.inline else cell_len(short(self.node))
        return width + 1 + _line(self.value, self.gradient)


@dataclass
class _Tree:
    """A gate with all that is drawn in place before it."""

    gate: Node
    branches: list[_Branch]

    @property
    def junction(self) -> int:
        """The column in which the branches meet."""
        return max(branch.reach for branch in self.branches)

    @property
    def width(self) -> int:
        """The columns of the tree with the title of its gate."""
        return self.junction + 2 + cell_len(_title(self.gate))


def text(root: Node) -> str:
    """The graph as lines of at most 80 columns, trees in order of computation.

    Raises `TooLargeError`, a `ValueError`, for a graph that is too large to draw.
    """
    nodes = drawn(root)
    known = f"; below it: derivative of {subject(root)}" if gradients_known(root) else ""
    blocks = [f"above each edge: value{known}"]
    for tree in _trees(nodes, root):
        blocks.append(_Canvas().draw(tree, root))
    if root.gate is None:
        blocks.append(f"{short(root)} = {value_on(root) or short(root)}")
    return "\n\n".join(blocks) + "\n"


def _trees(nodes: list[Node], root: Node) -> list[_Tree]:
    """The trees to draw, in order of making."""
    uses = {node.index: 0 for node in nodes}
    for node in nodes:
        for _, a in drawn_inputs(node):
            uses[a.index] += 1
    trees: dict[int, _Tree] = {}
    apart = set()
    for node in nodes:
        if node.gate is None:
            continue
        branches = []
        for place, a in drawn_inputs(node):
            inline = None if a.index in apart else trees.get(a.index)
            branches.append(_Branch(a, value_on(a), passed(node, place, root), inline))
        tree = trees[node.index] = _Tree(node, branches)
        room = WIDTH - 3 - _line(value_on(node), total(node, root))
        while tree.width > room and any(branch.inline for branch in branches):
            widest = max((b for b in branches if b.inline), key=lambda branch: branch.reach)
            apart.add(widest.node.index)
            for branch in branches:
                branch.inline = None if branch.node is widest.node else branch.inline
        if node is root or uses[node.index] > 1:
            apart.add(node.index)
    return [trees[index] for index in sorted(apart)]


def _line(value: str, gradient: str) -> int:
    """The length of a line that has room for both numbers."""
    return max(cell_len(value), cell_len(gradient), 1) + 2


def _title(gate: Node) -> str:
    """The symbol, with the name if there is one; a gate without one by its label."""
    return f"{symbol(gate)} {short(gate)}" if gate.name is not None else short(gate)


class _Canvas:
    """Lines of text, each a list of single columns."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = []

    def draw(self, tree: _Tree, root: Node) -> str:
        """The tree, with the edge that leaves it."""
        row, _ = self._tree(tree, 0)
        value, gradient = value_on(tree.gate), total(tree.gate, root)
        start = tree.width + 1
        end = start + _line(value, gradient)
        self._edge(row, start, end, value, gradient)
        self._put(row, end, "→")
        return "\n".join("".join(line).rstrip() for line in self._lines)

    def _tree(self, tree: _Tree, top: int) -> tuple[int, int]:
        """Draws from the line `top` on; gives the gate's line and the first one below the tree."""
        rows = []
        for branch in tree.branches:
            if branch.inline is None:
                row, bottom = top + 1, top + 3
                start = tree.junction - branch.reach
                self._put(row, start, short(branch.node))
                left = start + cell_len(short(branch.node)) + 1
            else:
                row, bottom = self._tree(branch.inline, top)
                left = branch.inline.width + 1
            self._edge(row, left, tree.junction, branch.value, branch.gradient)
            rows.append(row)
            top = bottom
        middle = (rows[0] + rows[-1]) // 2
        self._join(tree.junction, rows, middle)
        self._put(middle, tree.junction + 2, _title(tree.gate))
        return middle, top

    def _edge(self, row: int, left: int, right: int, value: str, gradient: str) -> None:
        """A line with the value above its start and the gradient below."""
        self._put(row, left, "─" * (right - left))
        self._put(row - 1, left + 1, value)
        self._put(row + 1, left + 1, gradient)

    def _join(self, column: int, rows: list[int], middle: int) -> None:
        """The junction of the lines in `rows`, which leaves to the right in the line `middle`."""
        for row in range(rows[0], rows[-1] + 1):
            arms = (row > rows[0], row < rows[-1], row in rows, row == middle)
            self._put(row, column, _CORNERS[arms])
        self._put(middle, column + 1, " ")

    def _put(self, row: int, column: int, characters: str) -> None:
        """Writes from a column on; a wide character fills two."""
        while len(self._lines) <= row:
            self._lines.append([])
        line = self._lines[row]
        for character in characters:
            width = cell_len(character)
            line.extend(" " * (column + width - len(line)))
            if width == 0:
                line[column - 1] += character
                continue
            line[column : column + width] = [character, *[""] * (width - 1)]
            column += width


#: The sign at a junction whose arms point up, down, left, right.
_CORNERS = {
    (False, False, True, True): "─",
    (False, True, True, False): "┐",
    (False, True, True, True): "┬",
    (True, False, True, False): "┘",
    (True, False, True, True): "┴",
    (True, True, False, False): "│",
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
}
