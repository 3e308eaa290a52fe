"""A network as a graph: the same bits as the engines, the legend's names, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from problems import PROBLEMS, Problem

from loopbp import graph
from loopbp.graph import expansion
from loopbp.network import Network


def of(nodes, attribute, number):
    """The attribute of nested tuples of nodes, as an array."""
    if isinstance(nodes, tuple):
        return np.array([of(node, attribute, number) for node in nodes], number)
    return getattr(nodes, attribute)


#: With three outputs 2 e_j / n and (2 / n) e_j differ in their last bit; with two they do not.
THIRDS = [
    Problem((4, 5, 3), ("tanh",), output, "mse", 1, dtype, seed=7)
    for output in ("identity", "sigmoid", "softmax")
    for dtype in ("float32", "float64")
]


@pytest.mark.parametrize("problem", [*PROBLEMS, *THIRDS], ids=str)
def test_graph_and_engine_agree_bit_for_bit(problem):
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X[-1:], Y[-1:], engine="textbook")
    nodes = graph.from_network(net, X[-1], Y[-1])
    nodes.f.backward()
    assert nodes.f.value.tobytes() == trace.losses.tobytes()
    for l in range(net.L):
        assert of(nodes.S[l], "value", net.dtype).tobytes() == trace.S[l].tobytes()
        assert of(nodes.S[l], "grad", net.dtype).tobytes() == trace.delta[l].tobytes()
        assert of(nodes.W[l], "grad", net.dtype).tobytes() == trace.grad[l].tobytes()
    for l, x in enumerate(nodes.x):
        assert of(x, "value", net.dtype).tobytes() == trace.x[l].tobytes()


def test_two_two_two_by_hand():
    """Sums are multiples of a = ln 3, where σ is rational; worked out in test_hand_computed."""
    a = np.log(3)
    W0 = a * np.array([[1, -1], [-1, 2], [0, 0]])
    W1 = a * np.array([[-2, -1.25], [2, 1], [0, 1]])
    net = Network([2, 2, 2], "sigmoid", "sigmoid", "half_sse", [W0, W1])
    nodes = graph.from_network(net, [1, 2], [0.75, 1])
    nodes.f.backward()
    values = {"S_2^(0)": a, "x_1^(1)": 1 / 2, "x_2^(1)": 3 / 4, "S_1^(1)": -a, "x_1^(2)": 1 / 4}
    for name, value in {**values, "f": 1 / 4, "x_0^(1)": 1, "y_1": 0.75}.items():
        np.testing.assert_allclose(nodes[name].value, value, rtol=1e-14)
    grads = {"S_1^(1)": -3 / 32, "S_2^(1)": -1 / 8, "S_1^(0)": -5 * a / 64, "S_2^(0)": -3 * a / 128}
    more = {"w_02^(1)": -1 / 8, "w_21^(1)": -9 / 128, "w_21^(0)": -5 * a / 32, "y_1": 1 / 2}
    for name, grad in {**grads, **more}.items():
        np.testing.assert_allclose(nodes[name].grad, grad, rtol=1e-14)
    assert nodes["x_0^(0)"].grad is None  # the constant node has no δ
    # ∂f/∂x_1^(0) = Σ_j δ_j w_1j of the first layer, which no engine shows: 5a²/64 − 3a²/64
    np.testing.assert_allclose(nodes.x[0][1].grad, a * a * (5 / 64 - 6 / 128), rtol=1e-13)


def test_a_weight_that_changes_changes_everything_after_it():
    net = Network([2, 3, 2], "tanh", seed=1)
    nodes = graph.from_network(net, [0.5, -1], 1)
    nodes["w_12^(0)"].value = 0.25
    net.W[0][1, 1] = 0.25
    trace = net.backprop([[0.5, -1]], [1], engine="textbook")
    nodes.f.backward()
    assert nodes.f.value == trace.loss
    assert of(nodes.W[0], "grad", np.float64).tobytes() == trace.grad[0].tobytes()


def test_the_network_is_copied():
    net = Network([2, 3, 2], seed=1)
    before = net.theta.copy()
    nodes = graph.from_network(net, [0.5, -1], 1)
    nodes["w_12^(0)"].value = 9
    np.testing.assert_array_equal(net.theta, before)


def test_names_of_many_nodes_are_unambiguous():
    nodes = graph.from_network(Network([11, 1, 12], "tanh"), np.ones(11), 3)
    for name, node in {
        "w_11^(0)": nodes.W[0][1][0],
        "w_11,1^(0)": nodes.W[0][11][0],
        "w_1,11^(1)": nodes.W[1][1][10],
        "x_11^(0)": nodes.x[0][11],
        "S_12^(1)": nodes.S[1][11],
    }.items():
        assert nodes[name] is node and node.name == name
    names = [node.name for node in nodes.f.graph.nodes if node.name]
    assert len(names) == len(set(names))
    with pytest.raises(KeyError, match=r"expected the name of a node, .*; got 'w_99\^\(0\)'"):
        nodes["w_99^(0)"]


def test_outputs_of_fused_losses_stand_beside_the_way():
    for output, loss in (("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")):
        nodes = graph.from_network(Network([2, 2], output=output, loss=loss), [1, 2], [1.0, 0.0])
        nodes.f.backward()
        assert [x.grad for x in nodes.x[1]] == [None, None]
        assert all(s.grad is not None for s in nodes.S[0])


def test_how_it_shows_itself():
    nodes = graph.from_network(Network([2, 2], init="zeros"), [1, 2], 0)
    assert repr(nodes) == f"<NetworkGraph 2-2: 22 nodes, f = {np.log(2)}>"
    assert nodes._repr_html_() == nodes.f.svg()


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        ([1, 2, 3], 0, r"x: expected one example of shape \(2,\); got shape \(3,\)"),
        ([[1, 2]], 0, r"x: expected one example of shape \(2,\); got shape \(1, 2\)"),
        ([1, np.nan], 0, "x: expected finite float64 numbers; got nan"),
        ([1, 2], 3, "y: "),
        ([1, 2], [1, 0], "y: "),
        ([1, 2], [0.5, 0.2, 0.1], "y: expected each row ≥ 0 with sum 1"),
    ],
)
def test_data_that_do_not_fit(x, y, match):
    with pytest.raises(ValueError, match=match):
        graph.from_network(Network([2, 3]), x, y)


def test_anything_but_a_network_of_finite_weights():
    with pytest.raises(TypeError, match="net: expected a Network; got 3"):
        graph.from_network(3, [1], 1)
    net = Network([2, 3])
    net.W[0][1, 2] = np.inf
    with pytest.raises(ValueError, match=r"net\.W\[0\].*row 1, column 2"):
        graph.from_network(net, [1, 2], 0)


@pytest.mark.parametrize("sizes", [[784, 512, 10], [1, 1000]])
def test_a_network_that_is_too_large_is_refused_before_anything_is_made(sizes, monkeypatch):
    monkeypatch.setattr(expansion, "_expand", None)
    with pytest.raises(ValueError, match=r"net: expected .* at most 500,000 edges .*; got [\d,]+"):
        graph.from_network(Network(sizes), np.ones(sizes[0]), 0)
