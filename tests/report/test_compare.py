"""Two reports side by side: aligned at the output, refused where they have no common scale."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loopbp import SGD, Network, Recording, compare_reports
from loopbp.report import GradientReport, gradient_report

HOSTILE = "</title><script>alert(1)</script> & _x_"


def made(sizes: list[int], data: Any, **options: Any) -> GradientReport:
    net = Network(sizes, **options)
    history = net.fit(
        *data,
        epochs=3,
        batch_size=10,
        optimizer=SGD(0.3),
        report=Recording(every=1),
        engine="numpy",
        progress=False,
    )
    return gradient_report(net, *data, history=history, engine="numpy")


@pytest.fixture(scope="module")
def pair(data: Any) -> tuple[GradientReport, GradientReport]:
    """A deep network that vanishes and a shallow one that is well."""
    return made([4, *[5] * 8, 3], data, seed=1), made([4, 5, 3], data, seed=3)


@pytest.fixture(scope="module")
def folders(
    pair: tuple[GradientReport, GradientReport], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    root = tmp_path_factory.mktemp("reports")
    for name, report in zip("ab", pair, strict=True):
        report.write(root / name, settings={"eta": name, HOSTILE: "same"})
    return [root / "a", root / "b"]


def test_layers_are_aligned_at_the_output(pair: Any) -> None:
    frame = compare_reports(*pair).frame
    assert list(frame["from_output"]) == list(range(1, 10))
    assert list(frame["l_a"]) == list(range(8, -1, -1))
    assert list(frame["l_b"][:2]) == [1, 0] and frame["l_b"][2:].isna().all()
    a, b = (np.array([layer.mean_abs for layer in report.layers]) for report in pair)
    np.testing.assert_array_equal(frame["mean_abs_a"], a[::-1])
    np.testing.assert_array_equal(frame["mean_abs_b"][:2], b[::-1])
    np.testing.assert_allclose(frame["mean_abs_ratio"][:2], b[::-1] / a[:-3:-1], rtol=1e-15)
    assert frame["mean_abs_ratio"][2:].isna().all()
    moves = pair[1].run.layers.groupby("l")["update_weight"].mean()
    np.testing.assert_allclose(frame["update_weight_b"][:2], moves[[1, 0]], rtol=1e-12)


def test_both_sets_of_alarms_and_losses(pair: Any) -> None:
    comparison = compare_reports(*pair)
    assert set(comparison.alarms["report"]) == {"A"}
    own = comparison.alarms.drop(columns="report").reset_index(drop=True)
    pd.testing.assert_frame_equal(own, pair[0].alarms)
    for letter, report in zip("AB", pair, strict=True):
        rows = comparison.losses[comparison.losses["report"] == letter]
        assert list(rows["loss"]) == list(report.run.losses["loss"])
    assert comparison.sentence.startswith("A: vanishing gradient in layers 0 to ")
    assert "; B: no alarm; the largest difference" in comparison.sentence


def test_the_largest_difference_is_named(data: Any) -> None:
    one, other = made([4, 5, 3], data, seed=3), made([4, 5, 3], data, seed=4)
    comparison = compare_reports(one, other)
    ratios = [b.mean_abs / a.mean_abs for a, b in zip(one.layers, other.layers, strict=True)]
    l = int(np.argmax(np.abs(np.log(ratios))))
    assert f"(layer {l} of A)" in comparison.sentence


def test_folders_files_and_reports_are_the_same(pair: Any, folders: list[Path]) -> None:
    from_folders = compare_reports(*folders)
    from_files = compare_reports(folders[0] / "report.json", str(folders[1]))
    for comparison in (from_folders, from_files):
        pd.testing.assert_frame_equal(comparison.frame, compare_reports(*pair).frame)
        assert comparison.names == (str(folders[0]), str(folders[1]))
    assert ("eta", "a", "b") in from_folders.differences
    assert HOSTILE not in [name for name, *_ in from_folders.differences]
    assert ("layers", "4-5-5-5-5-5-5-5-5-3", "4-5-3") in from_folders.differences


def test_what_has_no_common_scale_is_refused(pair: Any, data: Any, tmp_path: Path) -> None:
    other = made([4, 5, 3], data, output="identity", loss="mse")
    with pytest.raises(ValueError, match="a, b: .* same loss; got cross_entropy and mse"):
        compare_reports(pair[1], other)
    summed = gradient_report(Network([4, 5, 3]), *data, reduction="sum", engine="numpy")
    with pytest.raises(ValueError, match="same reduction over the examples; got mean and sum"):
        compare_reports(pair[1], summed)
    with pytest.raises(TypeError, match="b: expected a GradientReport, or the folder"):
        compare_reports(pair[1], 3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"a: expected a folder with a report\.json; got"):
        compare_reports(tmp_path, pair[1])
    for content in ("[]", "{", '{"format": "something"}'):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(ValueError, match="a: expected a gradient report; .* something else"):
            compare_reports(tmp_path, pair[1])
    (tmp_path / "report.json").write_text('{"format": "loopbp gradient report", "version": 1}')
    with pytest.raises(ValueError, match="expected version 2 of a report; .* has version 1"):
        compare_reports(tmp_path, pair[1])


def test_reports_without_a_run(pair: Any, data: Any, tmp_path: Path) -> None:
    bare = gradient_report(Network([4, 5, 3], seed=1), *data, engine="numpy")
    comparison = compare_reports(bare, bare)
    assert comparison.frame["update_weight_a"].isna().all() and comparison.losses.empty
    assert list(comparison.frame["mean_abs_ratio"]) == [1, 1]
    assert len(comparison.plot().axes) == 1
    assert len(comparison.write(tmp_path)) == 9


def test_files(folders: list[Path], tmp_path: Path) -> None:
    comparison = compare_reports(*folders)
    paths = comparison.write(tmp_path)
    assert sorted(path.name for path in paths) == sorted(p.name for p in tmp_path.iterdir())
    read = pd.read_csv(tmp_path / "compare.csv")
    np.testing.assert_array_equal(read["mean_abs_ratio"], comparison.frame["mean_abs_ratio"])
    document = json.loads((tmp_path / "compare.json").read_text())
    assert document["sentence"] == comparison.sentence
    assert document["layers"][3]["l_b"] is None
    markdown = (tmp_path / "compare.md").read_text()
    assert "## A: " in markdown and "No alarm." in markdown
    lines = str(comparison).splitlines()[2:]
    assert max(map(len, lines)) <= 80


def test_page(folders: list[Path], tmp_path: Path) -> None:
    compare_reports(*folders).write(tmp_path)
    page = (tmp_path / "compare.html").read_text()
    assert page.index("<h1>A: vanishing") < page.index("No alarm.") < page.index("<svg")
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert 'src="' not in page and "http" not in page.replace("http-equiv", "")
    assert page.count("<svg") == 2 and len(page) < 200_000


@pytest.mark.parametrize("width", [390, 1200])
def test_page_in_a_browser(browser: Any, folders: list[Path], tmp_path: Path, width: int) -> None:
    compare_reports(*folders).write(tmp_path)
    path = tmp_path / "compare.html"
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    tab = context.new_page()
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    assert requests == [path.as_uri()]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.locator(".pair section").count() == 2
    context.close()


def test_notebook_and_repr(pair: Any) -> None:
    comparison = compare_reports(*pair)
    assert comparison._repr_html_().count("<tr>") == 1 + 9
    assert repr(comparison).startswith("<Comparison of GradientReport 4-5")
