"""Each gate against mpmath: its value, and its derivatives as mpmath's derivatives of the value.

mpmath differentiates numerically with 40 digits: no derivative is written here twice.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from problems import ELEMENTWISE

from loopbp import graph
from loopbp.graph import gates

f64 = np.float64

BINARY = {
    "add": (gates.ADD, lambda a, b: a + b),
    "subtract": (gates.SUBTRACT, lambda a, b: a - b),
    "multiply": (gates.MULTIPLY, lambda a, b: a * b),
    "divide": (gates.DIVIDE, lambda a, b: a / b),
    "power": (gates.POWER, lambda a, b: a**b),
    "max": (gates.MAX, max),
}
UNARY = {
    "log": (gates.LOG, mpmath.log),
    "exp": (gates.elementwise("exp"), mpmath.exp),
    "sin": (gates.elementwise("sin"), mpmath.sin),
    "cos": (gates.elementwise("cos"), mpmath.cos),
    "tanh": (gates.elementwise("tanh"), mpmath.tanh),
    "sigmoid": (gates.elementwise("sigmoid"), lambda a: 1 / (1 + mpmath.exp(-a))),
    "relu": (gates.elementwise("relu"), lambda a: max(a, mpmath.mpf(0))),
}

# A handful of operations, each good to 2 ulp; the derivatives below have no cancellation but
# for 1 − x² of tanh and x (1 − x) of sigmoid, at most tenfold at these points.
RTOL = 4e-15


def check(gate, exact, *inputs):
    """Value and all derivatives, with an upstream gradient of −3."""
    numbers = [f64(v) for v in inputs]
    f = gate.forward(*numbers)
    passed = gate.backward(f64(-3), f, *numbers)
    assert len(passed) == len(inputs)
    with mpmath.workdps(40):
        point = [mpmath.mpf(float(v)) for v in numbers]
        np.testing.assert_allclose(f, float(exact(*point)), rtol=RTOL, atol=1e-16)
        for place, gradient in enumerate(passed):
            order = tuple(int(k == place) for k in range(len(inputs)))
            slope = -3 * mpmath.diff(exact, tuple(point), order)
            np.testing.assert_allclose(gradient, float(slope), rtol=RTOL, atol=1e-16)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("pair", [(2.5, 0.75), (0.3, 4.2), (1.7, -1.3), (0.01, 3.5)], ids=str)
def test_gates_of_two_inputs(name, pair):
    check(*BINARY[name], *pair)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("a", [0.3, 1.2, 0.01])
def test_gates_of_one_input(name, a):
    check(*UNARY[name], a)
    if name != "log":
        check(*UNARY[name], -a)


def test_add_of_many():
    check(gates.ADD, lambda *terms: mpmath.fsum(terms), 0.1, -2.5, 3.25, 0.7)


def exact_softmax(k):
    return lambda *S: mpmath.exp(S[k]) / mpmath.fsum(map(mpmath.exp, S))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_softmax(k):
    check(gates.softmax_output(k), exact_softmax(k), 0.5, -1.25, 1.0)


def test_softmax_with_cross_entropy():
    """δ_j = x_j − y_j is the derivative where the targets sum to 1, as they do here."""

    def exact(*S_and_y):
        S, y = S_and_y[:3], S_and_y[3:]
        return -mpmath.fsum(y[k] * mpmath.log(exact_softmax(k)(*S)) for k in range(3))

    check(gates.SOFTMAX_CROSS_ENTROPY, exact, 0.5, -1.25, 1.0, 0.5, 0.25, 0.25)


@pytest.mark.parametrize("s", [0.7, -1.4])
def test_sigmoid_with_cross_entropy(s):
    def exact(s, y):
        x = 1 / (1 + mpmath.exp(-s))
        return -y * mpmath.log(x) - (1 - y) * mpmath.log(1 - x)

    check(gates.SIGMOID_CROSS_ENTROPY, exact, s, 0.25)


def test_mean_square():
    check(gates.MEAN_SQUARE, lambda *e: mpmath.fsum(v * v for v in e) / 3, 0.5, -1.25, 2.0)


@pytest.mark.parametrize("b", [0, 1, 2, 3, 7, 64, -1, -2, -5])
@pytest.mark.parametrize("a", [1.1, -1.1])
def test_integer_powers_are_products(a, b):
    f = gates.power(f64(a), f64(b))
    exact = float(mpmath.mpf(a) ** b)
    # |b| roundings of half an ulp at most, and one more of a quotient
    np.testing.assert_allclose(f, exact, rtol=(abs(b) + 2) * 2**-53)
    slope, _ = gates.power_backward(f64(1), f, f64(a), f64(b))
    np.testing.assert_allclose(slope, float(b * mpmath.mpf(a) ** (b - 1)), rtol=70 * 2**-53)


def test_a_square_is_one_product():
    for a in (0.1, -1 / 3, 1e-170, 7.7):
        assert gates.power(f64(a), f64(2)) == f64(a) * f64(a)


def test_powers_that_a_student_knows_by_heart():
    power = gates.power
    assert power(f64(4), f64(0.5)) == 2  # rounded once, as √ is
    assert power(f64(2), f64(0.5)) == 2**0.5
    assert power(f64(10), f64(3)) == 1000
    assert power(f64(-2), f64(3)) == -8
    assert power(f64(2), f64(-2)) == 0.25
    assert power(f64(0), f64(0)) == 1
    assert power(f64(0), f64(1.5)) == 0
    with np.errstate(all="ignore"):
        assert power(f64(0), f64(-1.5)) == np.inf
        assert np.isnan(power(f64(-2), f64(1.5)))


@pytest.mark.parametrize("b", [65, 101, 1000, -101])
def test_large_powers(b):
    for a in (1.0625, -1.0625):
        # e^(b ln |a|): |b ln a| ulp at most
        exact = float(mpmath.mpf(a) ** b)
        np.testing.assert_allclose(gates.power(f64(a), f64(b)), exact, rtol=abs(b) * 2**-53)


@pytest.mark.parametrize("pair", [(2, 1), (1, 2), (1, 1), (0, -0.0)], ids=str)
def test_max_passes_everything_to_one_input(pair):
    a, b = map(f64, pair)
    passed = gates.maximum_backward(f64(5), gates.maximum(a, b), a, b)
    assert passed == ((5, 0) if a > b else (0, 5))


def test_max_with_zero_is_relu():
    for a in (-1.5, -0.0, 0.0, 1.5):
        (x,) = graph.inputs(x=a)
        both = []
        for f in (graph.maximum(x, 0), graph.relu(x)):
            f.backward()
            both.append((f.value, x.grad))
        assert both[0] == both[1] == ((1.5, 1) if a > 0 else (0, 0))


@pytest.mark.parametrize("pair", [(np.nan, 1), (1, np.nan)], ids=str)
def test_max_does_not_hide_a_nan(pair):
    assert np.isnan(gates.maximum(*map(f64, pair)))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation_is_a_gate_in_both_dtypes(name, dtype):
    x = graph.Graph(dtype).input("x", 0.75)
    f = graph.activation(name, x)
    f.backward()
    assert type(f.value) is type(x.grad) is np.dtype(dtype).type
    g, h = gates.ACTIVATIONS[name][0], f64(1e-5)
    central = (g(f64(0.75) + h) - g(f64(0.75) - h)) / (2 * h)
    np.testing.assert_allclose(x.grad, central, rtol=1e-6 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize(
    ("expression", "value", "grad"),
    [
        (lambda x: 1 / x, np.inf, -np.inf),
        (lambda x: x / 0, np.nan, np.inf),
        (graph.log, -np.inf, np.inf),
        (lambda x: graph.exp(x + 1000), np.inf, np.inf),
        (lambda x: graph.log(x - 1), np.nan, -1),
        (lambda x: x**-1, np.inf, -np.inf),
    ],
)
def test_where_no_finite_value_exists_ieee_decides(expression, value, grad):
    (x,) = graph.inputs(x=0)
    f = expression(x)
    f.backward()
    np.testing.assert_array_equal([f.value, x.grad], [value, grad])
