"""The derivation in every format: readable, bounded, and well-formed."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from problems import PROBLEMS

from loopbp.derivation import INPUT, NOTATIONS, TARGET, explain, worked_network
from loopbp.derivation.blocks import Equation, Heading, Paragraph, Table
from loopbp.derivation.lecture import COMMAND, lecture
from loopbp.derivation.render import html, latex, markdown, terminal
from loopbp.derivation.spelling import code, count, number
from loopbp.network import Network

#: One of every pair of output and loss, and the shapes, in one dtype.
SAMPLES = PROBLEMS[::3]

ROOT = Path(__file__).parents[2]


def derivations():
    """Every kind of quantity of every sample, the notations in turn."""
    for k, problem in enumerate(SAMPLES):
        net, (X, Y) = problem.network(), problem.data()
        trace = net.backprop(X, Y)
        last = net.L - 1
        names = ("0,1,1", f"b_1^({last})", "δ_1^(0)", "S_1^(0)", "x_1^(1)", f"x_1^({net.L})")
        for m, name in enumerate(names):
            notation = list(NOTATIONS)[(k + m) % len(NOTATIONS)]
            yield explain(trace, name, notation=notation)
        yield explain(trace, "0,1,1", n="mean")


ALL = list(derivations())


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [80, 40])
def test_no_line_is_wider_than_the_terminal(width, ascii_only):
    for d in ALL:
        text = d.to_text(width, ascii_only=ascii_only)
        assert max(map(len, text.splitlines())) <= width
        assert not ascii_only or (text.isascii() and "?" not in text)
        assert "\u00a0" not in text


def test_latex_is_balanced_and_plain_ascii():
    for d in ALL:
        written = d.to_latex(standalone=True)
        assert written.isascii()
        bare = re.sub(r"\\[{}]", "", written)
        depth = 0
        for sign in bare:
            depth += (sign == "{") - (sign == "}")
            assert depth >= 0
        assert depth == 0
        opened = []
        for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", written):
            if kind == "begin":
                opened.append(name)
            else:
                assert opened.pop() == name
        assert opened == []
        # a delimiter that is sized on its own may not be left open in a line
        for line in re.split(r"\\\\", written):
            assert line.count(r"\left") - line.count(r"\leftarrow") == line.count(r"\right")
        assert written.count("$") % 2 == 0
        body = written[written.index(r"\begin{document}") :]
        assert not re.search(r"(?<!\\)[%#]", body)


class Elements(HTMLParser):
    """Checks that elements are nested; gathers the text."""

    VOID = ("meta",)

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in self.VOID and tag != "mspace":
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_nested_and_needs_nothing_else():
    for d in ALL:
        page = d.to_html(standalone=True)
        elements = Elements()
        elements.feed(page)
        assert elements.opened == []
        assert "math" in elements.seen and "script" not in elements.seen
        assert not re.search(r"(src|href)=|https?:|@import|url\(", page)
        assert d._repr_html_() == d.to_html()
        assert d._repr_html_() in page


def test_markdown_has_its_formulas_in_dollars():
    for d in ALL:
        written = d.to_markdown()
        assert written.count("$$") % 2 == 0
        assert re.sub(r"\\\$", "", written).count("$") % 2 == 0
        for line in written.splitlines():
            if line.startswith("|"):  # every row has the cells of its table
                assert line.endswith("|")
        for table in re.findall(r"(?:^\|.*\n?)+", written, re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            assert len(widths) == 1


def test_json_is_what_the_dict_is():
    for d in ALL[::5]:
        document = json.loads(d.to_json())
        assert document == json.loads(json.dumps(d.to_dict()))
        assert document["notation"] == d.notation
        assert document["value"] == d.value
        assert document["paths"]["count"] == str(d.paths().count)


def test_hostile_text_is_shown_and_not_obeyed():
    hostile = "<script>alert(1)</script> $x$ \\input{x} | `rm` & _a_ {"
    blocks = [
        Heading((hostile,)),
        Paragraph((hostile, code(hostile))),
        Equation(code(hostile), (("=", (code(hostile),)),)),
        Table(((hostile,), (hostile,)), (((hostile,), (hostile,)),)),
    ]
    assert "<script" not in html(blocks, hostile, standalone=True)
    written = latex(blocks)
    assert r"\input" not in written and "$x$" not in written
    assert "<script" not in re.sub(r"\\<", "", markdown(blocks[:1] + blocks[3:]))
    assert hostile.split()[0] in terminal(blocks[:2])


@pytest.mark.parametrize(
    ("notation", "rule"),
    [
        ("C", "∂f/∂w₁₂⁽¹⁾ = δ₂⁽¹⁾ x₁⁽¹⁾"),
        ("D", "∂ℓ/∂Ω_1[2, 1] = ∂ℓ/∂f_1[2] h_1[1]"),
        ("E", "∂E/∂w₁₂⁽¹⁾ = δ₂⁽¹⁾ y₁⁽¹⁾"),
        ("PyTorch", "layers[1].weight.grad[1, 0] = z[1].grad[1] a[1][0]"),
        ("scikit-learn", "coef_grads[1][0, 1] = deltas[1][1] activations[1][0]"),
    ],
)
def test_the_rule_in_every_notation(notation, rule):
    d = explain(worked_network(), "w_12^(1)", INPUT, TARGET, notation=notation)
    spelled = d.rule.replace("₁[", "_1[")
    assert spelled == rule
    assert d.value == -1.5


@pytest.mark.parametrize(
    ("notation", "line"),
    [
        ("C", "∂f/∂w₀₂⁽¹⁾ = δ₂⁽¹⁾"),
        ("D", "∂ℓ/∂β₁[2] = ∂ℓ/∂f₁[2]"),
        ("E", "∂E/∂b₂⁽¹⁾ = δ₂⁽¹⁾"),
        ("PyTorch", "layers[1].bias.grad[1] = z[1].grad[1]"),
        ("scikit-learn", "intercept_grads[1][1] = deltas[1][1]"),
    ],
)
def test_biases_in_every_notation(notation, line):
    d = explain(worked_network(), "b_2^(1)", INPUT, TARGET, notation=notation)
    assert d.rule == line


def test_wide_networks_are_abbreviated():
    random = np.random.default_rng(0)
    net = Network([200, 150, 150, 40], "relu", init="he")
    d = explain(net, "w_100,7^(0)", random.random((1, 200)), [3])
    text = d.to_text()
    assert len(text) < 15_000 and len(d.to_html()) < 100_000 and len(d.to_latex()) < 30_000
    assert "others: " in text and "Σ(k=1…150)" in text
    assert "6,000 paths lead from" in text
    assert "The other 146 δ of this layer likewise." in text


def test_numbers_in_an_abbreviated_sum_add_up():
    net = Network([1, 9, 1], "identity", "identity", "sse", init="normal", std=1, seed=4)
    d = explain(net, "x_1^(0)", [[1]], [[2]])
    line = next(l for l in d.to_text(2000).splitlines() if "others: " in l)
    plain = line.split("≈ ")[1].replace("−", "-").replace("×10", "e").replace("·", "*")
    plain = re.sub(r"\[\d+ others: (.*?)\]", r"(\1)", plain)
    assert eval(plain) == pytest.approx(d.value, rel=1e-4)


def test_deep_networks_are_bounded():
    net = Network([1] * 301, "tanh", "identity", "sse", init="normal", std=1)
    d = explain(net, "w_11^(0)", [[0.5]], [[1]])
    assert d.paths().count == 1
    for text in (d.to_text(), d.to_markdown(), d.to_latex()):
        assert len(text) < 40_000
    assert "δ of the layers 4 to 295 follows by the same rule." in d.to_text()


def test_bounded_over_many_examples():
    net = worked_network("tanh")
    random = np.random.default_rng(0)
    d = explain(
        net, "w_12^(0)", random.normal(size=(5000, 2)), random.normal(size=(5000, 2)), n="mean"
    )
    assert len(d.to_text()) < 15_000
    assert "The 8 largest of the 5,000 examples' products" in d.to_text()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (-4200, "−4200"),
        (999999.6, "1×10⁶"),
        (123456, "123456"),
        (0.000123456789, "1.23457×10⁻⁴"),
        (0.00123456789, "0.00123457"),
        (1e-300, "1×10⁻³⁰⁰"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_as_people_read_them(value, shown):
    assert number(value).plain == shown


def test_counts_of_any_length():
    assert count(5_120) == "5,120"
    assert count(20**29) == "5.3 × 10³⁷"
    assert count(10**5000).startswith("about 10⁵⁰⁰⁰")


def test_the_lecture_is_the_one_that_the_command_writes():
    path = ROOT / "reports" / "derivation" / "README.md"
    assert path.read_text(encoding="utf-8") == lecture()
    assert COMMAND.endswith("reports/derivation/README.md")
    text = lecture()
    for fact in ("&= 4.625", "&= -11.25", "&= -1.5", "P_{1} + P_{2}", "&= -0.8125"):
        assert fact in text
