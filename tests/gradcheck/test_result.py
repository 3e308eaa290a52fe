"""What the result says."""

from __future__ import annotations

import pytest

from loopbp.gradcheck import Entry, GradientCheckError
from loopbp.network import Network

from .cases import BIG, BIG_X, BIG_Y, check, right, toy


def test_frame_and_summary():
    net, by_hand = toy()
    wrong = [by_hand[0], by_hand[1] + 0.5, *by_hand[2:]]
    result = check(net, [[0.7]], [[0.5]], gradient=wrong)
    columns = ["layer", "i", "j", "analytic", "numeric", "error", "status"]
    assert list(result.frame.columns) == columns
    assert result.frame["status"].tolist() == ["ok", "error", *["ok"] * 6]
    assert result.frame["analytic"].tolist() == wrong
    summary = result.summary.set_index(["layer", "block"])
    assert list(summary.index) == [(l, block) for l in range(4) for block in ("biases", "weights")]
    assert summary.loc[(0, "weights"), "mean_difference"] == pytest.approx(0.5)
    assert summary.loc[(0, "weights"), "mean_analytic"] == pytest.approx(abs(wrong[1]))
    assert summary.loc[(0, "biases"), "mean_difference"] < 1e-9
    assert summary["checked"].tolist() == [1] * 8
    assert summary["error"].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_mean_differences_of_the_blocks_leave_kinks_out():
    net = Network([1, 2, 1], "relu", "identity", "sse", init=[1.0, 0.0, 0.5, 1.0, 0.1, 0.2, 0.3])
    # S = 1 + 0.5·x = 1.5 and S = 0 + 1·x: with x = 0 the second unit stands on the kink
    result = check(net, [[0.0]], [[1.0]])
    row = result.summary.iloc[0]
    assert (row["checked"], row["ok"], row["kink"]) == (2, 1, 1)
    # f = (1 − x)², x = 0.1 + 0.2·1 + 0.3·0 = 0.3: δ^(1) = −1.4, ∂f/∂w_01^(0) = −1.4·0.2
    assert row["mean_analytic"] == pytest.approx(0.28, rel=1e-12)
    assert row["mean_difference"] < 1e-10


@pytest.mark.parametrize(
    ("layer", "i", "j", "name"),
    [
        (2, 2, 1, "w_21^(2)"),
        (0, 0, 1, "w_01^(0)"),
        (1, 2, 10, "w_2,10^(1)"),
        (0, 64, 3, "w_64,3^(0)"),
    ],
)
def test_names_of_entries(layer, i, j, name):
    assert Entry(layer, i, j, 0.0, 0.0, 0.0, "ok").name == name


def test_the_text_is_short_and_names_the_worst():
    wrong = right(BIG, BIG_X, BIG_Y)
    wrong[1][12, 33] *= -1
    result = check(BIG, BIG_X, BIG_Y, gradient=wrong, sample=3443)
    lines = str(result).splitlines()
    assert lines[0] == "Gradient check failed: 3,443 entries compared, 1 beyond tolerance"
    assert lines[1] == "worst: w_12,34^(1), relative error 2.0e+00"
    assert max(len(line) for line in lines) <= 80
    assert len(lines) <= 20
    assert repr(result).startswith("<GradientCheck failed: 3,442 ok, 1 error, 0 kink, 0 unres")
    html = result._repr_html_()
    assert "w_12,34^(1)" in html
    assert html.count("<tr") == 7


def test_raise_if_failed():
    net, by_hand = toy()
    assert check(net, [[0.7]], [[0.5]]).raise_if_failed() is None
    result = check(net, [[0.7]], [[0.5]], gradient=[-by_hand[0], *by_hand[1:]])
    with pytest.raises(GradientCheckError, match=r"worst: w_01\^\(0\)") as caught:
        result.raise_if_failed()
    assert caught.value.check is result
