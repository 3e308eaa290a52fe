"""The derivations of the textbooks, computed on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest

import loopbp.derivation as derivation
from loopbp.derivation import INPUT, TARGET, explain, worked_network
from loopbp.network import Network

# The worked example, 2-2-2-2 with identity and f = Σ (y_k − x_k)². Forward:
#   x^(0) = (1, 2)
#   S_1^(0) = −½ + 1·1 − ½·2 = −½        S_2^(0) = −1 + ½·1 + 1·2 = 1½
#   S_1^(1) = 0 + 2·(−½) + 1·1½ = ½      S_2^(1) = 1 − 1·(−½) + 2·1½ = 4½
#   S_1^(2) = 1 + 2·½ − ½·4½ = −¼        S_2^(2) = −1 + 1·½ + ½·4½ = 1¾
# Backward, y = (1, 0):
#   ∂f/∂x_1^(3) = −2 (1 + ¼) = −2½       ∂f/∂x_2^(3) = −2 (0 − 1¾) = 3½


def worked(name: str, **how):
    return explain(worked_network(**how), name, INPUT, TARGET)


def test_the_weight_with_one_path():
    d = worked("w_21^(2)")
    # ∂f/∂x_1^(3) · ∂x_1^(3)/∂S_1^(2) · ∂S_1^(2)/∂w_21^(2) = −2½ · 1 · 4½
    assert d.value == -11.25
    (path,) = d.paths()
    assert [float(factor.value) for factor in path.factors] == [-2.5, 1, 4.5]
    assert path.nodes == ((2, 1),)
    assert d.paths().count == 1 and d.paths().total == -11.25 and d.paths().agree
    assert d.rule == "∂f/∂w₂₁⁽²⁾ = δ₁⁽²⁾ x₂⁽²⁾"


def test_the_weight_with_two_paths():
    d = worked("w_12^(1)")
    # through output 1: −2½ · 1 · w_21^(2) · 1 · x_1^(1) = −2½ · (−½) · (−½) = −⅝
    # through output 2:  3½ · 1 · w_22^(2) · 1 · x_1^(1) =  3½ · ½ · (−½) = −⅞
    first, second = d.paths()
    assert [float(f.value) for f in first.factors] == [-2.5, 1, -0.5, 1, -0.5]
    assert [float(f.value) for f in second.factors] == [3.5, 1, 0.5, 1, -0.5]
    assert (first.product, second.product) == (-0.625, -0.875)
    assert (first.nodes, second.nodes) == (((1, 2), (2, 1)), ((1, 2), (2, 2)))
    assert d.value == d.paths().total == -1.5
    # paths: 2 · 4 multiplications. With δ: 2 for δ^(2), 2 + 1 for δ_2^(1), 1 for δ x
    assert (d.work.paths, d.work.backprop) == (8, 6)
    text = str(d)
    for line in (
        "∂f/∂w₁₂⁽¹⁾ = δ₂⁽¹⁾ x₁⁽¹⁾",
        "δ₂⁽¹⁾ = (δ₁⁽²⁾ w₂₁⁽²⁾ + δ₂⁽²⁾ w₂₂⁽²⁾) g′(S₂⁽¹⁾)",
        "      = (−2.5 · (−0.5) + 3.5 · 0.5) · 1",
        "P₁ = ∂f/∂x₁⁽³⁾ ∂x₁⁽³⁾/∂S₁⁽²⁾ ∂S₁⁽²⁾/∂x₂⁽²⁾ ∂x₂⁽²⁾/∂S₂⁽¹⁾ ∂S₂⁽¹⁾/∂w₁₂⁽¹⁾",
        "   = ∂f/∂x₁⁽³⁾ g′(S₁⁽²⁾) w₂₁⁽²⁾ g′(S₂⁽¹⁾) x₁⁽¹⁾",
        "           = −0.625 + (−0.875)",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        ("b_2^(1)", 3, 1),  # δ_2^(1) = −2½ · (−½) + 3½ · ½
        ("δ_2^(1)", 3, 3),
        ("S_2^(1)", 3, 4.5),
        # ∂f/∂x_1^(1) = δ_1^(1) · 2 + δ_2^(1) · (−1), δ_1^(1) = −2½ · 2 + 3½ · 1 = −1½
        ("x_1^(1)", -6, -0.5),
        ("x_2^(3)", 3.5, 1.75),
        ("x_1^(0)", -3.75, 1),  # δ^(0) = (−6, 4½): −6 · 1 + 4½ · ½
        ("w_12^(0)", 4.5, 0.5),  # δ_2^(0) = −1½ · 1 + 3 · 2
    ],
)
def test_every_kind_of_quantity(name, value, own):
    d = worked(name)
    assert d.value == value
    assert d.own_value == own
    assert d.paths().total == value


def test_the_composite_function():
    """f3 = β3 + ω3 cos(β2 + ω2 exp(β1 + ω1 sin(β0 + ω0 x))), ℓ = (f3 − y)²."""
    beta, omega, x, y = (1.0, 2.0, -1.0, 0.4), (0.1, -2.0, 0.5, 3.0), 2.3, 2.0
    weights = [[[b], [w]] for b, w in zip(beta, omega, strict=True)]
    net = Network([1, 1, 1, 1, 1], ["sin", "exp", "cos"], "identity", "sse", weights)
    f = [beta[0] + omega[0] * x]
    h = [x]
    for k, g in enumerate((math.sin, math.exp, math.cos), 1):
        h.append(g(f[-1]))
        f.append(beta[k] + omega[k] * h[-1])
    slopes = [math.cos(f[0]), math.exp(f[1]), -math.sin(f[2]), 1]
    ahead = 2 * (f[3] - y)
    for k in (3, 2, 1, 0):
        for name, expected in ((f"β_{k}[1]", ahead), (f"Ω_{k}[1,1]", ahead * h[k])):
            d = explain(net, name, [[x]], [[y]], notation="D")
            assert d.value == pytest.approx(expected, rel=1e-13)
            assert d.paths().count == 1
            assert d.paths().agree
        # one path: the last factor of β_0 is cos f_0, of Ω_0 it is h_0
        assert len(d.paths().shown[0].factors) == (4 - k) + (3 - k) + 1 + 1
        ahead *= omega[k] * slopes[k - 1] if k else 1


def test_relu_that_is_off_is_named():
    # with ReLU x_1^(1) is 0, since S_1^(0) = −½
    d = worked("w_12^(1)", hidden="relu")
    assert d.value == 0
    assert d.remarks == ("∂f/∂w₁₂⁽¹⁾ is 0 because x₁⁽¹⁾ = 0, since S₁⁽⁰⁾ = −0.5 and ReLU is off.",)
    assert worked("w_11^(0)", hidden="relu").remarks == (
        "∂f/∂w₁₁⁽⁰⁾ is 0 because δ₁⁽⁰⁾ = 0, since S₁⁽⁰⁾ = −0.5 and ReLU is off.",
    )
    assert "1 of 2 are on" in str(worked("w_11^(0)", hidden="relu"))


def relu_chain(bias, weight, *, hidden="relu", output="identity", loss="sse"):
    """1-1-1: S^(0) = bias + x, S^(1) = weight g(S^(0))."""
    return Network([1, 1, 1], hidden, output, loss, [[[bias], [1]], [[0], [weight]]])


def test_a_kink_is_said_to_be_one():
    d = explain(relu_chain(-1, 2), "w_11^(0)", [[1]], [[5]])
    assert d.value == 0
    assert d.remarks[0] == (
        "∂f/∂w₁₁⁽⁰⁾ is 0 because δ₁⁽⁰⁾ = 0, since S₁⁽⁰⁾ = 0, the kink of ReLU, is off."
    )
    assert "exactly the kink of ReLU: its derivative is 0 from the left and 1" in d.remarks[1]
    leaky = explain(relu_chain(-1, 2, hidden="leaky_relu"), "w_11^(0)", [[1]], [[5]])
    # −2 (5 − 0) · 2 · 0.01 · 1
    assert leaky.value == pytest.approx(-0.2)
    assert "0.01 from the left" in leaky.remarks[0]


@pytest.mark.parametrize(
    ("net", "x", "y", "name", "reason"),
    [
        (relu_chain(1, 2), 0, 5, "w_11^(0)", "x₁⁽⁰⁾ = 0, which is the input"),
        (relu_chain(1, 0), 1, 5, "w_11^(0)", "w₁₁⁽¹⁾ = 0"),
        (relu_chain(1, 2), 1, 4, "w_11^(1)", "x₁⁽²⁾ equals its target"),
        (relu_chain(1, 2), 1, 4, "b_1^(0)", "δ₁⁽¹⁾ = 0, since x₁⁽²⁾ equals its target"),
        (relu_chain(1, 2, hidden="cos"), -1, 5, "b_1^(0)", "S₁⁽⁰⁾ = 0 and cos is flat there"),
        (
            relu_chain(1, 2, hidden="sigmoid"),
            800,
            5,
            "b_1^(0)",
            "S₁⁽⁰⁾ = 801 and sigmoid is saturated there",
        ),
        (relu_chain(1, 1e-200), 1, 1e-200, "w_11^(0)", "too small for the dtype"),
        (
            Network([1, 2, 1], "identity", "identity", "sse", [[[0, 0], [1, 1]], [[0], [1], [-1]]]),
            1,
            5,
            "x_1^(0)",
            "its terms cancel exactly",
        ),
    ],
)
def test_zeros_are_explained(net, x, y, name, reason):
    d = explain(net, name, [[x]], [[y]])
    assert d.value == 0
    assert reason in d.remarks[0]
    assert f"! {d.remarks[0]}"[:60] in str(d)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_numbers_that_are_not_finite_are_named():
    net = Network([1, 1, 1], "exp", "identity", "sse", [[[0], [1]], [[0], [1]]])
    d = explain(net, "w_11^(0)", [[1000]], [[1]])
    assert not np.isfinite(d.value)
    assert "the first that is not: x₁⁽¹⁾ = ∞" in d.remarks[0]
    assert d.paths().agree is None
    assert '"NaN"' in d.to_json() or '"Infinity"' in d.to_json()


def test_softmax_with_cross_entropy_is_absorbed():
    # S = (ln 3, 2 ln 3): x = (¼, ¾), y = (1, 0), δ = (−¾, ¾)
    a = math.log(3)
    net = Network([1, 2], init=[[[a, 0], [0, 2 * a]]])
    d = explain(net, "w_12^(0)", [[1]], [0])
    assert d.value == pytest.approx(0.75)
    assert d.paths().count == 1
    text = str(d)
    assert "δ₂⁽⁰⁾ = x₂⁽¹⁾ − y₂" in text
    assert "The Jacobian of softmax is dense" in text
    # ∂f/∂x_1 = −y_1 / x_1 = −1 / ¼
    assert explain(net, "x_1^(1)", [[1]], [0]).value == pytest.approx(-4)


def test_softmax_with_squared_error_has_a_path_through_every_output():
    # x = softmax(0, ln 3) = (¼, ¾), y = (1, 0): ∂f/∂x = (−3/2, 3/2)
    # δ_1 = −3/2 · ¼ · ¾ + 3/2 · ¾ · (−¼) = −9/32 − 9/32
    net = Network([1, 2], loss="sse", init=[[[0, 0], [0, math.log(3)]]])
    d = explain(net, "b_1^(0)", [[1]], [[1, 0]])
    assert d.value == pytest.approx(-9 / 16)
    assert [path.product for path in d.paths()] == pytest.approx([-9 / 32, -9 / 32])


def test_the_mean_over_a_batch():
    # 1-1-1, w = 1 and 2, no bias: δ^(1) = −2 (y − 2x), ∂f/∂w^(0) = 2 δ^(1) x
    net = Network([1, 1, 1], "identity", "identity", "sse", [[[0], [1]], [[0], [2]]])
    X, Y = [[1], [2], [-1]], [[3], [3], [0]]
    # δ^(1) = −2 (3 − 2), −2 (3 − 4), −2 (0 + 2) = −2, 2, −4; products −4, 8, 8; mean 4
    d = explain(net, "w_11^(0)", X, Y, n="mean")
    assert d.value == 4 and d.example is None
    assert "example 1, the first of 2 whose products are the largest by size." in str(d)
    total = explain(net.backprop(X, Y, reduction="sum"), "w_11^(0)", n="mean")
    assert total.value == 12
    assert explain(net, "w_11^(0)", X, Y, n=2).value == 8
    assert explain(net, "w_11^(0)", X, Y, n=2).example == 2


def test_the_sum_of_a_mean_runs_over_the_examples_as_they_are_counted():
    net = Network([1, 1, 1], "identity", "identity", "sse", [[[0], [1]], [[0], [2]]])
    X, Y = [[1], [2], [-1]], [[3], [3], [0]]
    lines = str(explain(net, "w_11^(0)", X, Y, n="mean")).splitlines()
    assert "∂f/∂w₁₁⁽⁰⁾ = 1/3 Σ(n=0…2) (δ₁⁽⁰⁾ x₁⁽⁰⁾)ₙ" in lines
    # example n's row: 2 δ^(1), x, product
    rows = [line.split() for line in lines if line[:3] in ("0  ", "1  ", "2  ")]
    assert rows == [["0", "−4", "1", "−4"], ["1", "4", "2", "8"], ["2", "−8", "−1", "8"]]
    latex = explain(net, "b_1^(0)", X, Y, n="mean").to_latex()
    assert r"\frac{1}{3} \sum_{n=0}^{2} \left(\delta_{1}^{(0)}\right)_{n}" in latex


def test_of_many_examples_the_largest_products_come_by_size():
    # w = 0 and x = 1: the product of example n is δ = −2 y_n
    y = [1, -9, 0, 0, 5, 7, 2, -3, 4, 6, 8, 0, 0]
    net = Network([1, 1], output="identity", loss="sse", init="zeros")
    text = str(explain(net, "w_11^(0)", [[1]] * 13, [[value] for value in y], n="mean"))
    assert "The 8 largest of the 13 examples' products, by size:" in text
    table = text.split("by size:")[1].split("From here on")[0].splitlines()[4:]
    rows = [line.split() for line in table if line]
    assert [row[0] for row in rows] == ["1", "10", "5", "9", "4", "8", "7", "6"]
    assert [row[-1] for row in rows] == ["18", "−16", "−14", "−12", "−10", "−8", "6", "−4"]
    assert "From here on: example 1, whose product is the largest by size." in text


def test_where_all_products_are_0_none_is_called_the_largest():
    # w = 0 and y = 0: δ = −2 (0 − 0) = 0 in every example
    net = Network([1, 1], output="identity", loss="sse", init="zeros")
    for N, what in (
        (1, "Each example's product:"),
        (3, "Each example's product:"),
        (13, "The first 8 of the 13 examples' products, all of them 0:"),
    ):
        text = str(explain(net, "w_11^(0)", [[1]] * N, [[0]] * N, n="mean"))
        assert what in text
        rows = text.split(what)[1].split("From here on")[0].splitlines()[4:]
        assert [line.split()[0] for line in rows if line] == [str(n) for n in range(min(N, 8))]
        assert "largest" not in text
        why = "the only one" if N == 1 else "the first of them, whose products are all 0"
        assert f"From here on: example 0, {why}." in text


def test_where_all_paths_have_the_product_0_none_is_called_the_largest():
    # every node on the way is off, so that 4 · 4 paths lead nowhere
    net = Network([1, 1, 4, 4, 1], "relu", "identity", "sse", init="zeros")
    text = str(explain(net, "w_11^(0)", [[1]], [[1]]))
    assert "16 paths lead from w₁₁⁽⁰⁾ to f. All products are 0; 8 of them:" in text
    assert "largest" not in text
    net = Network([1, 1, 4, 4, 1], "identity", "identity", "sse")
    assert "16 paths lead from w₁₁⁽⁰⁾ to f. The 8 with the largest |product|:" in str(
        explain(net, "w_11^(0)", [[1]], [[1]])
    )


def test_what_does_not_fit_is_refused():
    net = worked_network()
    trace = net.backprop(INPUT, TARGET)
    with pytest.raises(TypeError, match="net: expected a Network or a Trace"):
        explain("net.npz", "w_12^(1)", INPUT, TARGET)
    with pytest.raises(TypeError, match="X, Y: expected both"):
        explain(net, "w_12^(1)", INPUT)
    with pytest.raises(ValueError, match="X, Y: expected none with a trace"):
        explain(trace, "w_12^(1)", INPUT, TARGET)
    with pytest.raises(ValueError, match="got one of forward"):
        explain(net.forward(INPUT), "w_12^(1)")
    with pytest.raises(ValueError, match="n: expected an integer from 0 to 0; got 1"):
        explain(net, "w_12^(1)", INPUT, TARGET, n=1)
    with pytest.raises(ValueError, match="number of an example or 'mean'; got 'median'"):
        explain(net, "w_12^(1)", INPUT, TARGET, n="median")
    with pytest.raises(ValueError, match=r"mean of δ is that of the bias w_02\^\(1\)"):
        explain(net, "δ_2^(1)", INPUT, TARGET, n="mean")
    with pytest.raises(ValueError, match="Y: expected 2 rows"):
        explain(net, "w_12^(1)", [[1, 2], [3, 4]], TARGET)


def test_everything_public_is_there():
    assert all(hasattr(derivation, name) for name in derivation.__all__)
