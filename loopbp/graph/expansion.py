"""A network as a graph of gates, named by the legend, that agrees with the engines bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from ..checks import FloatArray, describe, matrix, numeric
from ..network import Network
from . import gates
from .node import Graph, Node, add

#: Networks with more edges than this are refused before any node is made.
MOST_EDGES = 500_000


@dataclass(frozen=True, eq=False)
class NetworkGraph:
    """The nodes of a network and one example, by the legend's names.

    x[l][i] with x[l][0] = 1, but the outputs x[L][j-1]; W[l][i][j-1], row 0 the biases; S[l][j-1];
    targets y[j-1]; the loss f. After `f.backward()` the gradient of a weight is ∂f/∂w_ij^(l), and
    that of S is δ_j^(l). `graph["w_12^(1)"]` finds a node by its name; indices of two digits are
    parted by a comma, `w_1,12^(0)`.

    With cross_entropy and binary_cross_entropy the output activation and the loss are one gate
    from S to f, as in the engines: x[L] are then nodes beside it, without a gradient.
    """

    f: Node
    x: tuple[tuple[Node, ...], ...]
    W: tuple[tuple[tuple[Node, ...], ...], ...]
    S: tuple[tuple[Node, ...], ...]
    y: tuple[Node, ...]
    _named: dict[str, Node] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = {node.name: node for node in self.f.graph.nodes if node.name is not None}
        object.__setattr__(self, "_named", named)

    def __getitem__(self, name: str) -> Node:
        """The node of that name; raises `KeyError` if there is none."""
        if name not in self._named:
            raise KeyError(f"expected the name of a node, such as w_11^(0) or f; got {name!r}")
        return self._named[name]

    def __repr__(self) -> str:
        sizes = "-".join(str(len(layer)) for layer in (self.x[0][1:], *self.S))
        return f"<NetworkGraph {sizes}: {len(self.f.graph.nodes):,} nodes, f = {self.f.value}>"

    def _repr_html_(self) -> str:
        return self.f._repr_html_()


def from_network(net: Network, x: ArrayLike, y: ArrayLike) -> NetworkGraph:
    """S_j^(l) = Σ_i w_ij x_i, x_j^(l+1) = g(S_j^(l)), f(x^(L), y), each product and sum a gate.

    x (n_0,), one example; y its targets (n_L,), or an integer label. All activations and losses
    are supported; the graph has the network's dtype, and its values and gradients are those of
    the exact engines, bit for bit. The network is not modified and its weights are copied.

    Raises `TypeError` or `ValueError` for anything but a network, data that do not fit, weights
    that are not finite, and a network of more than `MOST_EDGES` edges.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a Network; got {describe(net)}")
    edges = _edges(net)
    if edges > MOST_EDGES:
        raise ValueError(
            f"net: expected a network of at most {MOST_EDGES:,} edges when it is expanded; "
            f"got {edges:,}"
        )
    example = numeric("x", x)
    if example.shape != (net.sizes[0],):
        raise ValueError(
            f"x: expected one example of shape ({net.sizes[0]},); got shape {example.shape}"
        )
    row = matrix("x", example[None], net.dtype, columns=net.sizes[0])[0]
    targets = net.targets(numeric("y", y)[None], 1, "y")[0]
    net.check_weights()
    return _expand(net, row, targets)


def _edges(net: Network) -> int:
    """About how many edges the graph will have: three per weight, and those of softmax."""
    return 3 * len(net.theta) + (net.sizes[-1] ** 2 if net.output == "softmax" else 0)


def _expand(net: Network, row: FloatArray, targets: FloatArray) -> NetworkGraph:
    """The graph; every argument has been checked."""
    graph = Graph(net.dtype.name)
    x = [graph.input(_name("x", (i,), 0), value) for i, value in enumerate(row, 1)]
    layers = [_with_constant(graph, 0, x)]
    W, S = [], []
    for l, matrix_ in enumerate(net.W):
        w = tuple(
            tuple(graph.input(_name("w", (i, j), l), value) for j, value in enumerate(weights, 1))
            for i, weights in enumerate(matrix_)
        )
        S.append(_sums(l, w, layers[-1]))
        W.append(w)
        outputs = _outputs(l, S[-1], net.activations[l])
        layers.append(outputs if l == net.L - 1 else _with_constant(graph, l + 1, outputs))
    y = tuple(graph.input(_name("y", (j,)), value) for j, value in enumerate(targets, 1))
    f = _loss(net.loss, S[-1], layers[-1], y).named("f")
    return NetworkGraph(f, tuple(layers), tuple(W), tuple(S), y)


def _with_constant(graph: Graph, l: int, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes of a layer with x_0 = 1 before them."""
    return (graph.constant(1, _name("x", (0,), l)), *nodes)


def _sums(l: int, w: Sequence[Sequence[Node]], x: Sequence[Node]) -> tuple[Node, ...]:
    """S_j = w_0j x_0 + w_1j x_1 + …, for every j."""
    sums = []
    for j, w_j in enumerate(zip(*w, strict=True), 1):
        products = [w_ij * x_i for w_ij, x_i in zip(w_j, x, strict=True)]
        sums.append(add(*products).named(_name("S", (j,), l)))
    return tuple(sums)


def _outputs(l: int, S: Sequence[Node], name: str) -> tuple[Node, ...]:
    """x_j^(l+1) = g(S_j^(l)), for every j."""
    apply = S[0].graph.apply
    if name == "softmax":
        nodes = [apply(gates.softmax_output(k), *S) for k in range(len(S))]
    else:
        nodes = [apply(gates.elementwise(name), S_j) for S_j in S]
    return tuple(node.named(_name("x", (j,), l + 1)) for j, node in enumerate(nodes, 1))


def _loss(name: str, S: Sequence[Node], x: Sequence[Node], y: Sequence[Node]) -> Node:
    """f of one example, with the derivatives rounded as the engines round them."""
    apply = S[0].graph.apply
    if name == "cross_entropy":
        return apply(gates.SOFTMAX_CROSS_ENTROPY, *S, *y)
    if name == "binary_cross_entropy":
        terms = [apply(gates.SIGMOID_CROSS_ENTROPY, *pair) for pair in zip(S, y, strict=True)]
        return add(*terms)
    errors = [y_j - x_j for y_j, x_j in zip(y, x, strict=True)]
    if name == "mse":
        # one gate: 2 e_j / n is rounded once, 1/n times 2 e_j would be rounded twice
        return apply(gates.MEAN_SQUARE, *errors)
    squares = add(*(error**2 for error in errors))
    return 0.5 * squares if name == "half_sse" else squares


def _name(letter: str, indices: tuple[int, ...], l: int | None = None) -> str:
    """x_1^(0), w_12^(1), y_2; a comma between indices if one of them has two digits."""
    separator = "," if max(indices) > 9 else ""
    layer = "" if l is None else f"^({l})"
    return f"{letter}_{separator.join(map(str, indices))}{layer}"
