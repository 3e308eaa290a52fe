"""Sensitivity: the ranking, the levers on a neuron and the wishes of an example, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import DTYPES, EXACT, PROBLEMS, Problem

import loopbp
from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.sensitivity import Sensitivity, sensitivity

a = np.log(3)


def two_two_two(**options) -> Sensitivity:
    """The network of `test_hand_computed`, with its one example."""
    W0 = a * np.array([[1, -1], [-1, 2], [0, 0]])
    W1 = a * np.array([[-2, -1.25], [2, 1], [0, 1]])
    net = Network([2, 2, 2], "sigmoid", "sigmoid", "half_sse", [W0, W1])
    return sensitivity(net, [[1, 2]], [[0.75, 1]], **options)


#: (layer, i, j) and ∂f/∂w by hand, the largest magnitude first; 5a/64 = 0.0858, 3a/64 = 0.0515.
RANKED = [
    ((0, 2, 1), -5 * a / 32),
    ((1, 0, 2), -1 / 8),
    ((1, 0, 1), -3 / 32),
    ((1, 2, 2), -3 / 32),
    ((0, 0, 1), -5 * a / 64),
    ((0, 1, 1), -5 * a / 64),
    ((1, 2, 1), -9 / 128),
    ((1, 1, 2), -1 / 16),
    ((0, 2, 2), -3 * a / 64),
    ((1, 1, 1), -3 / 64),
    ((0, 0, 2), -3 * a / 128),
    ((0, 1, 2), -3 * a / 128),
]


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_the_ranking_by_hand(engine):
    found = two_two_two(engine=engine, eta=0.5).weights
    slopes = np.array([slope for _, slope in RANKED])
    np.testing.assert_allclose(found["derivative"], slopes, rtol=1e-14)
    places = zip(found["layer"], found["i"], found["j"], strict=True)
    rounded = found["magnitude"].round(12)  # rounding may part two that are equal
    ranked = sorted(zip(-rounded, places, strict=True))
    expected = sorted((-round(abs(slope), 12), place) for place, slope in RANKED)
    assert [place for _, place in ranked] == [place for _, place in expected]
    assert found["rank"].tolist() == list(range(1, 13))
    median = (5 * a / 64 + 9 / 128) / 2  # of the sixth and the seventh
    np.testing.assert_allclose(found["ratio"], -slopes / median, rtol=1e-14)
    np.testing.assert_allclose(found["step"], -0.5 * slopes, rtol=1e-14)
    np.testing.assert_allclose(found["change"], -0.5 * slopes**2, rtol=1e-14)
    assert found["value"].iloc[:2].tolist() == [0, -1.25 * a]


def test_the_ratio_of_the_literature():
    """A weight with derivative 3.2 moves the loss 32 times as much as one with 0.1."""
    net = Network([2, 1], output="identity", loss="half_sse", init=[[[0], [1], [1]]])
    found = sensitivity(net, [[3.2, 0.1]], [[2.3]], biases=False).weights
    assert found["derivative"].tolist() == pytest.approx([3.2, 0.1], rel=1e-14)
    assert found["ratio"].iloc[0] / found["ratio"].iloc[1] == pytest.approx(32, rel=1e-13)
    assert (found["i"] > 0).all() and len(found) == 2


def test_equal_derivatives_keep_the_order_of_theta():
    net = Network([40, 1], output="identity", loss="half_sse", init="zeros")
    found = sensitivity(net, [[2, -2, 3, -3] * 10], [[-1]]).weights
    threes = [i for i in range(1, 41) if (i - 1) % 4 > 1]
    twos = [i for i in range(1, 41) if (i - 1) % 4 < 2]
    assert found["i"].tolist() == [*threes, *twos, 0]


def test_zeros_do_not_count_for_the_median():
    # half of the inputs are 0, and with them half of the derivatives: those left are 1, 2, 3
    net = Network([6, 1], output="identity", loss="half_sse", init="zeros")
    found = sensitivity(net, [[0, 1, 0, 2, 0, 3]], [[-1]], biases=False).weights
    assert found["ratio"].tolist() == [1.5, 1, 0.5, 0, 0, 0]
    assert found["i"].tolist() == [6, 4, 2, 1, 3, 5]
    nothing = sensitivity(net, [[0, 1, 0, 2, 0, 3]], [[0]]).weights
    assert nothing["ratio"].isna().all()


def test_the_predicted_and_the_measured_step():
    """f = ½ (w x − y)² with x = 2, w = 1, y = 1: δ = 1; ∂f/∂b = 1, ∂f/∂w = 2; η = 0.1."""
    net = Network([1, 1], output="identity", loss="half_sse", init=[[[0], [1]]])
    found = sensitivity(net, [[2]], [[1]], eta=0.1)
    assert found.loss == 0.5
    assert found.predicted_change == pytest.approx(-0.5)  # −0.1 (1 + 4)
    # b = −0.1, w = 0.8: the output is 1.5, f = ½ · ¼
    assert found.measured_change == pytest.approx(1 / 8 - 1 / 2)
    assert found.weights["change"].sum() == pytest.approx(found.predicted_change)
    assert net.theta.tolist() == [0, 1]


def test_the_three_levers_by_hand():
    """Output 1: δ = −3/32; x = (1, ½, ¾); w = (−2a, 2a, 0)."""
    found = two_two_two().levers(1)
    assert found["lever"].tolist() == ["bias", "weight", "weight", "activation", "activation"]
    assert found["i"].tolist() == [0, 1, 2, 1, 2]
    np.testing.assert_allclose(found["value"], [-2 * a, 2 * a, 0, 1 / 2, 3 / 4], rtol=1e-14)
    np.testing.assert_allclose(found["carries"], [1, 1 / 2, 3 / 4, 2 * a, 0], rtol=1e-14)
    expected = [-3 / 32, -3 / 64, -9 / 128, -3 / 16 * a, 0]
    np.testing.assert_allclose(found["derivative"], expected, rtol=1e-14)
    np.testing.assert_array_equal(found["wish"], -found["derivative"])
    # into the hidden node 2: δ = −3a/128; x = (1, 1, 2); w = (−a, 2a, 0)
    hidden = two_two_two().levers(2, layer=0)["derivative"]
    delta = -3 * a / 128
    expected = [delta, delta, 2 * delta, 2 * a * delta, 0]
    np.testing.assert_allclose(hidden, expected, rtol=1e-14)


def test_what_is_asked_of_the_nodes_before_by_hand():
    found = two_two_two()
    asked = found.asked()
    assert asked[["i", "j"]].to_numpy().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    # δ = (−3/32, −1/8) times w = (2a, a) and (0, a)
    expected = [-3 / 16 * a, -a / 8, 0, -a / 8]
    np.testing.assert_allclose(asked["derivative"], expected, rtol=1e-14)
    np.testing.assert_allclose(found.inputs()["derivative"], [-5 / 16 * a, -a / 8], rtol=1e-14)
    # of the inputs: −5a/64 · (−a) − 3a/128 · 2a = a²/32, and 0
    np.testing.assert_allclose(
        found.inputs(layer=0)["derivative"], [a * a / 32, 0], rtol=1e-13, atol=1e-17
    )
    np.testing.assert_allclose(found.inputs(layer=0)["x"], [1, 2])


def test_one_example_beside_the_mean_by_hand():
    """2-1-1 with relu of `test_hand_computed`: (−3, −6, −3), (−1, −3) and 0, (−3, 0)."""
    net = Network([2, 1, 1], "relu", "identity", "sse", [[[-1], [1], [2]], [[0.5], [3]]])
    found = sensitivity(net, [[2, 1], [1, -1]], [[10], [2]])
    first, second = found.beside_mean(0), found.beside_mean(1)
    assert first["derivative"].tolist() == [-3, -6, -3, -1, -3]
    assert second["derivative"].tolist() == [0, 0, 0, -3, 0]
    assert first["mean"].tolist() == second["mean"].tolist() == [-1.5, -3, -1.5, -2, -1.5]
    assert first["mean_wish"].tolist() == [1.5, 3, 1.5, 2, 1.5]
    assert not first["against"].any() and not second["against"].any()  # 0 is against nothing
    assert first[["layer", "i", "j"]].to_numpy().tolist() == [
        [0, 0, 1],
        [0, 1, 1],
        [0, 2, 1],
        [1, 0, 1],
        [1, 1, 1],
    ]


def test_against_the_mean():
    """A line through 0: the examples pull the bias by 1 and by −3."""
    net = Network([1, 1], output="identity", loss="half_sse", init="zeros")
    found = sensitivity(net, [[1], [1]], [[-1], [3]])
    assert found.beside_mean(0)["against"].tolist() == [True, True]
    assert found.beside_mean(1)["against"].tolist() == [False, False]


@pytest.mark.parametrize("problem", PROBLEMS[::4], ids=str)
def test_what_is_asked_is_the_sum_over_paths(problem):
    """Below a hidden layer, ∂f/∂x_i · g′(S_i) is that layer's δ_i."""
    X, Y = problem.data()
    net = problem.network()
    found, trace = sensitivity(net, X, Y), net.backprop(X, Y)
    n = problem.N - 1
    for l in range(1, net.L):
        asked = found.asked(n, l).groupby("i")["derivative"].sum()
        summed = found.inputs(n, l)["derivative"].to_numpy()
        rtol = 1e-12 if problem.dtype == "float64" else 1e-4
        np.testing.assert_allclose(asked, summed, rtol=rtol, atol=rtol)
        alone = trace.delta[l][n] @ net.W[l][1:].T
        np.testing.assert_allclose(summed, alone, rtol=rtol, atol=rtol)


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    N=st.integers(1, 5),
    seed=st.integers(0, 2**16),
)
def test_the_derivatives_by_differences(sizes, N, seed):
    """∂f/∂x of the input, and the levers of an output, against changes of the loss."""
    hidden = ("tanh",) * (len(sizes) - 2)
    problem = Problem(tuple(sizes), hidden, "sigmoid", "sse", N, "float64", seed)
    net, (X, Y) = problem.network(), problem.data()
    found, n, h = sensitivity(net, X, Y), N - 1, 1e-6

    def loss(row: np.ndarray) -> float:
        return net.backprop(row[None], Y[n : n + 1]).loss

    steps = h * np.eye(sizes[0])
    slopes = [(loss(X[n] + step) - loss(X[n] - step)) / (2 * h) for step in steps]
    np.testing.assert_allclose(found.inputs(n, 0)["derivative"], slopes, rtol=1e-5, atol=1e-7)
    j = found.strongest(n)
    assert j == 1 + np.argmax(np.abs(net.backprop(X, Y).delta[-1][n]))
    own = found.beside_mean(n)
    last = own[(own["layer"] == net.L - 1) & (own["j"] == j)]["derivative"]
    levers = found.levers(j, n)
    parameters = levers[levers["lever"] != "activation"]["derivative"]
    np.testing.assert_array_equal(parameters, last)
    activations = levers[levers["lever"] == "activation"]["derivative"].to_numpy()
    asked = found.asked(n)
    np.testing.assert_array_equal(activations, asked[asked["j"] == j]["derivative"])


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**16), eta=st.sampled_from([1e-4, 0.1, 3.0]), dtype=st.sampled_from(DTYPES)
)
def test_the_step_is_the_one_that_fit_takes(seed, eta, dtype):
    problem = Problem((3, 4, 2), ("sigmoid",), "softmax", "cross_entropy", 6, dtype, seed)
    net, (X, Y) = problem.network(), problem.data()
    found = sensitivity(net, X, Y, eta=eta)
    before = net.evaluate(X, Y).loss
    net.fit(X, Y, batch_size=6, shuffle=False, optimizer=SGD(eta=eta))
    changed = net.evaluate(X, Y).loss - before
    assert found.measured_change == pytest.approx(
        changed, rel=0, abs=1e-6 if dtype == "float32" else 1e-15
    )
    order = np.lexsort([found.weights[name] for name in ("j", "i", "layer")])
    moved = (found.weights["value"] + found.weights["step"]).to_numpy()[order]
    np.testing.assert_allclose(moved, net.theta, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.levers(3), "neuron: expected an integer from 1 to 2; got 3"),
        (lambda s: s.levers(0), "neuron: expected an integer from 1 to 2; got 0"),
        (lambda s: s.levers(1, 1), "example: expected an integer from 0 to 0; got 1"),
        (lambda s: s.asked(layer=2), "layer: expected an integer from 0 to 1; got 2"),
        (lambda s: s.inputs(-1), "example"),
        (lambda s: s.text(0), "count"),
        (lambda s: s.to_dict(neuron=9), "neuron"),
    ],
)
def test_places_that_there_are_not(call, message):
    with pytest.raises(ValueError, match=message):
        call(two_two_two())


def test_bad_input():
    net = Network([2, 3, 2])
    with pytest.raises(TypeError, match=r"net: expected a loopbp.Network"):
        sensitivity(None, [[1, 2]], [0])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="eta: expected a finite number > 0"):
        sensitivity(net, [[1, 2]], [0], eta=0)
    with pytest.raises(TypeError, match="biases"):
        sensitivity(net, [[1, 2]], [0], biases="no")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Y"):
        sensitivity(net, [[1, 2]], [2])


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_overflow():
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]])
    with pytest.raises(ValueError, match="overflow"):
        sensitivity(net, [[1e200]], [[0]])


def test_json():
    found = json.loads(two_two_two().to_json(count=3))
    assert [row["derivative"] for row in found["weights"]] == pytest.approx(
        [slope for _, slope in RANKED[:3]]
    )
    assert found["weights"][0]["layer"] == 0 and found["weights"][0]["i"] == 2
    assert (found["example"], found["neuron"], found["examples"]) == (0, 2, 1)
    assert len(found["beside_mean"]) == 3 and len(found["levers"]) == 5
    assert len(two_two_two().to_dict()["weights"]) == 12


def test_what_a_person_sees():
    found = two_two_two()
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "Example 0, output 2: x = 0.5, wanted 1, δ = −0.125" in text
    # −5a/32 = −0.172, and 2.2 times the median, 0.0781
    assert "w_21^(0)" in text and "−0.172" in text and "2.2" in text
    assert "2-2-2" in repr(found) and "<table" in found._repr_html_()
    assert len(found.plot().axes) == 2


def test_square_inputs_are_drawn_as_images():
    net = Network([16, 3, 2], seed=1)
    found = sensitivity(net, np.random.default_rng(0).random((3, 16)), [0, 1, 1])
    images = [ax.images[0].get_array() for ax in found.plot(2).axes[:4]]
    np.testing.assert_allclose(images[0].ravel(), found.trace.x[0][2, 1:])
    np.testing.assert_allclose(images[1].ravel(), found.inputs(2, 0)["wish"])
    # the hidden node whose weights get the longest wish: |δ_j| |x|, so the largest |δ_j|
    node = 1 + np.argmax(np.abs(found.trace.delta[0][2]))
    apart = found.beside_mean(2)
    apart = apart[(apart["layer"] == 0) & (apart["i"] > 0) & (apart["j"] == node)]
    np.testing.assert_allclose(images[2].ravel(), apart["wish"])
    np.testing.assert_allclose(images[3].ravel(), apart["mean_wish"])


def test_it_is_exported():
    assert loopbp.sensitivity is sensitivity
