"""The map and the distribution: the right colours and shapes, whatever the numbers are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from recorded import history_of

from loopbp.network import Network
from loopbp.report import canvas, gradient_report
from loopbp.report.course import thinned_losses
from loopbp.report.distribution import checkpoint
from loopbp.report.heatmap import heatmap, level_edges


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e-8, 2e-3], [-8, -7, -6, -5, -4, -3, -2]),
        ([0.02, 0.5], [-1.75, -1.5, -1.25, -1, -0.75, -0.5, -0.25]),
        ([1e-30, 1.0], [-30, -25, -20, -15, -10, -5, 0, 5]),
        ([0.1], [-1, -0.75]),
        ([], [0, 1]),
    ],
)
def test_level_edges_by_hand(values: list[float], expected: list[float]) -> None:
    assert list(level_edges(np.array(values))) == pytest.approx(expected)


def test_map_by_hand() -> None:
    """4 steps of 2 layers; layer 0 fades by a factor of 100 a step, then is exactly 0."""
    numbers = np.ones((4, 2, 5))
    numbers[:, 0, 0] = [3e-2, 3e-4, 3e-6, 0]
    history = history_of(numbers, sizes=(3, 4, 2))
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(9, 3)), random.integers(0, 2, 9)
    report = gradient_report(Network([3, 4, 2]), X, Y, history=history, engine="numpy")
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    heatmap(axes, report)
    cells = [patch for patch in axes.patches if patch.get_transform() != axes.transAxes]
    cells = [patch for patch in cells if patch.get_height() == pytest.approx(0.9)]
    found = {(patch.get_x(), round(patch.get_y() + 0.45)): patch.get_facecolor() for patch in cells}
    assert sorted(found) == [(0, 0), (0, 1), (1, 0), (2, 0)]  # nothing at step 4 of layer 0
    assert next(p.get_width() for p in cells if round(p.get_y() + 0.45) == 1) == 4
    # 3e-6 … 1: the levels begin at 1e-6, 1e-5, …, 1, and their 7 colours are spread over the 10.
    expected = [canvas.ramp()[round(level * 9 / 6)] for level in (4, 2, 0)]
    assert [to_hex(found[step, 0]) for step in range(3)] == expected
    assert to_hex(found[0, 1]) == canvas.ramp()[9]
    words = [text.get_text() for text in axes.texts]
    assert "10⁻⁶" in words and "empty: 0,\n∞ or NaN" in words


def test_the_shape_is_the_histogram(report: Any) -> None:
    axes = Figure().add_axes((0.1, 0.1, 0.8, 0.8))
    checkpoint(axes, report)
    shapes = [c for c in axes.collections if len(c.get_paths())]
    assert len(shapes) == 2
    trace_free = report.histograms
    rows = trace_free[(trace_free["quantity"] == "gradient") & (trace_free["l"] == 1)]
    counts = rows.groupby("exponent")["count"].sum()
    vertices = shapes[1].get_paths()[0].vertices
    assert vertices[:, 1].max() == 2.0 ** (counts.index.max() + 1)
    assert vertices[:, 1].min() == 2.0 ** counts.index.min()
    widest = counts.idxmax()
    at = np.isclose(np.abs(vertices[:, 0] - 1), 0.36)
    assert {2.0**widest, 2.0 ** (widest + 1)} <= set(vertices[at, 1])


def test_losses_keep_what_sticks_out() -> None:
    import pandas as pd

    loss = np.linspace(2, 1, 5000)
    loss[[17, 4321]] = [90.0, 1e-6]
    thin = thinned_losses(pd.DataFrame({"step": np.arange(1, 5001), "epoch": 1, "loss": loss}))
    assert len(thin) == 400 and thin["step"].iloc[-1] == 5000
    assert thin["high"].max() == 90 and thin["low"].min() == 1e-6
    assert thin["loss"].iloc[5] == pytest.approx(loss[62:75].mean())
    assert thinned_losses(pd.DataFrame({"step": [], "loss": []})).empty


def test_the_colours_of_the_map_leave_the_paper() -> None:
    for dark in (False, True):
        lights = [sum(int(c[k : k + 2], 16) for k in (1, 3, 5)) for c in canvas.ramp(dark=dark)]
        assert lights == sorted(lights, reverse=not dark)
    assert not set(canvas.ramp()) & set(canvas.colours(12))
