"""The file: well-formed, self-contained, small; and what cannot be drawn is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from loopbp.cli import app
from loopbp.network import Network
from loopbp.page import MOST_LAYERS, MOST_NODES, render, write

VOID = {"meta", "input"}


class Reader(HTMLParser):
    """Checks that tags nest and ids are unique; collects attributes and text by tag."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def data_of(page: str) -> Any:
    """The network in a page."""
    found = re.search(r'<script id="network-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_well_formed_and_labelled(two_paths: Any) -> None:
    page = render(*two_paths)
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    reader = Reader(page)
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {*reader.values("aria-labelledby"), *reader.values("for")} <= set(ids)
    assert ("title", "Backpropagation, number by number: a 2-2-2-2 network") in reader.texts


def test_nothing_comes_from_outside(two_paths: Any) -> None:
    page = render(*two_paths)
    reader = Reader(page)
    assert not {"src", "href", "srcset", "action"} & {name for _, name, _ in reader.attributes}
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    assert "@import" not in page and "url(" not in page
    script = page.split("<script>")[1].split("</script>")[0]
    for name in ("fetch(", "XMLHttpRequest", "WebSocket", "import(", "eval(", "Function("):
        assert name not in script
    addresses = set(re.findall(r"https?://[^\"' ]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address to ask


def test_only_the_page_s_own_script_may_run(two_paths: Any) -> None:
    page = render(*two_paths)
    script = page.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page
    # Browsers hash what the parser hands them, which has no carriage returns.
    assert "\r" not in script


def test_no_library_function_that_is_not_correctly_rounded(two_paths: Any) -> None:
    """Of Math only what is exact, or what only places things on the screen."""
    script = render(*two_paths).split("<script>")[1].split("</script>")[0]
    used = set(re.findall(r"\bMath\.(\w+)", script))
    assert used <= {"abs", "min", "max", "round", "floor", "ceil", "log10"}
    arithmetic = script[: script.index("const steps = ")]
    assert set(re.findall(r"\bMath\.(\w+)", arithmetic)) == {"abs"}
    assert "**" not in re.sub(r"2 \*\* 31", "", arithmetic)


def test_holds_the_bits_of_the_network(two_paths: Any) -> None:
    net, x, y = two_paths
    random = np.random.default_rng(0)
    net.theta[...] = random.normal(size=net.theta.shape) * 10 ** random.uniform(-300, 300, 18)
    net.W[0][0, 0] = -0.0
    held = data_of(render(net, x, y, eta=0.1))
    for W, original in zip(held["W"], net.W, strict=True):
        assert np.array(W).tobytes() == original.tobytes()
    assert (held["x"], held["y"], held["eta"]) == (x, y, 0.1)
    assert held["activations"] == ["sigmoid"] * 3


def test_label_as_target(largest: Any) -> None:
    assert data_of(render(*largest))["y"] == [0, 0, 0, 1, 0, 0, 0, 0]


def test_size() -> None:
    net = Network([MOST_NODES] * MOST_LAYERS, "gelu")
    page = render(net, np.random.default_rng(0).normal(size=MOST_NODES), 0)
    assert len(page.encode()) < 200_000


@pytest.mark.parametrize(
    ("sizes", "options", "x", "y", "message"),
    [
        ([9, 2], {}, np.ones(9), 0, r"net: expected at most 6 layers of at most 8 nodes.*got 9-2"),
        ([2] * 7, {}, np.ones(2), 0, "at most 6 layers"),
        ([2, 2], {"dtype": "float32"}, np.ones(2), 0, "expected dtype float64"),
        ([2, 2], {}, np.ones(3), 0, r"x: expected shape \(N, 2\)"),
        ([2, 2], {}, [1, np.nan], 0, "x: expected finite"),
        ([2, 2], {}, np.ones(2), [0.3, 0.3], "y: expected each row ≥ 0 with sum 1"),
        ([2, 2], {}, np.ones(2), 2, "y: expected labels from 0 to 1; got 2"),
    ],
)
def test_what_does_not_fit(sizes: Any, options: Any, x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(Network(sizes, **options), x, y)


@pytest.mark.parametrize("eta", [0, -1, np.inf])
def test_learning_rate_is_positive(two_paths: Any, eta: float) -> None:
    with pytest.raises(ValueError, match="eta: expected a finite number"):
        render(*two_paths, eta=eta)


def test_writes_the_file(two_paths: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "page.html", *two_paths, eta=0.25)
    assert path.read_text(encoding="utf-8") == render(*two_paths, eta=0.25)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["page", *arguments])


def test_command(tmp_path: Path, two_paths: Any) -> None:
    net, x, y = two_paths
    result = run("--out", str(tmp_path / "a.html"))
    assert result.exit_code == 0, result.output
    assert "Network 2-2-2-2" in result.output
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == render(net, x, y)


def test_command_with_options(tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    result = run(
        *("--sizes", "3-4-2", "--hidden", "relu", "--loss", "cross_entropy", "--seed", "5"),
        *("--inputs", "-1,0.5,2e-3", "--targets", "0,1", "--eta", "0.125", "--out", str(out)),
    )
    assert result.exit_code == 0, result.output
    net = Network([3, 4, 2], "relu", seed=5)
    assert out.read_text(encoding="utf-8") == render(net, [-1, 0.5, 2e-3], [0, 1], eta=0.125)


def test_command_with_a_saved_network(tmp_path: Path) -> None:
    net = Network([2, 3, 2], "tanh", seed=9)
    net.save(tmp_path / "net.npz")
    out = tmp_path / "a.html"
    result = run("--network", str(tmp_path / "net.npz"), "--inputs", "1,2", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_text(encoding="utf-8") == render(net, [1, 2], [1, 0])
    refused = run("--network", str(tmp_path / "net.npz"), "--loss", "sse", "--out", str(out))
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--sizes", "30-2"),
        ("--sizes", "3,2"),
        ("--inputs", "1,2,3"),
        ("--inputs", "1,x"),
        ("--targets", "1"),
        ("--output", "softmax", "--targets", "0.3,0.3"),
        ("--loss", "cross_entropy", "--output", "tanh"),
        ("--eta", "0"),
    ],
)
def test_command_refuses(arguments: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "a.html"
    result = run(*arguments, "--out", str(out))
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert not out.exists()
