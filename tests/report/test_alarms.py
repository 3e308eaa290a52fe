"""The alarms: given for networks made ill on purpose, by the right name and layer, and only then.

What an alarm's value should be is computed here with NumPy from the arrays themselves.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pandas as pd
import pytest

import loopbp
from loopbp import SGD, Adam, Network, Recording
from loopbp.report import PRESETS, alarms, gradient_report
from loopbp.report.evidence import constant_loss, copies, of_frames
from loopbp.report.measures import MEASURES
from loopbp.report.words import WORDS

ENGINE = "numpy"

NOT_COMPILED = os.environ.get("NUMBA_DISABLE_JIT") == "1"


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """Some of the digits."""
    train = loopbp.datasets.load("digits").split(seed=0).train
    return train.X[:480], train.Y[:480]


def trained(
    net: Network, data: Any, *, optimizer: Any, epochs: int = 4, batch: int = 16, every: int = 5
) -> Any:
    """The report on a network after its training, or after what stopped it."""
    stopped = None
    if NOT_COMPILED and epochs > 1:  # a step is recorded in some 0.1 s
        every = max(every, epochs * math.ceil(len(data[0]) / batch) // 6)
    with np.errstate(all="ignore"):
        try:
            history = net.fit(
                *data,
                epochs=epochs,
                batch_size=batch,
                optimizer=optimizer,
                report=Recording(every=every),
                engine=ENGINE,
                progress=False,
            )
        except loopbp.NonFiniteError as problem:
            stopped, history = problem, problem.history
        return gradient_report(net, *data, history=history, stopped=stopped, engine=ENGINE)


def layers_of(report: Any, alarm: str) -> list[int]:
    """The layers that have this alarm."""
    rows = report.alarms[report.alarms["alarm"] == alarm]
    return [int(layer) for layer in rows["layer"].dropna()]


def first_alarm(report: Any) -> str:
    """The alarm that the report begins with; the sentence is about it."""
    name = report.alarms["alarm"].iloc[0]
    assert report.findings[0].name == name
    clause = report.findings[0].clause
    assert report.sentence.lower().startswith(clause.lower())
    return str(name)


# --- ill -----------------------------------------------------------------------------------------


def test_a_deep_sigmoid_network_vanishes(digits: Any) -> None:
    net = Network([64, *[16] * 8, 10], seed=1)
    report = trained(net, digits, optimizer=SGD(0.5))
    assert first_alarm(report) == "vanishing"
    assert layers_of(report, "vanishing")[:3] == [0, 1, 2]
    assert "passed in layers 0 to" in report.sentence
    assert "because δ shrinks on its way back" in report.sentence
    trace = net.backprop(*digits, engine=ENGINE)
    means = [np.abs(grad).mean() for grad in trace.grad]
    row = report.alarms.iloc[0]
    assert row["value"] == pytest.approx(means[0] / max(means[1:]), rel=1e-9)
    assert (row["threshold"], row["layer"], row["step"]) == (1e-3, 0, 1)
    assert layers_of(report, "uneven learning")[:2] == [0, 1]


def test_too_large_a_learning_rate_explodes_before_it_overflows(digits: Any) -> None:
    X, Y = digits
    net = Network([64, 16, 8, 1], hidden="identity", output="identity", loss="sse", seed=0)
    data = X, Y[:, None].astype(float)
    report = trained(net, data, optimizer=SGD(0.05), every=1, epochs=1)
    found = report.alarms.set_index(["alarm", "layer"])
    assert first_alarm(report) == "non-finite"
    assert layers_of(report, "exploding") == [0, 1, 2]
    assert layers_of(report, "update too large") == [0, 1, 2]
    assert found.loc[("exploding", 0), "step"] < found.loc["non-finite"]["step"].iloc[0]


def test_a_large_start_explodes_while_still_finite(digits: Any) -> None:
    X, Y = digits
    net = Network(
        [64, 20, 20, 20, 10], hidden="relu", output="identity", loss="mse", init="normal", std=5.0
    )
    report = gradient_report(net, X, Y, engine=ENGINE)
    assert first_alarm(report) == "exploding"
    trace = net.backprop(X, Y, engine=ENGINE)
    ratios = [
        min(np.linalg.norm(g), np.linalg.norm(g) / np.linalg.norm(w))
        for g, w in zip(trace.grad, net.W, strict=True)
    ]
    assert layers_of(report, "exploding") == [l for l, ratio in enumerate(ratios) if ratio > 1e3]
    rows = report.alarms[report.alarms["alarm"] == "exploding"]
    assert rows["value"].max() == pytest.approx(max(ratios), rel=1e-9)


def test_a_number_that_is_not_finite_stops_everything(digits: Any) -> None:
    X, Y = digits
    net = Network([64, 16, 10], hidden="relu", output="identity", loss="sse", init="he")
    report = trained(net, (X, Y), optimizer=SGD(1e160), every=1)
    assert first_alarm(report) == "non-finite"
    assert report.sentence.startswith("Training stops at step 2, because ")
    assert report.alarms.iloc[0]["step"] == 2


def test_biases_of_minus_ten_kill_relus(digits: Any) -> None:
    net = Network([64, 24, 12, 10], hidden="relu", init="he", seed=0)
    net.W[0][0] = -10
    report = trained(net, digits, optimizer=SGD(0.1))
    assert first_alarm(report) == "cut off" and layers_of(report, "cut off") == [0, 1]
    assert layers_of(report, "dead")[0] == 0
    x1 = np.maximum(digits[0] @ net.W[0][1:] + net.W[0][0], 0)
    dead = (x1 == 0).all(axis=0).mean()
    assert report.alarms.set_index(["alarm", "layer"]).loc[("dead", 0), "value"] == dead
    assert "ReLU nodes of layer 2 are dead" in report.sentence


def test_more_than_half_of_the_relus_dead(digits: Any) -> None:
    net = Network([64, 24, 12, 10], hidden="relu", init="he", seed=0)
    net.W[0][0, :15] = -10
    report = trained(net, digits, optimizer=SGD(0.05))
    assert first_alarm(report) == "dead" and layers_of(report, "dead") == [0]
    assert report.sentence.startswith("15 of 24 ReLU nodes of layer 1 are dead")
    assert report.alarms.iloc[0]["value"] == pytest.approx(15 / 24)
    assert report.findings[0].title == "dead ReLU nodes in layer 1, from step 1 to the end"


def test_large_weights_saturate_sigmoids(digits: Any) -> None:
    net = Network([64, 20, 20, 10], seed=0)
    for w in net.W[:2]:
        w *= 60
    report = gradient_report(net, *digits, engine=ENGINE)
    assert first_alarm(report) == "saturated" and layers_of(report, "saturated") == [0, 1]
    S = net.backprop(*digits, engine=ENGINE).S
    slope = 1 / (1 + np.exp(-S[1])) * (1 / (1 + np.exp(S[1])))
    rows = report.alarms.set_index("layer")
    assert rows.loc[1, "value"] == pytest.approx((slope < 0.01 / 4).mean(), abs=1e-12)
    assert "outputs of layer" in report.sentence and "in saturation" in report.sentence


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_weights_that_are_all_the_same_are_a_poor_start(digits: Any, value: float) -> None:
    net = Network([64, 8, 6, 10], seed=0)
    net.theta[...] = value
    report = trained(net, digits, optimizer=SGD(0.5), epochs=2)
    assert first_alarm(report) == "poor initialisation"
    assert layers_of(report, "poor initialisation") == [0, 1]
    assert "copies of each other in layers 1 and 2" in report.sentence
    assert report.sentence.startswith("Training started with")


@pytest.mark.parametrize(("std", "word"), [(4.0, "large"), (1e-3, "small")])
def test_weights_of_the_wrong_size_are_a_poor_start(digits: Any, std: float, word: str) -> None:
    net = Network([64, 30, 20, 10], init="normal", std=std, seed=2)
    first = net.W[0].std()
    report = trained(net, digits, optimizer=SGD(0.5), epochs=2)
    assert first_alarm(report) == "poor initialisation"
    assert f"weights that are too {word}" in report.sentence
    low, high = np.sqrt(1 / 64), np.sqrt(2 / 64)  # LeCun and He; Glorot, √(2/94), lies between
    expected = first / (high if std > 1 else low)
    assert report.alarms.iloc[0]["value"] == pytest.approx(expected, rel=1e-9)


def test_steps_that_are_too_large(digits: Any) -> None:
    net = Network([64, 20, 10], hidden="tanh", seed=0)
    report = trained(net, digits, optimizer=SGD(20), every=1, epochs=2)
    assert layers_of(report, "update too large") == [0, 1]
    net = Network([64, 20, 10], hidden="tanh", seed=0)
    before = [w.copy() for w in net.W]
    net.fit(
        digits[0][:16],
        digits[1][:16],
        batch_size=16,
        shuffle=False,
        optimizer=SGD(20),
        engine=ENGINE,
    )
    history = Network([64, 20, 10], hidden="tanh", seed=0).fit(
        digits[0][:16],
        digits[1][:16],
        batch_size=16,
        shuffle=False,
        optimizer=SGD(20),
        engine=ENGINE,
        report=True,
    )
    found = alarms(history.statistics, history.layers, history.losses)
    moves = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(net.W, before, strict=True)]
    rows = found[found["alarm"] == "update too large"].set_index("layer")
    assert min(moves) > 0.5
    assert list(rows["value"]) == pytest.approx(moves, rel=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("hidden", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("start", ["zeros", "tiny"])
def test_weights_that_start_near_zero_are_no_sign_of_large_steps(
    digits: Any, hidden: str, seed: int, dtype: str, start: str
) -> None:
    rows = np.random.default_rng(seed).permutation(480)
    data = digits[0][rows], digits[1][rows]
    init: dict[str, Any] = {"zeros": {"init": "zeros"}, "tiny": {"init": "normal", "std": 1e-4}}
    net = Network([64, 20, 10], hidden=hidden, seed=seed, dtype=dtype, **init[start])
    report = trained(net, data, optimizer=SGD(0.5), epochs=1, batch=32, every=1)
    moves = report.run.layers.set_index("l").loc[1, "update_weight"]
    assert moves[np.isfinite(moves)].max() > 0.5  # large beside such weights
    names = set(report.alarms["alarm"])
    assert "update too large" not in names
    assert "poor initialisation" in names
    if start == "zeros" and hidden != "sigmoid":  # all x of layer 1 are 0
        assert first_alarm(report) == "cut off" and layers_of(report, "cut off") == [0]


@pytest.mark.parametrize("init", ["zeros", "glorot"])
def test_steps_that_are_large_whatever_the_start(digits: Any, init: str) -> None:
    net = Network([64, 20, 10], hidden="tanh", init=init, seed=0)
    report = trained(net, digits, optimizer=SGD(20), every=1, epochs=1)
    assert layers_of(report, "update too large")[-1] == 1
    layers = report.run.layers[report.run.layers["l"] == 1].set_index("step")
    weights = report.run.statistics[
        (report.run.statistics["quantity"] == "weight") & (report.run.statistics["l"] == 1)
    ].set_index("step")["l2"]
    steps = layers["update_weight"] * weights
    usual = math.sqrt(20 * 10 / 20)  # LeCun: 20 · 10 weights of variance 1/20; Glorot's is 2/30
    value = layers["update_weight"][(steps > usual / 2) & (weights > 0)].max()
    row = report.alarms[report.alarms["alarm"] == "update too large"].iloc[-1]
    assert row["value"] == pytest.approx(value, rel=1e-9)


def test_one_layer_from_zeros_on_noise_is_no_sign_of_large_steps(digits: Any) -> None:
    noise = digits[0], np.random.default_rng(0).permutation(digits[1])
    net = Network([64, 10], init="zeros")
    assert trained(net, noise, optimizer=SGD(0.1), epochs=1, every=1).alarms.empty


def test_a_step_that_is_too_large_comes_before_what_it_does(digits: Any) -> None:
    for hidden, init in (("sigmoid", "glorot"), ("relu", "he")):
        net = Network([64, 32, 16, 10], hidden=hidden, init=init, seed=0)
        report = trained(net, digits, optimizer=SGD(30), epochs=1)
        names = list(dict.fromkeys(report.alarms["alarm"]))
        assert names[0] == "update too large"
        assert names[1] in ("cut off", "saturated")
    net = Network([64, 32, 16, 10], init="normal", std=20.0, seed=0)  # saturated from the start
    names = list(trained(net, digits, optimizer=SGD(500), epochs=1).alarms["alarm"])
    assert names.index("saturated") < names.index("update too large")


def test_steps_that_are_too_small(digits: Any) -> None:
    report = trained(Network([64, 20, 10], seed=0), digits, optimizer=SGD(1e-6))
    assert first_alarm(report) == "update too small"
    assert layers_of(report, "update too small") == [0, 1]
    assert "A larger learning rate" in report.alarms.iloc[0]["advice"]
    assert (report.alarms["alarm"] == "plateau").any()


def test_a_layer_that_learns_a_hundred_times_faster(digits: Any) -> None:
    net = Network([64, 20, 20, 10], hidden="tanh", seed=0)
    net.W[0][...] *= 3e-4  # its steps are as long as before, its weights tiny
    report = trained(net, digits, optimizer=SGD(1e-4), epochs=1)
    assert layers_of(report, "uneven learning") == [1, 2]
    text = next(f.clause for f in report.findings if f.name == "uneven learning")
    assert text.startswith("layer 0 learns up to ")


def test_a_loss_that_does_not_fall(digits: Any) -> None:
    X, Y = digits
    random = np.random.default_rng(0)
    noise = random.normal(size=X.shape), random.permutation(Y)
    net = Network([64, 6, 10], hidden="tanh", seed=0)
    report = trained(net, noise, optimizer=SGD(0.002), epochs=6)
    assert first_alarm(report) == "plateau"
    assert report.alarms["layer"].isna().all()
    losses = report.run.losses["loss"].to_numpy()
    tenth = len(losses) // 10
    fall = 1 - losses[-tenth:].mean() / losses[tenth : 2 * tenth].mean()
    assert report.alarms.iloc[0]["value"] == pytest.approx(fall, rel=1e-9)
    assert "where one constant answer for all examples gives 2.3" in report.sentence


def test_it_is_said_when_the_size_of_the_weights_foretells_the_decay(digits: Any) -> None:
    report = gradient_report(Network([64, *[16] * 8, 10], seed=1), *digits, engine=ENGINE)
    assert "the size of the weights with g′(0) foretells" in report.sentence
    net = Network([64, *[16] * 8, 10], hidden="tanh", init="normal", std=2.0, seed=1)
    ill = gradient_report(net, *digits, engine=ENGINE)
    words = " ".join(finding.clause for finding in ill.findings)
    assert "saturation" in words


# --- well ----------------------------------------------------------------------------------------

WELL: dict[str, tuple[dict[str, Any], Any, int, int]] = {
    "the default": ({}, SGD(0.5), 16, 12),
    "float32": ({"dtype": "float32"}, SGD(0.5), 16, 12),
    "tanh": ({"hidden": "tanh"}, SGD(0.1), 16, 4),
    "tanh lecun": ({"hidden": "tanh", "init": "lecun"}, SGD(0.1), 8, 3),
    "relu": ({"hidden": "relu", "init": "he"}, SGD(0.1), 16, 4),
    "relu float32": ({"hidden": "relu", "init": "he", "dtype": "float32"}, SGD(0.1), 32, 6),
    "relu one by one": ({"hidden": "relu", "init": "he"}, SGD(0.01), 1, 1),
    "relu full batch": ({"hidden": "relu", "init": "he"}, SGD(0.3), 480, 120),
    "adam relu": ({"hidden": "relu", "init": "he"}, Adam(0.005), 16, 4),
    "adam sigmoid": ({}, Adam(0.005), 16, 8),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", WELL)
def test_quiet_where_all_is_well(digits: Any, name: str, seed: int) -> None:
    options, optimizer, batch, epochs = WELL[name]
    net = Network([64, 32, 16, 10], seed=seed, **options)
    report = trained(net, digits, optimizer=optimizer, batch=batch, epochs=epochs, every=1)
    assert report.alarms.empty, report.sentence
    assert not report.alarm
    assert report.sentence.startswith("The gradient reaches every layer")


@pytest.mark.parametrize(("hidden", "init"), [("tanh", "glorot"), ("relu", "he")])
def test_quiet_with_eight_hidden_layers(digits: Any, hidden: str, init: str) -> None:
    net = Network([64, *[24] * 8, 10], hidden=hidden, init=init, seed=0)
    assert trained(net, digits, optimizer=SGD(0.05)).alarms.empty


def test_quiet_before_any_training(digits: Any) -> None:
    for hidden, init in (("sigmoid", "glorot"), ("tanh", "lecun"), ("relu", "he")):
        net = Network([64, 32, 16, 10], hidden=hidden, init=init, seed=0)
        assert gradient_report(net, *digits, engine=ENGINE).alarms.empty


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_rough_start_that_does_no_harm_passes(seed: int) -> None:
    random = np.random.default_rng(seed)
    X = random.normal(size=(300, 5))
    Y = np.sin(X[:, :1]) + X[:, 1:2] / 2
    net = Network([5, 32, 16, 1], hidden="relu", output="identity", loss="mse", init="he", seed=3)
    report = trained(net, (X, Y), optimizer=SGD(0.05), epochs=20)
    assert report.run.layers["update_weight"].iloc[:3].max() > 0.5
    assert report.alarms.empty, report.sentence


def test_logistic_regression_may_start_from_zeros(digits: Any) -> None:
    report = trained(Network([64, 10], init="zeros"), digits, optimizer=SGD(0.1))
    assert report.alarms.empty


def test_a_trained_network_on_flat_ground_has_arrived() -> None:
    X = np.linspace(-1, 1, 40)[:, None]
    net = Network([1, 1], output="identity", loss="mse")
    net.theta[...] = [0.25 + 1e-9, -2.0]
    report = gradient_report(net, X, 0.25 - 2 * X, engine=ENGINE)
    assert report.alarms.empty
    assert 0 < report.layers[0].mean_abs < 1e-7


def test_an_output_that_is_sure_is_not_saturated() -> None:
    X = np.array([[-1.0], [1.0]]).repeat(20, axis=0)
    net = Network([1, 2, 1], hidden="tanh", output="sigmoid", loss="binary_cross_entropy", seed=0)
    net.W[1][1:] = 50
    net.W[0][1:] = 1
    report = gradient_report(net, X, (X > 0).astype(float), engine=ENGINE)
    assert report.layers_frame["saturated"].iloc[1] == 1
    assert "saturated" not in set(report.alarms["alarm"])


# --- the frame and the presets -------------------------------------------------------------------


def test_the_frame(digits: Any) -> None:
    net = Network([64, 20, 10], seed=0)
    history = net.fit(
        *digits, epochs=2, optimizer=SGD(1e-7), report=True, engine=ENGINE, progress=False
    )
    found = alarms(history.statistics, history.layers, history.losses)
    assert list(found)[:8] == [
        *("layer", "step", "alarm", "value", "threshold", "rule", "meaning", "advice")
    ]
    assert list(found["layer"]) == [0, 1] and list(found["step"]) == [1, 1]
    row = found.iloc[0]
    assert (row["alarm"], row["threshold"], row["share"]) == ("update too small", 1e-5, 1.0)
    ratios = history.layers[history.layers["l"] == 0]["update_weight"]
    assert len(ratios) == 4 and row["value"] == ratios.min() < ratios.max()
    assert "1 × 10⁻⁵" in row["rule"] and row["last_step"] == 30
    empty = alarms(history.statistics[:0], history.layers[:0], history.losses[:0])
    assert empty.empty and list(empty) == list(found)
    assert dict(empty.dtypes) == dict(found.dtypes)


def test_sagemaker(digits: Any) -> None:
    published = {rule.alarm: rule.limit for rule in PRESETS["sagemaker"]}
    assert published["vanishing"] == 1e-7 and published["dead"] == 0.5
    assert published["update too large"] == 10 and published["update too small"] == 1e-8
    report = gradient_report(
        Network([64, *[16] * 12, 10], seed=1), *digits, engine=ENGINE, preset="sagemaker"
    )
    means = [layer.mean_abs for layer in report.layers]
    assert layers_of(report, "vanishing") == [l for l, mean in enumerate(means) if mean < 1e-7]
    assert 0 < len(layers_of(report, "vanishing")) < 6
    assert "(threshold 1 × 10⁻⁷)" in report.sentence


def test_unknown_preset(net: Network, data: Any) -> None:
    with pytest.raises(ValueError, match="preset: expected one of relative, sagemaker; got 'rel'"):
        gradient_report(net, *data, preset="rel")
    with pytest.raises(ValueError, match="preset: expected"):
        alarms(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), "rel")
    with pytest.raises(TypeError, match=r"stopped: expected a loopbp\.NonFiniteError"):
        gradient_report(net, *data, stopped=3)  # type: ignore[arg-type]


def test_every_rule_has_a_measure_and_words() -> None:
    for rules in PRESETS.values():
        for rule in rules:
            assert rule.measure in MEASURES and rule.alarm in WORDS
            assert "{" not in rule.text


def test_biases_apart_make_no_difference(digits: Any) -> None:
    frames = []
    for biases in (False, True):
        net = Network([64, 16, 16, 10], seed=0)
        history = net.fit(
            *digits,
            report=Recording(every=5, biases=biases),
            optimizer=SGD(0.5),
            engine=ENGINE,
            progress=False,
        )
        e = of_frames(history.statistics, history.layers, history.losses)
        assert (e.sizes, e.examples) == ((64, 16, 16, 10), 32)
        frames.append(e)
    for name in ("mean_abs", "l2", "zeros", "weight_l2", "update_weight"):
        np.testing.assert_allclose(frames[0].numbers[name], frames[1].numbers[name], rtol=1e-12)


def test_what_was_not_recorded_gives_no_alarm(digits: Any) -> None:
    net = Network([64, 20, 10], seed=0)
    history = net.fit(
        *digits,
        report=Recording(quantities=("weight",)),
        optimizer=SGD(1e-7),
        engine=ENGINE,
        progress=False,
    )
    assert alarms(history.statistics, history.layers, history.losses).empty
    report = gradient_report(net, *digits, history=history, engine=ENGINE)
    assert report.history.empty and not report.alarm


def test_copies_by_hand() -> None:
    W = [
        np.array([[0.0, 0, 1], [1, 1, 2]]),  # nodes 1 and 2 have the same weights in
        np.array([[0.0], [5], [5], [5]]),  # and out
    ]
    assert copies(W)[0] == pytest.approx(2 / 3) and np.isnan(copies(W)[1])
    W[1][2] = 6
    assert copies(W)[0] == 0


def test_constant_loss_by_hand() -> None:
    y = np.array([[0.0], [0], [3]])  # mean 1: squares 1, 1, 4
    assert constant_loss("sse", y) == pytest.approx(2)
    assert constant_loss("half_sse", y) == pytest.approx(1)
    assert constant_loss("mse", np.hstack([y, y])) == pytest.approx(2)
    classes = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    entropy = -(np.log(0.25) / 4 + 3 * np.log(0.75) / 4)
    assert constant_loss("cross_entropy", classes) == pytest.approx(entropy)
    assert constant_loss("binary_cross_entropy", classes[:, :1]) == pytest.approx(entropy)
    assert constant_loss("mse", np.ones((4, 2))) is None
