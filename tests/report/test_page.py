"""The page: well-formed, self-contained, escaped, small; and looked at by a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import history_of

from loopbp.network import Network
from loopbp.report import GradientReport, gradient_report

HOSTILE = "</style><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;"

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Reader(HTMLParser):
    """Checks that tags nest and ids are unique; collects text, attributes and headings."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and (value or "").startswith("#"):
                self.targets.append((value or "")[1:])
            self.targets += re.findall(r"url\(#([^)]*)\)", value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def text(self, tag: str) -> str:
        return "".join(data for where, data in self.texts if where == tag)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def path(report: GradientReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    report.write(folder, settings={"data": HOSTILE, HOSTILE: 1}, command=f"loopbp {HOSTILE}")
    return folder / "report.html"


@pytest.fixture(scope="module")
def page(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_well_formed(page: str) -> None:
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    assert set(reader.targets) <= set(reader.ids)


def test_starts_with_the_sentence(page: str, report: GradientReport) -> None:
    reader = read(page)
    first, details = (
        "".join(data for _, data in read(part).texts)
        for part in re.findall(r"<(?:h1|p class=\"details\")>(.*?)</(?:h1|p)>", page, re.DOTALL)
    )
    assert f"{first.removesuffix('.')}; {details}" == report.sentence
    marks = ("<h1>", 'id="where"', "<figure", "<table", 'id="when"', 'id="made"', "<footer")
    order = [page.index(mark) for mark in marks]
    assert order == sorted(order)
    assert reader.text("title") == "Gradient report"


def test_table_holds_the_numbers(page: str, report: GradientReport) -> None:
    rows = re.findall(r'<tr><th scope="row">(\d+)</th>(.*?)</tr>', page)
    assert [int(l) for l, _ in rows] == [0, 1]
    for (_, cells), mean in zip(rows, report.frame["mean_abs"], strict=True):
        third = re.findall(r"<td>(.*?)</td>", cells)[2]
        mantissa, power = re.fullmatch(
            r"([\d.]+)<span class=times>\s×\s</span>10<sup>(.*)</sup>", third
        ).groups()  # type: ignore[union-attr]
        assert float(f"{mantissa}e{power.replace('−', '-')}") == pytest.approx(mean, rel=0.005)


def test_nothing_comes_from_outside(page: str) -> None:
    assert "//" not in re.sub(r"</?[a-z]+>", "", page)
    assert not re.search(r"<(script|link|img|iframe|object|embed|base)\b", page)
    assert "@import" not in page
    for tag, name, value in read(page).attributes:
        assert name != "src", (tag, value)
        assert not name.startswith("on"), (tag, name)
        if name == "href":
            assert value.startswith("#"), (tag, value)


def test_hostile_text_is_shown_as_it_is(page: str) -> None:
    reader = read(page)
    assert "alert(1)" in page and "<script" not in page and "<img" not in page
    assert HOSTILE in reader.text("dd")
    assert HOSTILE in reader.text("dt")
    assert reader.text("code") == f"loopbp {HOSTILE}"


def test_pictures_are_described_and_coloured_by_variables(
    page: str, report: GradientReport
) -> None:
    pictures = re.findall(r"<svg .*?</svg>", page, re.DOTALL)
    assert len(pictures) == 4
    for picture in pictures:
        label = re.match(r'<svg viewBox="[^"]*" role="img" aria-label="([^"]+)">', picture)
        assert label is not None and len(label[1]) > 60
        assert not re.search(r"#[0-9a-f]{6}", re.sub(r'(id="|url\(#|href="#)[^")]*', "", picture))
        used = set(re.findall(r"var\(--(\w+)\)", picture))
        for name in used:
            assert page.count(f"--{name}: #") == 2, name  # once for light, once for dark
    assert "layer 0" in pictures[1] and "layer 1" in pictures[1]


def test_size_of_a_large_report(tmp_path: Path) -> None:
    L = 10
    net = Network([8] * (L + 1), hidden="tanh", seed=0)
    random = np.random.default_rng(0)
    history = history_of(np.exp(random.normal(size=(1000, L, 5))), sizes=(8,) * (L + 1))
    X, Y = random.normal(size=(20, 8)), random.integers(0, 8, 20)
    gradient_report(net, X, Y, history=history, engine="numpy").write(tmp_path)
    assert (tmp_path / "report.html").stat().st_size < 500_000


def test_alarm_is_a_word(layer: Any, page: str) -> None:
    assert "needs attention</strong>" not in page
    net = Network([2, 2, 1], hidden="tanh", output="identity", loss="sse", init="zeros")
    report = gradient_report(net, np.ones((3, 2)), np.zeros((3, 1)), engine="numpy")
    from loopbp.report.page import page as render

    assert "<strong>needs attention</strong>" in render(report, {}, None, "footer")


def test_notebook(report: GradientReport) -> None:
    html = report._repr_html_()
    reader = read(html)
    assert reader.text("strong") == report.sentence
    assert html.count("<tr>") == 3
    assert "<style" not in html and "href" not in html
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert "4\u00a0→\u00a05" in cells  # in a notebook a cell's text would be broken at a space
    assert not any(" " in re.sub("<.*?>", "", cell) for cell in cells)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser(browser: Any, path: Path, report: Any, width: int, scheme: str) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    tab = context.new_page()
    requests: list[str] = []
    messages: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("dialog", lambda dialog: messages.append(dialog.message))
    tab.goto(path.as_uri())
    assert requests == [path.as_uri()]
    assert messages == []
    assert report.sentence.startswith(tab.locator("h1").inner_text().removesuffix("."))
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator("svg").count() == 4
    for k in range(4):
        box = tab.locator("svg").nth(k).bounding_box()
        assert box["width"] > 300 and box["height"] > 200
    paper, ink = tab.evaluate(
        "(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))"
    )
    bright = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (paper, ink)]
    assert (bright[0] > bright[1]) == (scheme == "light")
    line = tab.locator("svg text").first.evaluate("e => getComputedStyle(e).fill")
    assert (sum(map(int, re.findall(r"\d+", line)[:3])) < 384) == (scheme == "light")
    context.close()
