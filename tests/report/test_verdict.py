"""The sentence: right in each case, on networks made for it and on numbers made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loopbp.network import Network
from loopbp.report import LayerGradient, gradient_report, verdict
from loopbp.report.alarms import watch
from loopbp.report.evidence import of_checkpoint
from loopbp.report.statistics import Nodes
from loopbp.report.verdict import sentence

Make = Callable[..., LayerGradient]


@pytest.fixture(scope="module")
def points() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    return random.normal(size=(60, 6)), random.integers(0, 3, 60)


def findings(layers: list[LayerGradient], examples: int = 1) -> tuple[verdict.Finding, ...]:
    """What is said of these layers; `examples`: over how many the gradient is a sum."""
    evidence = of_checkpoint(layers, examples=100, divisor=examples)
    return verdict.findings(watch(evidence), evidence)


def report_of(net: Network, points: tuple[Any, Any]) -> Any:
    with np.errstate(all="ignore"):
        return gradient_report(net, *points, engine="numpy")


def names(report: Any) -> list[str]:
    return [finding.name for finding in report.findings]


def test_healthy(points: Any) -> None:
    report = report_of(Network([6, 8, 8, 3], hidden="tanh", seed=0), points)
    means = [layer.mean_abs for layer in report.layers]
    assert names(report) == ["even"] and not report.alarm
    assert report.sentence == (
        f"The gradient reaches every layer: layer 0 carries {means[0] / means[2]:.2f} times the "
        "mean |∂f/∂w| of layer 2, the last, and none vanishes or explodes."
    )


def test_vanishing(points: Any) -> None:
    report = report_of(Network([6, *[8] * 9, 3], hidden="sigmoid", seed=0), points)
    means = np.array([layer.mean_abs for layer in report.layers])
    below = [l for l in range(9) if means[l] < 1e-3 * means[l + 1 :].max()]
    assert names(report)[0] == "vanishing" and report.alarm
    assert report.findings[0].layer == 0
    assert report.findings[0].value == pytest.approx(means[0] / means.max(), rel=1e-12)
    assert f"passed in layers 0 to {below[-1]}" in report.sentence
    assert "because δ shrinks on its way back" in report.sentence
    assert report.sentence.startswith("The gradient vanishes towards the input: layer 0's mean")


def test_exploding_by_its_norm(points: Any) -> None:
    net = Network(
        [6, 20, 20, 3], hidden="relu", output="identity", loss="sse", init="normal", std=20.0
    )
    report = report_of(net, points)
    assert names(report)[0] == "exploding" and report.alarm
    layer = report.layers[report.findings[0].layer]
    assert report.findings[0].value == pytest.approx(layer.l2 / layer.weight_l2)
    assert "The gradient explodes in layers 0 to 2: its L2 norm is" in report.sentence


def test_norm_rule_refers_to_the_mean(layer: Make) -> None:
    layers = [layer(0, l2=50_000.0, weight_l2=2.0), layer(1)]
    assert findings(layers)[0].name == "exploding"
    assert findings(layers, examples=10)[0].value == 2500  # 50,000 / 10 / 2
    assert findings(layers, examples=100)[0].name == "even"


def test_reduction_does_not_change_the_verdict(points: Any) -> None:
    # Outputs are near 0 and targets 40, so each bias has a mean gradient near −2 · 40: the L2 norm
    # is about 140 for the mean, and 60 times that for the sum, which alone would be an alarm.
    net = Network([6, 3], output="identity", loss="sse", init="normal", std=0.1)
    for reduction in ("mean", "sum"):
        report = gradient_report(
            net, points[0], np.full((60, 3), 40.0), engine="numpy", reduction=reduction
        )
        assert names(report) == ["single"]


def test_exploding_towards_the_input(layer: Make) -> None:
    layers = [layer(0, mean_abs=20.0, delta_norm=300.0), layer(1), layer(2)]
    finding = findings(layers)[0]
    assert (finding.name, finding.layer, finding.threshold) == ("exploding", 0, 1e3)
    assert finding.value == pytest.approx(2000)
    assert finding.clause == (
        "the gradient explodes towards the input: layer 0's mean |∂f/∂w| is 2,000 times that of "
        "layer 1 (threshold 1,000), because δ grows on its way back"
    )


def test_the_cause_is_the_larger_factor(layer: Make) -> None:
    # A ratio of 1/10,000 is half explained, in orders of magnitude, by a δ of 1/100.
    for delta_norm, cause in ((0.0009, "because δ shrinks"), (0.0011, "mostly because the x")):
        found = findings([layer(0, mean_abs=1e-6, delta_norm=delta_norm), layer(1)])
        assert cause in found[0].clause


def test_large_or_small_inputs_are_named_as_the_cause(layer: Make) -> None:
    large = findings([layer(0, mean_abs=20.0, delta_norm=0.2), layer(1)])[0]
    assert large.clause.endswith("mostly because the x that enter layer 0 are larger")
    small = findings([layer(0, mean_abs=1e-6, delta_norm=0.09), layer(1)])[0]
    assert small.name == "vanishing"
    assert small.clause.endswith("mostly because the x that enter layer 0 are smaller")


@pytest.mark.parametrize(
    ("mean", "name"),
    [
        (0.99e-5, "vanishing"),
        (1.01e-5, "uneven"),
        (0.99e-3, "uneven"),
        (1.01e-3, "even"),
        (0.099, "even"),
        (0.101, "uneven"),
        (9.99, "uneven"),
        (10.01, "exploding"),
    ],
)
def test_thresholds(layer: Make, mean: float, name: str) -> None:
    assert findings([layer(0, mean_abs=mean), layer(1)])[0].name == name


def test_uneven(layer: Make) -> None:
    found = findings([layer(0, mean_abs=0.0002), layer(1)])
    assert sentence(found) == (
        "The gradient reaches every layer, but unevenly: layer 0's mean |∂f/∂w| is 0.02 times "
        "that of layer 1, so that with one learning rate a step of gradient descent moves its "
        "weights 50 times less on average."
    )
    assert not found[0].alarm


def test_flat(layer: Make) -> None:
    layers = [layer(0, mean_abs=4e-8), layer(1, mean_abs=9e-8)]
    finding = findings(layers)[0]
    assert (finding.name, finding.value, finding.alarm) == ("plateau", 9e-8, True)
    assert "at most 9 × 10⁻⁸ in every layer (threshold 10⁻⁷)" in finding.clause.replace("1 × ", "")
    sums = [layer(0, mean_abs=4e-7), layer(1, mean_abs=9e-7)]
    assert findings(sums)[0].name == "even"
    assert findings(sums, examples=10)[0].name == "plateau"


def test_one_layer(points: Any) -> None:
    report = report_of(Network([6, 3], seed=0), points)
    assert names(report) == ["single"] and not report.alarm
    assert report.sentence.startswith("The network has one layer of weights")
    assert report.layers[0].ratio is None


def test_not_finite(points: Any) -> None:
    net = Network(
        [6, 8, 8, 3], hidden="exp", output="identity", loss="sse", init="normal", std=40.0
    )
    report = report_of(net, points)
    assert names(report) == ["non-finite"] and report.alarm
    assert "not finite in layers 0 to 2: going backward this begins in layer 2" in report.sentence


def test_a_nan_among_finite_entries_is_not_overlooked(layer: Make) -> None:
    found = findings([layer(0, finite=False, mean_abs=np.nan), layer(1)])
    assert found[0].name == "non-finite" and found[0].layer == 0


def test_inputs_that_are_zero(points: Any) -> None:
    X, Y = points
    X = X * [1, 0, 1, 0, 1, 1]
    report = report_of(Network([6, 8, 3], hidden="tanh", seed=0), (X, Y))
    assert names(report) == ["even", "zeros"]
    assert report.sentence.endswith(
        # 2 rows of 8 among 7 rows of 8
        "; 28.6 % of layer 0's entries are exactly 0, all of them weights from the 2 inputs that "
        "are 0 in every example (i = 2 and 4)."
    )


def test_dead_relu(points: Any) -> None:
    net = Network([6, 8, 3], hidden="relu", init="he", seed=0)
    net.W[0][0, [1, 4]] = -1000
    report = report_of(net, points)
    assert names(report) == ["even", "dead nodes"] and not report.alarm
    assert report.sentence.endswith(
        "; 2 of 8 ReLU nodes of layer 1 are dead, 0 in every example (j = 2 and 5), which makes "
        "25 % of layer 0's entries exactly 0."
    )
    net.W[0][0, [0, 2, 3]] = -1000
    assert report_of(net, points).alarm  # 5 of 8 are more than half


def test_dead_layer_cuts_the_gradient_off(points: Any) -> None:
    net = Network([6, 8, 5, 3], hidden="relu", init="he", seed=0)
    net.W[1][0] = -1000
    report = report_of(net, points)
    assert names(report) == ["cut off", "dead"] and report.alarm
    assert report.sentence == (
        "No gradient reaches layers 0 and 1: every entry is exactly 0, because all 5 ReLU nodes "
        "of layer 2 are dead, 0 in every example; also: dead ReLU nodes in layer 2."
    )


def test_zero_weights_cut_the_gradient_off(points: Any) -> None:
    net = Network([6, 8, 5, 3], hidden="sigmoid", seed=0)
    net.W[2][1:] = 0
    report = report_of(net, points)
    assert names(report) == ["cut off"]
    assert "because all weights of layer 2 that would carry it back are 0" in report.sentence


def test_nothing_but_zeros() -> None:
    net = Network([2, 2, 1], hidden="tanh", output="identity", loss="sse", init="zeros")
    report = report_of(net, (np.ones((3, 2)), np.zeros((3, 1))))
    assert names(report) == ["all zero", "poor initialisation"] and report.alarm
    assert report.sentence == (
        "The gradient is exactly 0 in every layer, so training cannot move: δ of layer 1 is 0 in "
        "every example; also: poor initial weights in layer 0."
    )


def test_examples_that_cancel() -> None:
    net = Network([1, 1], output="identity", loss="sse", init="zeros")
    report = report_of(net, (np.array([[1.0], [1.0]]), np.array([[1.0], [-1.0]])))
    assert "the products of δ and x in layer 0 add up to 0 over the examples" in report.sentence


def test_several_reasons_for_zeros(layer: Make) -> None:
    found = findings(
        [
            layer(
                0,
                zeros=0.52,
                zero_inputs=Nodes(1, 4, (3,)),
                zero_deltas=Nodes(1, 5, (2,)),
                zeros_from_inputs=5 / 25,
                zeros_from_deltas=4 / 25,
            ),
            layer(1),
        ]
    )
    assert found[1].clause == (
        "52 % of layer 0's entries are exactly 0: 20 % weights from the one input that is 0 in "
        "every example (i = 3), 16 % weights into the one node whose δ is 0 in every example "
        "(j = 2) and 16 % sums that come out as 0 though neither x nor δ always is"
    )


def test_few_zeros_pass_without_remark(layer: Make) -> None:
    assert len(findings([layer(0, zeros=0.009), layer(1)])) == 1
