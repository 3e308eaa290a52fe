"""Drawings: text of 80 columns, well-formed SVG and DOT, hostile names, bounds, and a browser."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from rich.cells import cell_len

from loopbp import graph
from loopbp.graph.labels import MOST_DRAWN, drawn, number
from loopbp.graph.layout import arrange
from loopbp.network import Network

HOSTILE = "</title><script>alert(1)</script>\"'&amp;\\"
SVG = "{http://www.w3.org/2000/svg}"


def apple(y=219, name="L"):
    x, m, t, y = graph.inputs(x=100, m=2, t=1.1, y=y)
    f = ((x * m).named("z") * t).named("f")
    return (0.5 * (f - y) ** 2).named(name)


def network(sizes=(2, 3, 3), **more):
    net = Network(sizes, "tanh", seed=3, **more)
    f = graph.from_network(net, np.linspace(1, -2, sizes[0]), 1).f
    f.backward()
    return f


def tangle(seed, gates=40):
    """A graph of random gates over few inputs, with much fan-out."""
    random = np.random.default_rng(seed)
    nodes = list(graph.inputs(a=1, b=2, c=3))
    for _ in range(gates):
        i, j = random.integers(max(0, len(nodes) - 8), len(nodes), 2)
        nodes.append((nodes[i] * nodes[j], nodes[i] - nodes[j], graph.tanh(nodes[i]))[i * j % 3])
    nodes[-1].backward()
    return nodes[-1]


def test_apple_as_text():
    L = apple()
    L.backward()
    assert (
        L.text()
        == """\
above each edge: value; below it: derivative of L


                                           0.5 ───┐
                                                  │
   100                                            │
x ─────┐      200                                 │      0.5
   2.2 ├ × z ─────┐                               ├ × L ─────→
   2   │      1.1 │      220                      │      1
m ─────┘          ├ × f ─────┐                    │
   110            │      1   │                    │
              1.1 │          │     1          1   │
           t ─────┘          ├ −₆ ──── ( )²₈ ─────┘
              200            │     1          0.5
                         219 │
                      y ─────┘
                         −1
"""
    )


def test_before_backward_there_are_only_values():
    L = apple()
    for drawing in (L.text(), L.dot(), "".join(parse(L.svg()).itertext())):
        assert "220" in drawing and "219" in drawing
        assert "110" not in drawing and "derivative" not in drawing
    assert numbers(parse(L.svg()), "gradient") == []


def test_gradients_of_other_values_or_another_output_are_not_drawn():
    L = apple()
    L.backward()
    f = next(node for node in L.ancestors() if node.name == "f")
    assert "derivative" not in f.text() and "2.2" not in f.text()
    assert "110" in L.text()
    L.graph.nodes[3].value = 210
    assert "110" not in L.text() and "210" in L.text()
    L.backward()
    assert "1100" in L.text() and ">1100<" in L.svg() and ">1100<" in L.dot()


@pytest.mark.parametrize("make", [network, lambda: network((3, 5, 2)), lambda: tangle(0),
                                  lambda: tangle(1), lambda: tangle(2, 120)])  # fmt: skip
def test_text_is_never_wider_than_eighty_columns_and_complete(make):
    root = make()
    text = root.text()
    assert max(map(cell_len, text.splitlines())) <= 80
    for node in root.ancestors():
        if node.name is not None:
            assert node.name in text
        if node.grad is not None:
            assert number(node.value) in text
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_a_shared_gate_is_drawn_once():
    x, y = graph.inputs(x=3, y=5)
    z = (x + y).named("shared")
    text = (z * z).text()
    assert text.count("+ shared") == 1 and text.count("shared ─") == 3


def test_wide_characters_and_long_names_keep_the_columns():
    x, y = graph.inputs(사과=100, y=2)
    f = (x * y).named("가격" * 20)
    g = (graph.tanh(f * 1e-300) + x).named("n" * 100)
    g.backward()
    text = g.text()
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "사과" in text and "…" in text
    lines = text.splitlines()
    # the two edges of 사과 and y meet in one column, as a terminal shows it
    first, second = (
        next(line for line in lines if line.lstrip().startswith(n)) for n in ("사과", "y ")
    )
    assert cell_len(first[: first.index("┐")]) == cell_len(second[: second.index("┘")])


def test_a_lonely_input():
    (x,) = graph.inputs(x=3)
    x.backward()
    assert "x = 3" in x.text()
    assert ET.fromstring(x.svg()).find(f"{SVG}g") is not None


def parse(svg):
    """The parsed picture, which must not refer to anything outside."""
    tree = ET.fromstring(svg)
    assert tree.tag == f"{SVG}svg"
    assert svg.count("http") == 1  # the namespace
    assert not re.search(
        r"<(script|image|use|a|foreignObject|link)\b|@import|url\(|href|on\w+=", svg
    )
    return tree


def numbers(tree, kind):
    """The texts of a class, sorted."""
    return sorted(
        "".join(text.itertext()) for text in tree.iter(f"{SVG}text")
        if kind in text.get("class", "").split()
    )  # fmt: skip


def test_apple_as_svg():
    L = apple()
    L.backward()
    tree = parse(L.svg())
    assert numbers(tree, "value") == sorted(
        ["100", "2", "200", "1.1", "220", "219", "1", "1", "0.5"]
    )
    assert numbers(tree, "gradient") == sorted(
        ["2.2", "110", "1.1", "200", "1", "−1", "1", "0.5", "1"]
    )
    assert tree.find(f"{SVG}title").text == "Computational graph of L, 10 nodes"
    assert len(list(tree.iter(f"{SVG}g"))) == 10


def test_values_above_and_gradients_below_their_edge():
    L = apple()
    L.backward()
    for text in parse(L.svg()).iter(f"{SVG}text"):
        kinds = text.get("class", "").split()
        if "number" not in kinds:
            continue
        x, y = float(text.get("x")), float(text.get("y"))
        edges = re.findall(r'class="line" d="M([\d.]+) ([\d.]+)H([\d.]+)"', L.svg())
        # the one edge that this number stands on, 6 pixels over it or 16 under it
        level = y + 6 if "value" in kinds else y - 16
        assert any(float(a) < x < float(b) and abs(float(h) - level) < 0.11 for a, h, b in edges), (
            text.text
        )


def test_fan_out_shows_the_sum_and_its_parts():
    (x,) = graph.inputs(x=3)
    f = x * x + 7 * x
    f.backward()  # 3 + 3 + 7
    tree = parse(f.svg())
    assert numbers(tree, "part") == ["3", "3", "7"]
    assert "13" in numbers(tree, "gradient")


@pytest.mark.parametrize("make", [apple, network, lambda: tangle(0), lambda: tangle(5, 100)])
def test_nothing_overlaps(make):
    """No two nodes share a place, each input stands left of its gate, all is inside the frame."""
    root = make()
    tree = parse(root.svg())
    _, _, width, height = map(float, tree.get("viewBox").split())
    boxes = [[float(r.get(k)) for k in ("x", "y", "width", "height")]
             for r in tree.iter(f"{SVG}rect") if r.get("class") == "box"]  # fmt: skip
    for k, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x and x + w <= width and 0 <= y and y + h <= height
        for u, v, a, b in boxes[:k]:
            assert x + w <= u or u + a <= x or y + h <= v or v + b <= y
    layout = arrange(drawn(root))
    for edge in layout.edges:
        columns = [layout.column[v] for v in edge.way]
        assert columns == list(range(columns[0], columns[-1] + 1))


def test_a_tree_is_drawn_without_crossings():
    L = apple()
    layout = arrange(drawn(L))
    ends = {}
    for edge in layout.edges:
        key = layout.column[edge.source]
        ends.setdefault(key, []).append((layout.height[edge.source], layout.height[edge.target]))
    for pairs in ends.values():
        pairs.sort()
        assert [t for _, t in pairs] == sorted(t for _, t in pairs)


def test_the_order_of_the_inputs_is_changed_where_that_undoes_a_crossing():
    x, y, u = graph.inputs(x=1, y=2, u=3)
    # as written, x above y above u: the edge from x to the second gate crosses that from y
    nodes = drawn(x * y + u * x)
    layout = arrange(nodes)
    ends = [(layout.height[e.source], layout.height[e.target]) for e in layout.edges]
    crossings = [
        (p, q) for p, q in itertools.combinations(ends[:4], 2) if (p[0] - q[0]) * (p[1] - q[1]) < 0
    ]
    assert crossings == []


def test_gates_that_follow_each_other_stand_on_one_line_amid_their_inputs():
    nodes = drawn(apple())
    height = arrange(nodes).height
    at = {node.label: y for node, y in zip(nodes, height, strict=True)}
    line = [y for node, y in zip(nodes, height, strict=True) if node.gate is not None]
    np.testing.assert_allclose(line, line[0], atol=0.02)
    np.testing.assert_allclose((at["x"] + at["m"]) / 2, at["z"], atol=0.02)
    assert at["m"] - at["x"] == pytest.approx(1)  # the gap, and no more


def test_hostile_names_are_text():
    L = apple(name=HOSTILE)
    x = L.graph.nodes[0].named("<b>&x")
    L.backward()
    tree = parse(L.svg())
    assert HOSTILE[:15] + "…" in numbers(tree, "name")
    assert HOSTILE in next(t for t in ("".join(t.itertext()) for t in tree.iter(f"{SVG}title"))
                           if t.startswith(HOSTILE))  # fmt: skip
    assert "<b>&x" in numbers(tree, "name")
    assert "<b>&x" in L.text() and x.label == "<b>&x"
    labels = [ET.fromstring(f"<l>{text}</l>") for text in html_labels(L.dot())]
    assert any("".join(label.itertext()).endswith(HOSTILE[:15] + "…") for label in labels)


def html_labels(dot):
    """The HTML-like labels of a DOT text; checks that every line is a statement of one form."""
    labels = []
    lines = dot.splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}"
    for line in lines[1:-1]:
        form = r"  (?:rankdir=LR|(?:node|edge|out|n\d+|n\d+ -> (?:n\d+|out)) \[(.*)\]);"
        match = re.fullmatch(form, line)
        assert match is not None, line
        label = re.search(r"label=<(.*)>(?: |$)", match[1] or "")
        labels += [label[1]] if label else []
    return labels


def test_apple_as_dot():
    L = apple()
    L.backward()
    dot = L.dot()
    labels = ["".join(ET.fromstring(f"<l>{t.replace('<br/>', '/')}</l>").itertext())
              for t in html_labels(dot)]  # fmt: skip
    assert labels[:9] == ["x", "m", "t", "y", "×/z", "×/f", "−", "( )²", "0.5"]
    edges = dict(zip(re.findall(r"n\d+ -> \w+", dot), re.findall(r"n\d+ -> .*", dot), strict=True))
    assert len(edges) == 9 + 1  # and the one that leaves L
    assert ">110<" in edges["n1 -> n4"] and ">2<" in edges["n1 -> n4"]
    assert 'label=""' in edges["n9 -> n10"]


def test_what_is_too_large_says_so_with_the_count():
    (x,) = graph.inputs(x=1)
    f = x
    for _ in range(MOST_DRAWN - 1):
        f = graph.sin(f)
    for draw in (f.text, f.svg, f.dot):
        draw()
    g = graph.sin(f)
    for draw in (g.text, g.svg, g.dot):
        with pytest.raises(
            graph.TooLargeError, match="expected at most 500 nodes to draw; got 501"
        ):
            draw()
    html = g._repr_html_()
    assert "at most 500 nodes to draw; got 501" in html and "<svg" not in html
    assert len(f.svg()) < 500_000
    assert isinstance(graph.TooLargeError("x"), ValueError)


@pytest.mark.parametrize(
    ("value", "text"),
    [(220.00000000000003, "220"), (-0.25, "−0.25"), (6160.5, "6160.5"), (1.5e-7, "1.5×10⁻⁷"),
     (-0.0, "0"), (np.inf, "∞"), (-np.inf, "−∞"), (np.nan, "NaN"), (123456, "1.2346×10⁵"),
     (np.float32(0.1), "0.1")],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser, scheme, tmp_path):
    f = network()
    f.named(HOSTILE)
    path = tmp_path / "graph.svg"
    path.write_text(f.svg(), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, offline=True)
    tab = context.new_page()
    requests, messages = [], []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("dialog", lambda dialog: messages.append(dialog.message))
    tab.goto(path.as_uri())
    assert requests == [path.as_uri()] and messages == []
    colours = tab.evaluate(
        "['.paper', 'text.name'].map(s => getComputedStyle(document.querySelector(s)).fill)"
    )
    paper, ink = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert (paper > 600 > 300 > ink) if scheme == "light" else (paper < 150 < 600 < ink)
    # the estimated widths hold: symbols and names stay inside their boxes
    spill = tab.evaluate(
        "[...document.querySelectorAll('g.gate, g.input')].map(g =>"
        " g.querySelector('text').getBBox().width - g.querySelector('rect').getBBox().width)"
    )
    assert len(spill) > 40 and max(spill) < -2
    context.close()
