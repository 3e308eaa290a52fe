"""The picture: the right numbers at the right places, whatever the numbers are."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from recorded import history_of

from loopbp.network import Network
from loopbp.report import GradientReport, LayerGradient, canvas, gradient_report, plot


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot(parts, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_checkpoint_shows_the_means(report: GradientReport) -> None:
    axes = report.plot().axes[0]
    assert axes.get_yscale() == "log"
    (line,) = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
    assert list(line.get_ydata()) == list(report.frame["mean_abs"])
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["layer 0\n4 → 5", "layer 1\n5 → 3"]


def test_course_shows_the_history(report: GradientReport) -> None:
    course = report.plot().axes[1]
    assert course.get_yscale() == "log"
    lines = [line for line in course.lines if len(line.get_xdata()) == 24]
    for l, line in enumerate(lines):
        rows = report.history[report.history["l"] == l]
        assert list(line.get_xdata()) == list(range(1, 25))
        assert list(line.get_ydata()) == list(rows["mean_abs"])
    assert [text.get_text() for text in course.texts if "layer" in text.get_text()]


def test_loss_has_its_own_axes(report: GradientReport) -> None:
    loss = report.plot().axes[2]
    curves = [line for line in loss.lines if len(line.get_xdata()) == 8]
    assert [list(curve.get_ydata()) for curve in curves] == [
        list(report.epochs["loss"]),
        list(report.epochs["validation_loss"]),
    ]
    words = {text.get_text() for text in loss.texts}
    accuracy = report.epochs["validation_accuracy"].iloc[-1]
    assert {"training", "validation"} <= words
    assert any(f"{100 * accuracy:.1f}".removesuffix(".0") in word for word in words)


@pytest.mark.parametrize(
    "means",
    [(0.0, 0.0), (np.nan, np.inf), (0.0, 1e-3), (1e-320, 1e-310), (1e-300, 1e300), (1.0, 1.0)],
)
def test_any_numbers_can_be_drawn(
    report: GradientReport, layer: Callable[..., LayerGradient], means: tuple[float, float]
) -> None:
    layers = tuple(layer(l, mean_abs=mean) for l, mean in enumerate(means))
    steps = np.zeros((4, 2, 5))
    steps[:, :, 0] = means
    drawn = replace(report, layers=layers, run=history_of(steps, sizes=(4, 5, 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert canvas.png(drawn.plot()).startswith(b"\x89PNG")
        for name, figure in plot.panels(drawn):
            assert canvas.svg(figure, name, "a title").endswith("</svg>")


def test_the_users_settings_do_not_matter(report: GradientReport) -> None:
    expected = canvas.png(report.plot())
    with matplotlib.rc_context({"font.size": 20, "axes.labelsize": 30, "xtick.labelsize": 3}):
        assert canvas.png(report.plot()) == expected
        assert matplotlib.rcParams["font.size"] == 20


def test_many_layers() -> None:
    net = Network([3] * 31, hidden="relu", init="he", seed=0)
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(9, 3)), random.integers(0, 3, 9)
    history = history_of(random.random((50, 30, 5)), sizes=(3,) * 31)
    course = gradient_report(net, X, Y, history=history, engine="numpy").plot().axes[1]
    labels = [text for text in course.texts if text.get_text().startswith("layer ")]
    assert 0 < len(labels) <= canvas.MOST_LABELS
    heights = sorted(text.get_position()[1] for text in labels)
    assert min(np.diff(heights)) > 0.03


@pytest.mark.parametrize("layers", [1, 2, 3, 10])
def test_colours_stand_off_the_paper(layers: int) -> None:
    for light, dark in list(canvas.palette(layers).items())[len(canvas.DARK) :][:layers]:
        assert contrast(light, canvas.PAPER) >= 3
        assert contrast(dark, canvas.DARK[canvas.PAPER]) >= 3
    for text in (canvas.INK, canvas.MUTED):
        assert contrast(text, canvas.PAPER) >= 4.5
        assert contrast(canvas.DARK[text], canvas.DARK[canvas.PAPER]) >= 4.5


def test_colours_differ_without_hue() -> None:
    lights = list(canvas.palette(5))[len(canvas.DARK) :][:5]
    assert (np.diff([luminance(colour) for colour in lights]) > 0.01).all()


def test_apart_by_hand() -> None:
    # 10 and 12 want to be 11 apart: 5.5 either side of 11. 60 is left alone.
    assert canvas.apart([10, 12, 60], 11, 100) == pytest.approx([5.5, 16.5, 60])
    assert canvas.apart([0, 0, 0], 10, 100) == pytest.approx([0, 10, 20])
    assert canvas.apart([100, 100], 10, 100) == pytest.approx([90, 100])
    assert canvas.apart([], 10, 100) == []


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=15))
def test_apart_keeps_order_distance_and_bounds(wanted: list[float]) -> None:
    places = canvas.apart(sorted(wanted), 11, 200)
    assert (np.diff(places) >= 11 - 1e-9).all()
    assert min(places) >= -1e-9 and max(places) <= 200 + 1e-9


def test_limits() -> None:
    low, high = canvas.limits([0.0017, 0.0027])
    assert low <= 1e-3 and high >= 1e-2
    low, high = canvas.limits([1e-12, 1.0, 0.0, float("nan")])
    assert 1e-14 < low < 1e-12 and 1 < high < 100


def test_figure_without_a_run(net: Network, data: Any) -> None:
    assert len(gradient_report(net, *data, engine="numpy").plot().axes) == 1
