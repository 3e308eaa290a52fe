"""What a trace shows: its frame, and itself."""

from __future__ import annotations

from typing import Any

import pytest

from loopbp.network import Network
from loopbp.trace import Trace


@pytest.fixture
def small_trace() -> Trace:
    """2-2-1 with relu and identity on two examples; every number of it is written out below."""
    weights = [[[0, 1], [1, 0], [0, -1]], [[0.5], [2], [-1]]]
    net = Network([2, 2, 1], "relu", "identity", "sse", weights)
    return net.backprop([[3, 1], [-1, 2]], [1, 0])


def value(frame: Any, quantity: str, **indices: int) -> float:
    """The only row of the frame with these indices, and with no others."""
    rows = frame[frame["quantity"] == quantity]
    for name in ("l", "n", "i", "j"):
        column = rows[name]
        rows = rows[column == indices[name]] if name in indices else rows[column.isna()]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def test_to_frame_has_a_row_per_number_by_the_legends_indices(small_trace):
    frame = small_trace.to_frame()
    assert list(frame.columns) == ["quantity", "l", "n", "i", "j", "value"]
    assert frame["quantity"].value_counts().to_dict() == {
        "w": 6 + 3, "x": 2 * 3 + 2 * 3 + 2, "S": 4 + 2, "delta": 4 + 2, "grad": 6 + 3, "loss": 2
    }  # fmt: skip
    assert (frame[["l", "n", "i", "j"]].dtypes == "Int64").all()
    # example 0: S = (3, 1 − 1), x = (3, 0), S = 0.5 + 6 = 6.5; f = (1 − 6.5)²; δ = 11
    # example 1: S = (−1, 1 − 2), x = (0, 0), S = 0.5; f = 0.25; δ = 1; the hidden δ are 22, 0, 0, 0
    assert value(frame, "w", l=0, i=2, j=2) == -1
    assert value(frame, "w", l=1, i=0, j=1) == 0.5
    assert value(frame, "x", l=0, n=1, i=0) == 1
    assert value(frame, "x", l=0, n=1, i=2) == 2
    assert value(frame, "x", l=1, n=0, i=1) == 3
    assert value(frame, "x", l=2, n=0, i=1) == 6.5  # the last layer has no node 0
    assert value(frame, "S", l=0, n=1, j=2) == -1
    assert value(frame, "S", l=1, n=1, j=1) == 0.5
    assert value(frame, "delta", l=1, n=0, j=1) == 11
    assert value(frame, "delta", l=0, n=0, j=1) == 22
    assert value(frame, "delta", l=0, n=0, j=2) == 0
    assert value(frame, "grad", l=1, i=0, j=1) == 6  # (11 + 1) / 2
    assert value(frame, "grad", l=1, i=1, j=1) == 16.5  # (11 · 3 + 1 · 0) / 2
    assert value(frame, "grad", l=0, i=1, j=1) == 33  # (22 · 3) / 2
    assert value(frame, "loss", n=0) == 30.25


def test_to_frame_of_a_forward_pass():
    frame = Network([2, 3, 2]).forward([[1, 2]]).to_frame()
    assert set(frame["quantity"]) == {"w", "x", "S"}
    assert len(frame) == 9 + 8 + (3 + 4 + 2) + (3 + 2)


def test_how_a_trace_shows_itself(small_trace):
    assert repr(small_trace) == (
        f"<Trace 2-2-1: 2 examples, loss 15.25 (mean), engine {small_trace.engine}>"
    )
    html = small_trace._repr_html_()
    assert "max |S| = 6.5" in html and "max |δ| = 22" in html and "max |∂f/∂w| = 33" in html
    half = Network([2, 2]).forward([[1, 2]])
    assert repr(half) == f"<Trace 2-2: 1 example, forward only, engine {half.engine}>"
    assert "δ" not in half._repr_html_()
