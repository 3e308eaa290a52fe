"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp.report import formats
from loopbp.report.definitions import html, plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.314, "0.31"),
        (0.996, "1"),
        (0.00123, "0.0012"),
        (83.4, "83"),
        (834.0, "830"),
        (41_500.0, "42,000"),
        (999_999.0, "1 × 10⁶"),
        (2.14e-6, "2.1 × 10⁻⁶"),
        (1e-7, "1 × 10⁻⁷"),
        (-0.5, "-0.5"),
        (0.0, "0"),
        (math.nan, "NaN"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_prose(value: float, text: str) -> None:
    assert formats.prose(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (1e-9, "< 0.1 %"),
        (0.0462, "4.6 %"),
        (0.125, "12.5 %"),
        (0.5, "50 %"),
        (0.9999, "> 99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert formats.percent(share) == text


@settings(deadline=None)
@given(st.floats(min_value=5e-324, max_value=1.7e308))
def test_a_column_is_never_off_by_more_than_its_last_digit(value: float) -> None:
    assert float(formats.column(value)) == pytest.approx(value, rel=0.00501)
    assert len(formats.column(value)) <= 9
    assert float(formats.ratio(value)) == pytest.approx(value, rel=0.0501)
    assert len(formats.ratio(value)) <= 8


def test_missing_and_special() -> None:
    assert formats.column(None) == formats.ratio(None) == "—"
    assert formats.column(0.0) == formats.ratio(0.0) == "0"
    assert formats.column(math.nan) == formats.ratio(math.nan) == "NaN"


def test_listing() -> None:
    assert formats.listing(["a"]) == "a"
    assert formats.listing(["a", "b", "c"]) == "a, b and c"
    assert formats.listing(["a", "b"], more=True) == "a, b, …"


def test_formulas() -> None:
    formula = "w_{ij}^{(l)} < n_{l+1}^{2}"
    assert plain(formula) == "w_ij^(l) < n_(l+1)^2"
    assert html(formula) == "w<sub>ij</sub><sup>(l)</sup> &lt; n<sub>l+1</sub><sup>2</sup>"
