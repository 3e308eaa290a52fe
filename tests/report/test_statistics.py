"""The numbers: against arithmetic by hand, and against NumPy on the same arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recorded import history_of

from loopbp.network import Network
from loopbp.report import gradient_report
from loopbp.report.course import MOST_POINTS, course
from loopbp.report.statistics import Checkpoint, Nodes, layer_gradients
from loopbp.trace import Trace
from loopbp.workspace import Architecture


@pytest.fixture
def trace() -> Trace:
    """Two layers, 2 → 2 → 1, two examples; input 2 is always 0, hidden node 1 is dead."""
    x0 = np.array([[1.0, 2, 0], [1, 4, 0]])
    x1 = np.array([[1.0, 0, 3], [1, 0, 5]])
    delta0 = np.array([[0.0, 3], [0, -1]])
    delta1 = np.array([[4.0], [-3]])
    return Trace(
        Architecture((2, 2, 1), ("relu", "identity"), "sse", np.dtype("float64")),
        "numpy",
        "mean",
        W=(np.array([[3.0, 0], [0, 4], [0, 0]]), np.array([[0.0], [1], [0]])),
        x=(x0, x1, np.zeros((2, 1))),
        S=(np.zeros((2, 2)), np.zeros((2, 1))),
        delta=(delta0, delta1),
        # ∂f/∂w_ij = mean of δ_j x_i: (3 − 1)/2 = 1 and (6 − 4)/2 = 1; (4 − 3)/2 = 0.5, 0, −1.5
        grad=(np.array([[0.0, 1], [0, 1], [0, 0]]), np.array([[0.5], [0], [-1.5]])),
        losses=np.zeros(2),
        y=np.zeros((2, 1)),
        loss=0.0,
    )


def test_by_hand(trace: Trace) -> None:
    first, last = layer_gradients(Checkpoint.of(trace))
    assert (first.n_in, first.n_out, first.parameters, first.activation) == (2, 2, 6, "relu")
    assert first.mean_abs == pytest.approx(2 / 6)
    assert first.l2 == pytest.approx(np.sqrt(2))
    assert first.max_abs == 1
    assert first.zeros == pytest.approx(4 / 6)
    assert first.delta_norm == pytest.approx(np.sqrt((9 + 1) / 2))
    assert first.weight_l2 == 5
    assert last.mean_abs == pytest.approx(2 / 3)
    assert last.delta_norm == pytest.approx(np.sqrt((16 + 9) / 2))
    assert first.ratio == pytest.approx(0.5)
    assert last.ratio is None


def test_where_zeros_come_from(trace: Trace) -> None:
    first, last = layer_gradients(Checkpoint.of(trace))
    assert first.zero_inputs == Nodes(1, 2, (2,))
    assert first.zero_deltas == Nodes(1, 2, (1,))
    assert first.dead == Nodes(1, 2, (1,))
    # Row 2 has two entries; column 1 has two more.
    assert first.zeros_from_inputs == pytest.approx(2 / 6)
    assert first.zeros_from_deltas == pytest.approx(2 / 6)
    assert last.zero_inputs == Nodes(1, 2, (1,))
    assert last.dead.count == last.zero_deltas.count == 0
    assert not first.cut_off and not last.cut_off


def test_only_relu_can_be_dead(trace: Trace) -> None:
    tanh = Architecture((2, 2, 1), ("tanh", "identity"), "sse", np.dtype("float64"))
    first = layer_gradients(Checkpoint.of(Trace(**{**vars(trace), "architecture": tanh})))[0]
    assert first.dead.count == 0
    assert first.zero_deltas.count == 1


def test_node_lists_are_short() -> None:
    nodes = Nodes.where(np.ones(100, dtype=bool))
    assert (nodes.count, nodes.of, nodes.first) == (100, 100, (1, 2, 3, 4, 5, 6, 7, 8))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frame_agrees_with_numpy(dtype: str, reduction: str) -> None:
    random = np.random.default_rng(1)
    X, Y = random.normal(size=(40, 6)), random.integers(0, 4, 40)
    net = Network([6, 7, 5, 4], hidden=["tanh", "relu"], seed=2, dtype=dtype)
    trace = net.backprop(X, Y, engine="numpy", reduction=reduction)
    frame = gradient_report(net, X, Y, engine="numpy", reduction=reduction).frame
    assert trace.grad is not None and trace.delta is not None
    assert list(frame["l"]) == [0, 1, 2]
    assert list(frame["parameters"]) == [49, 40, 24]
    for l, (grad, delta) in enumerate(zip(trace.grad, trace.delta, strict=True)):
        g, d, row = np.abs(grad.astype(float)), delta.astype(float), frame.iloc[l]
        # Sums of at most 160 float64 terms: a relative error of 1e-13 is more than they can have.
        np.testing.assert_allclose(row["mean_abs"], g.mean(), rtol=1e-13)
        np.testing.assert_allclose(row["l2"], np.linalg.norm(g), rtol=1e-13)
        assert row["max_abs"] == g.max()
        assert row["zeros"] == (g == 0).mean()
        rms = np.sqrt((np.linalg.norm(d, axis=1) ** 2).mean())
        np.testing.assert_allclose(row["delta_norm"], rms, rtol=1e-13)
    means = frame["mean_abs"].to_numpy()
    np.testing.assert_allclose(frame["ratio"][:2], means[:2] / means[1:], rtol=1e-15)
    assert np.isnan(frame["ratio"][2])


def test_course_of_a_short_run_is_the_run_itself(run: Any) -> None:
    history = run[1]
    frame = course(history.statistics, history.layers)
    steps = history.gradients
    assert len(frame) == len(steps) == 4 * 2  # steps 1, 11, 21 and 24 of 8 epochs with 3 steps
    assert list(frame["step_first"]) == list(frame["step_last"]) == list(steps["step"])
    assert list(frame["epoch"]) == list(steps["epoch"]) == [1, 1, 4, 4, 7, 7, 8, 8]
    for name in ("mean_abs", "l2", "max_abs"):
        assert list(frame[name]) == list(steps[name])
    assert list(frame["zeros"]) == list(steps["zeros"] / steps["count"])
    ratios = history.layers
    for name in ("update_weight", "update_weight_low", "update_weight_high"):
        assert list(frame[name]) == list(ratios["update_weight"])


def test_course_of_a_long_run_is_bounded_and_complete() -> None:
    random = np.random.default_rng(0)
    blocks = [random.random((137, 2, 5)) for _ in range(5)]
    history = history_of(*blocks, sizes=(2, 3, 4))
    frame = course(history.statistics, history.layers)
    assert len(frame) == MOST_POINTS * 2
    steps = np.concatenate(blocks)
    first = frame["step_first"][::2].to_numpy()
    last = frame["step_last"][::2].to_numpy()
    assert first[0] == 1 and last[-1] == 685
    assert list(first[1:]) == list(last[:-1] + 1)
    part = frame[(frame["step_first"] == first[40]) & (frame["l"] == 1)].iloc[0]
    within = steps[first[40] - 1 : last[40], 1]
    np.testing.assert_allclose(part["mean_abs"], within[:, 0].mean(), rtol=1e-14)
    assert part["max_abs"] == within[:, 2].max()
    assert part["mean_abs_low"] == within[:, 0].min()
    assert part["mean_abs_high"] == within[:, 0].max()
    assert part["epoch"] == (last[40] - 1) // 137 + 1


def test_without_a_run_the_course_is_empty(net: Network, data: Any) -> None:
    report = gradient_report(net, *data, engine="numpy")
    assert report.history.empty and report.epochs.empty
    assert "mean_abs" in report.history


def test_report_changes_nothing(net: Network, data: Any) -> None:
    before = net.theta.copy()
    X = data[0].copy()
    gradient_report(net, *data, engine="numpy")
    assert (net.theta == before).all() and (data[0] == X).all()


def test_bad_arguments(net: Network, data: Any, run: Any) -> None:
    with pytest.raises(TypeError, match=r"net: expected a loopbp\.Network; got 'net'"):
        gradient_report("net", *data)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"history: expected what Network\.fit returns"):
        gradient_report(net, *data, history=pd.DataFrame())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"history: .* 1 layers of weights; got one with 2"):
        gradient_report(Network([4, 3]), *data, history=run[1])
    with pytest.raises(ValueError, match="reduction: expected one of mean, sum; got 'men'"):
        gradient_report(net, *data, reduction="men")
