"""The graphs of the textbooks: the apple, its units, its gates; and the toy model of eight numbers.

Expected values are computed in the comments, by mpmath, or from the formulas in plain Python.
"""

from __future__ import annotations

import doctest
import math

import mpmath
import numpy as np
import pytest

from loopbp import graph
from loopbp.network import Network

close = np.testing.assert_allclose
#: 100 · 2 · 1.1 is 220.00000000000003, so that f − 219 is off by 3e-14 of 1.
RTOL = 1e-12


def apple(y: float = 219, price: float = 100, count: float = 2, tax: float = 1.1):
    """L = ½ (x m t − y)²."""
    x, m, t, y = graph.inputs(x=price, m=count, t=tax, y=y)
    z = (x * m).named("z")
    f = (z * t).named("f")
    L = (0.5 * (f - y) ** 2).named("L")
    return {node.name: node for node in (x, m, t, y, z, f, L)}


def test_apple_forward_and_backward():
    nodes = apple()
    nodes["L"].backward()
    # z = 200, f = 220, L = ½ · 1²
    for name, value in {"z": 200, "f": 220, "L": 0.5}.items():
        close(nodes[name].value, value, rtol=RTOL)
    # ∂L/∂f = f − y = 1; ∂L/∂z = 1 · t; ∂L/∂t = 1 · z; ∂L/∂x = 1.1 m; ∂L/∂m = 1.1 x
    grads = {"f": 1, "z": 1.1, "t": 200, "x": 2.2, "m": 110, "y": -1, "L": 1}
    for name, grad in grads.items():
        close(nodes[name].grad, grad, rtol=RTOL)


@pytest.mark.parametrize("y", [210, 219, 220.5, 0])
def test_apple_with_another_truth(y):
    """∂L/∂f = 220 − y is 1 only by the accident of y = 219."""
    nodes = apple(y)
    nodes["L"].backward()
    upstream = 220 - y
    close(nodes["L"].value, 0.5 * upstream**2, rtol=1e-11)
    expected = {"f": 1, "z": 1.1, "x": 2.2, "m": 110, "t": 200, "y": -1}
    for name, factor in expected.items():
        close(nodes[name].grad, upstream * factor, rtol=1e-11)


def test_the_tax_does_not_pass_through_z():
    """∂L/∂t = ∂L/∂f · ∂f/∂t: the gate of t is f's own."""
    nodes = apple()
    nodes["L"].backward()
    ((gate, place),) = nodes["t"].consumers
    assert (gate, place) == (nodes["f"], 1)
    ((sender, passed),) = nodes["t"].received()
    assert sender is nodes["f"] and passed == nodes["f"].grad * nodes["z"].value


@pytest.mark.parametrize(
    ("name", "step", "f", "L", "change"),
    [("x", 1, 222.2, 5.12, 4.62), ("m", 1, 330, 6160.5, 6160), ("t", 0.01, 222, 4.5, 4)],
)
def test_a_step_of_each_input(name, step, f, L, change):
    """ΔL = (f − y) Δf + ½ Δf²; one apple more is another unit than one percentage point."""
    nodes = apple()
    before = nodes["L"].value
    nodes[name].value += step
    close([nodes["f"].value, nodes["L"].value], [f, L], rtol=1e-10)
    close(nodes["L"].value - before, change, rtol=1e-10)
    df = f - 220
    close(nodes["L"].value - before, 1 * df + 0.5 * df**2, rtol=1e-10)


def test_all_elasticities_of_the_price_are_equal():
    """∂f/∂v · v = f for each factor v of a product."""
    nodes = apple()
    nodes["f"].backward()
    close([nodes[v].grad * nodes[v].value for v in "xmt"], [220] * 3, rtol=1e-14)
    assert nodes["y"].grad is None


def test_add_passes_on_and_multiply_swaps():
    a, b = graph.inputs(a=3, b=-7)
    (2.5 * (a + b)).backward()
    assert (a.grad, b.grad) == (2.5, 2.5)
    (2.5 * (a * b)).backward()
    assert (a.grad, b.grad) == (2.5 * -7, 2.5 * 3)


def test_the_example_of_the_package():
    results = doctest.testmod(graph)
    assert (results.failed, results.attempted) == (0, 6)


TOY = {"b": (1.0, 2.0, -3.0, 0.4), "w": (0.1, -0.4, 2.0, 3.0), "x": 2.3, "y": 2.0}


def toy():
    """ℓ = (β₃ + ω₃ cos(β₂ + ω₂ exp(β₁ + ω₁ sin(β₀ + ω₀ x))) − y)²."""
    x, y, *parameters = graph.inputs(
        x=TOY["x"],
        y=TOY["y"],
        **{f"b{k}": v for k, v in enumerate(TOY["b"])},
        **{f"w{k}": v for k, v in enumerate(TOY["w"])},
    )
    b, w = parameters[:4], parameters[4:]
    h, f = x, []
    for k, g in enumerate((graph.sin, graph.exp, graph.cos, None)):
        f.append(b[k] + w[k] * h)
        h = f[-1] if g is None else g(f[-1])
    loss = (h - y) ** 2
    loss.backward()
    return loss, x, b, w, f


def test_eight_derivatives_of_the_toy_model_by_the_hand_formulas():
    loss, x, b, w, f = toy()
    s = [float(node.value) for node in f]
    h = [TOY["x"], math.sin(s[0]), math.exp(s[1]), math.cos(s[2])]
    df = [0.0] * 4
    df[3] = 2 * (s[3] - TOY["y"])
    df[2] = df[3] * TOY["w"][3] * -math.sin(s[2])
    df[1] = df[2] * TOY["w"][2] * math.exp(s[1])
    df[0] = df[1] * TOY["w"][1] * math.cos(s[0])
    close([node.grad for node in f], df, rtol=1e-13)
    close([node.grad for node in b], df, rtol=1e-13)
    close([node.grad for node in w], np.multiply(h, df), rtol=1e-13)
    close(loss.value, (s[3] - TOY["y"]) ** 2, rtol=1e-13)
    close(x.grad, df[0] * TOY["w"][0], rtol=1e-13)


def test_eight_derivatives_of_the_toy_model_by_mpmath():
    _, _, b, w, _ = toy()

    def exact(*p):
        inner = mpmath.exp(p[1] + p[5] * mpmath.sin(p[0] + p[4] * mpmath.mpf(TOY["x"])))
        return (p[3] + p[7] * mpmath.cos(p[2] + p[6] * inner) - TOY["y"]) ** 2

    point = tuple(map(mpmath.mpf, (*TOY["b"], *TOY["w"])))
    with mpmath.workdps(40):
        for k, node in enumerate((*b, *w)):
            slope = mpmath.diff(exact, point, tuple(int(k == i) for i in range(8)))
            close(node.grad, float(slope), rtol=1e-13)


def test_eight_derivatives_of_the_toy_model_by_the_network():
    """The network 1-1-1-1-1 with sin, exp, cos, identity and sse gives the same bits."""
    loss, _, b, w, f = toy()
    matrices = [[[beta], [omega]] for beta, omega in zip(TOY["b"], TOY["w"], strict=True)]
    net = Network([1] * 5, ["sin", "exp", "cos"], "identity", "sse", matrices)
    trace = net.backprop([[TOY["x"]]], [TOY["y"]], engine="textbook")
    assert loss.value == trace.loss
    for k in range(4):
        assert f[k].value == trace.S[k][0, 0]
        assert b[k].grad == f[k].grad == trace.delta[k][0, 0] == trace.grad[k][0, 0]
        assert w[k].grad == trace.grad[k][1, 0]
