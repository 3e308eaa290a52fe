"""Expressions: operators, values that follow the inputs, gradients, names, size, bad input."""

from __future__ import annotations

import operator
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp import graph

close = np.testing.assert_allclose


def test_ordinary_expressions_with_numbers_on_either_side():
    x, y = graph.inputs(x=3, y=0.5)
    for node, value in (
        (x + y, 3.5), (x + 1, 4), (1 + x, 4), (x - y, 2.5), (x - 1, 2), (1 - x, -2),
        (x * y, 1.5), (2 * x, 6), (x * 2, 6), (x / y, 6), (x / 2, 1.5), (6 / x, 2),
        (x**2, 9), (2**x, 8), (x**y, 3**0.5), (-x, -3), (+x, 3),
        (np.float64(2) * x, 6), (np.int64(2) - x, -1), (np.float32(2) ** x, 8),
    ):  # fmt: skip
        assert isinstance(node, graph.Node)
        assert type(node.value) is np.float64
        close(node.value, value, rtol=1e-15)


@pytest.mark.parametrize(
    ("expression", "dx", "dy"),
    [
        (lambda x, y: x - y, 1, -1),
        (lambda x, y: 7 - x, -1, None),
        (lambda x, y: x / y, 2, -12),  # 1/y; −x/y² = −3/¼
        (lambda x, y: 6 / x, -2 / 3, None),
        (lambda x, y: 2**x, 8 * np.log(2), None),
        (lambda x, y: -x, -1, None),
    ],
)
def test_the_sides_of_an_operator_are_told_apart(expression, dx, dy):
    x, y = graph.inputs(x=3, y=0.5)
    expression(x, y).backward()
    close(x.grad, dx, rtol=1e-15)
    if dy is None:
        assert y.grad is None  # the result does not depend on it
    else:
        close(y.grad, dy, rtol=1e-15)


def test_fan_out_accumulates():
    """f = x² + x y + x: ∂f/∂x = 2x + y + 1, from four edges; ∂f/∂y = x."""
    x, y = graph.inputs(x=3, y=5)
    f = x * x + x * y + x
    f.backward()
    assert (f.value, x.grad, y.grad) == (27, 12, 3)
    a = x + y  # a gate that is used twice: (x + y)² → 2 (x + y)
    (a * a).backward()
    assert (x.grad, y.grad, a.grad) == (16, 16, 16)


def test_fan_out_adds_in_the_order_in_which_the_gates_were_made():
    """1e16, 1 and −1e16 in this order give 0, in any order from the last 1."""
    (x,) = graph.inputs(x=1)
    graph.add(x * 1e16, x * 1, x * -1e16).backward()
    assert x.grad == (1e16 + 1) - 1e16 == 0


def test_backward_twice_does_not_double():
    x, y = graph.inputs(x=3, y=5)
    f = x * y + x
    for _ in range(3):
        f.backward()
        assert (x.grad, y.grad, f.grad) == (6, 3, 1)


def test_gradients_are_those_of_the_last_backward():
    x, y = graph.inputs(x=3, y=5)
    f, g = x * y, x * x
    assert x.grad is None
    f.backward()
    assert (x.grad, y.grad, g.grad) == (5, 3, None)
    g.backward()
    assert (x.grad, y.grad, f.grad, g.grad) == (6, None, None, 1)
    f.backward()
    assert (x.grad, y.grad, g.grad) == (5, 3, None)


def test_gradient_of_a_gate_inside():
    x, y = graph.inputs(x=3, y=5)
    z = x * y
    (z * z * 2).backward()
    assert z.grad == 60
    z.backward()  # from here it is the output, whatever was built on it
    assert (z.grad, x.grad) == (1, 5)


def test_values_follow_the_inputs():
    x, y = graph.inputs(x=3, y=5)
    z = x * y
    f = z + x
    y.value = 7
    assert (z.value, f.value) == (21, 24)
    x.value = 2
    y.value = 1
    assert (x.value, f.value, z.value) == (2, 4, 2)
    g = f * x  # a gate made after a change, without reading a value in between
    x.value = 10
    h = g + 1
    assert (h.value, g.value) == (201, 200)
    g.backward()  # g = (x y + x) x = 2 x² at y = 1
    assert x.grad == 40


@pytest.mark.parametrize("order", ["xy", "yx"])
def test_values_follow_inputs_on_both_sides_of_a_gate(order):
    (x,) = graph.inputs(x=3)
    z = 2 * x
    (y,) = x.graph.inputs(y=5)
    f = z + y
    for name in order:
        {"x": x, "y": y}[name].value = 7
    assert (z.value, f.value) == (14, 21)


def test_backward_uses_the_present_values():
    x, y = graph.inputs(x=3, y=5)
    f = x * y
    x.value = 11
    f.backward()
    assert (y.grad, f.value) == (11, 55)


def test_all_inputs_can_be_stepped_with_the_gradients_of_one_backward():
    """f = x² y: the step of y uses ∂f/∂y of before the step of x."""
    x, y = graph.inputs(x=3, y=5)
    f = x * x * y
    f.backward()
    x.value -= 0.1 * x.grad
    y.value -= 0.1 * y.grad
    assert (x.value, y.value) == (0, 4.1)


def test_constants_have_no_gradient():
    (x,) = graph.inputs(x=3)
    c = x.graph.constant(4, "c")
    f = x * c + 2
    f.backward()
    assert c.grad is None and f.inputs[1].grad is None
    assert (c.value, c.label, f.inputs[1].label) == (4, "c", "2")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("+-*/st"), st.integers(0, 20), st.integers(0, 20)),
                min_size=1, max_size=25))  # fmt: skip
def test_random_expressions_against_forward_mode(instructions):
    """The same program on dual numbers (value, ∂/∂x, ∂/∂y), and backward through the graph."""
    x, y = graph.inputs(x=0.75, y=-1.25)
    nodes, duals = [x, y], [np.array([0.75, 1, 0]), np.array([-1.25, 0, 1])]
    for sign, i, j in instructions:
        a, b = nodes[i % len(nodes)], nodes[j % len(nodes)]
        u, v = duals[i % len(duals)], duals[j % len(duals)]
        if sign == "/":  # a / (1 + b²) never divides by 0
            q = 1 + v[0] * v[0]
            nodes.append(a / (1 + b * b))
            duals.append(np.array([u[0] / q, *(u[1:] / q - u[0] * 2 * v[0] * v[1:] / q**2)]))
        elif sign in "st":
            g, slope = (np.sin, np.cos) if sign == "s" else (np.tanh, lambda t: 1 - np.tanh(t) ** 2)
            nodes.append((graph.sin if sign == "s" else graph.tanh)(a))
            duals.append(np.array([g(u[0]), *(slope(u[0]) * u[1:])]))
        elif sign == "*":
            nodes.append(graph.tanh(a * b))  # keeps the values small
            t = np.tanh(u[0] * v[0])
            duals.append(np.array([t, *((1 - t * t) * (u[1:] * v[0] + u[0] * v[1:]))]))
        else:
            nodes.append(0.5 * {"+": operator.add, "-": operator.sub}[sign](a, b))
            duals.append(0.5 * {"+": operator.add, "-": operator.sub}[sign](u, v))
    nodes[-1].backward()
    got = [nodes[-1].value, x.grad or 0, y.grad or 0]
    close(got, duals[-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", ["chain", "wide"])
def test_a_hundred_thousand_gates(shape):
    """Far deeper than Python's stack: no recursion, and time in proportion to the gates."""
    gates = 100_000
    (x,) = graph.inputs(x=1)
    f = x
    started = time.perf_counter()
    if shape == "chain":
        for _ in range(gates):
            f = f + x
    else:
        f = graph.add(*(x * 1 for _ in range(gates)))
    f.backward()
    assert (f.value, x.grad) == ((gates + 1,) * 2 if shape == "chain" else (gates,) * 2)
    x.value = 2
    assert f.value == 2 * x.grad
    assert len(f.ancestors()) > gates
    assert "grad" in repr(f)
    assert time.perf_counter() - started < 60  # seconds; about 1.5 on a slow core


def test_float32_throughout():
    x = graph.Graph("float32").input("x", 0.1)
    f = graph.exp(x * 3) / x + 0.1
    f.backward()
    for number in (x.value, f.value, x.grad):
        assert type(number) is np.float32
    assert (x * 3).value == np.float32(0.1) * np.float32(3)


def test_names_and_labels():
    x, y = graph.inputs(x=3, y=5)
    f = (x * y).named("f")
    assert (f.name, f.label, x.label, (x + y).label) == ("f", "f", "x", "+₃")
    assert repr(f) == "<Node f: multiply, value 15.0>"
    f.backward()
    assert repr(x) == "<Node x: input, value 3.0, grad 5.0>"
    assert repr(x.graph) == "<Graph: 4 nodes, 2 of them gates>"


def test_inputs_of_two_graphs_are_not_mixed():
    (x,), (y,) = graph.inputs(x=1), graph.inputs(y=1)
    with pytest.raises(ValueError, match="add: expected inputs of one graph; got y of another"):
        x + y
    (z,) = x.graph.inputs(z=2)
    assert (x + z).value == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_and_constants_are_finite(value):
    with pytest.raises(ValueError, match=r"x: expected a finite number; got"):
        graph.inputs(x=value)
    (x,) = graph.inputs(x=1)
    f = x * 2
    with pytest.raises(ValueError, match="x: expected a finite number"):
        x.value = value
    assert f.value == 2
    with pytest.raises(ValueError, match="constant: expected a finite number"):
        x + value


def test_what_overflows_in_float32_is_refused():
    with pytest.raises(ValueError, match=r"x: expected a finite float32 number; got 1e\+300"):
        graph.Graph("float32").input("x", 1e300)


@pytest.mark.parametrize("value", ["3", None, True, [1], 1j, np.ones(2)], ids=repr)
def test_values_that_are_not_numbers(value):
    with pytest.raises(TypeError, match="x: expected a number; got"):
        graph.inputs(x=value)
    (x,) = graph.inputs(x=1)
    nodes = len(x.graph.nodes)
    for work in (lambda: x + value, lambda: value * x, lambda: graph.maximum(x, value)):
        with pytest.raises(TypeError):
            work()
    assert len(x.graph.nodes) == nodes


def test_functions_want_a_node():
    with pytest.raises(TypeError, match="sin: expected at least one node of a graph; got 3"):
        graph.sin(3)
    with pytest.raises(TypeError, match="add: expected at least one node of a graph; got nothing"):
        graph.add()
    with pytest.raises(ValueError, match=r"name: expected one of identity, .*did you mean 'tanh'"):
        graph.activation("tanhh", graph.inputs(x=1)[0])
    with pytest.raises(ValueError, match="dtype: expected one of float64, float32; got 'float16'"):
        graph.Graph("float16")


def test_only_inputs_are_assigned():
    (x,) = graph.inputs(x=1)
    f = x + 1
    with pytest.raises(AttributeError, match=r"value: expected an input; got \+₂, a gate \(add\)"):
        f.value = 3
    with pytest.raises(AttributeError, match="value: expected an input; got 1, a constant"):
        f.inputs[1].value = 3


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00", "\ud800", 3, None])
def test_names_that_cannot_be_shown(name):
    (x,) = graph.inputs(x=1)
    with pytest.raises((TypeError, ValueError), match="name: expected"):
        x.named(name)
    assert x.name == "x"


def test_a_graph_is_not_left_by_accident():
    """float(x), math.sin(x) and max(x, y) would drop the gradient: they are refused."""
    import math

    x, y = graph.inputs(x=1, y=2)
    for work in (lambda: float(x), lambda: math.sin(x), lambda: max(x, y), lambda: np.sin(x)):
        with pytest.raises(TypeError):
            work()
