"""LaTeX: escaped, balanced, with as many cells in a row as there are columns."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp.network import Network
from loopbp.report import compare_reports, gradient_report, latex


def check(document: str) -> int:
    """Checks what a compiler would check first; returns the number of tables."""
    bare = re.sub(r"\\[\\{}&%$#_]", "", document)
    assert document.isascii()
    assert bare.count("{") == bare.count("}")
    assert re.sub(r"%.*", "", bare).count("$") % 2 == 0
    opened: list[str] = []
    for command, name in re.findall(r"\\(begin|end)\{(\w+)\}", document):
        if command == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    tables = re.findall(
        r"\\begin\{tabular\}\{([^\n]*)\}\n(.*?)\\end\{tabular\}", document, re.DOTALL
    )
    for columns, body in tables:
        width = len(re.findall(r"[lrcp]", re.sub(r"p\{.*?\}\}?", "p", columns)))
        rules = re.findall(r"\\(top|mid|bottom)rule", body)
        assert rules == ["top", "mid", "bottom"]
        for row in re.findall(r"^(.*) \\\\$", body, re.MULTILINE):
            assert len(re.split(r"(?<!\\)&", row)) == width
    return len(tables)


def test_document() -> None:
    random = np.random.default_rng(0)
    data = random.normal(size=(30, 6)), random.integers(0, 3, 30)
    well = gradient_report(Network([6, 5, 3], seed=0), *data, engine="numpy")
    ill = gradient_report(Network([6, *[5] * 9, 3], seed=0), *data, engine="numpy")
    assert check(latex.document(well)) == 1
    text = latex.document(ill)
    assert check(text) == 2 and text.count("\nvanishing &") == len(ill.alarms)
    mantissa, power = f"{ill.layers[0].mean_abs:.2e}".split("e")
    assert rf"${mantissa} \cdot 10^{{{int(power)}}}$" in text


def test_comparison(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data = random.normal(size=(30, 6)), random.integers(0, 3, 30)
    reports = [gradient_report(Network([6, n, 3]), *data, engine="numpy") for n in (4, 5)]
    compare_reports(*reports).write(tmp_path)
    assert check((tmp_path / "compare.tex").read_text()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & #1_a", r"50 \% \& \#1\_a"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("|∂f/∂w| < 10⁻⁷", r"\textbar{}$\partial$f/$\partial$w\textbar{} \textless{} 10$^{-7}$"),
    ],
)
def test_escape(text: str, expected: str) -> None:
    assert latex.escape(text) == expected


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=30))
def test_nothing_active_is_left(text: str) -> None:
    escaped = latex.escape(text)
    rest = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", escaped)
    assert not re.search(r"[&%$#_{}~^\\]", rest)
