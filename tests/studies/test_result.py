"""What is made of a frame: files, page and words, whose numbers are the frame's."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loopbp import studies
from loopbp.studies import STUDIES, StudyResult, find
from loopbp.studies.drawing import COLOURS
from loopbp.studies.page import _cell

from .conftest import NAMES

FILES = ["frame.csv", "plot.png", "plot.svg", "study.html", "study.md"]


def test_the_six_studies() -> None:
    assert NAMES == [
        "vanishing", "learning-rate", "batch", "starting-points", "saturation", "memory"
    ]  # fmt: skip


def test_the_frame_has_the_columns_that_are_described(result: StudyResult) -> None:
    columns = result.study.columns
    assert list(result.frame.columns) == [column.name for column in columns]
    assert [str(dtype) for dtype in result.frame.dtypes] == [column.dtype for column in columns]
    assert len(result.frame) >= result.pieces


def test_files(result: StudyResult, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    paths = result.write(tmp_path / "new" / "folder", command="loopbp study x", seconds=1.5)
    assert sorted(path.name for path in paths) == sorted([*FILES, "frame.parquet"])
    first = {path.name: path.read_bytes() for path in paths}
    again = pd.read_parquet(tmp_path / "new/folder/frame.parquet")
    pd.testing.assert_frame_equal(again, result.frame, check_exact=True)
    with (tmp_path / "new/folder/frame.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, dtype, _ in result.study.columns:
        if dtype == "float64":
            numbers = [float(row[name] or "nan") for row in rows]
            np.testing.assert_array_equal(numbers, result.frame[name])
    second = {path.name: path.read_bytes() for path in result.write(tmp_path)}
    for name in ("study.html", "study.md"):  # say when they were written
        del first[name], second[name]
    assert first == second


def test_the_markdown_has_what_the_page_has(result: StudyResult, tmp_path: Path) -> None:
    """The paragraphs, a table with a line per row of the summary, and the command."""
    result.write(tmp_path, command="loopbp study x_y")
    lines = (tmp_path / "study.md").read_text("utf-8").splitlines()
    assert lines[0] == f"# {result.study.title}"
    plain = "\n".join(lines).replace("\\", "")
    assert all(paragraph in plain for paragraph in result.reading)
    assert "](plot.png)" in plain and "    loopbp study x_y" in lines
    start = lines.index("## The numbers") + 2
    rows = lines[start : lines.index("", start)]
    assert len(rows) == 2 + len(result.summary)
    assert all(row.count(" | ") == len(result.summary.columns) - 1 for row in rows)


def test_without_pyarrow_there_is_no_parquet(
    quick: Callable[[str], StudyResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "pyarrow" else find_spec(name)
    )
    assert sorted(path.name for path in quick("memory").write(tmp_path)) == FILES


class Page(HTMLParser):
    """What a page asks for, and the text in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [v or "" for k, v in attrs if k in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.words += data


def page_of(result: StudyResult, tmp_path: Path, **how: Any) -> str:
    result.write(tmp_path, **how)
    return (tmp_path / "study.html").read_text("utf-8")


def test_the_page_needs_nothing_else(result: StudyResult, tmp_path: Path) -> None:
    text = page_of(result, tmp_path, command=f"loopbp study {result.name} --quick")
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert all(reference.startswith("#") for reference in page.references)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org)", text)
    for paragraph in result.reading:
        assert paragraph in page.words
    assert f"loopbp study {result.name} --quick" in page.words
    for column in result.study.columns:
        assert column.meaning in page.words


def test_every_colour_has_a_light_and_a_dark_value(result: StudyResult, tmp_path: Path) -> None:
    text = page_of(result, tmp_path)
    used = set(re.findall(r"var\(--(c[0-9a-f]{6})\)", text))
    light, dark = text.split("prefers-color-scheme: dark")
    assert len(used) >= 5
    assert used <= set(re.findall(r"--(c[0-9a-f]{6}): #", light))
    assert used <= set(re.findall(r"--(c[0-9a-f]{6}): #", dark))


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_lines_stand_off_their_paper() -> None:
    from loopbp.studies.drawing import NOMINAL

    for light, dark in NOMINAL.items():
        assert COLOURS[light] == dark
        assert 1.05 / (luminance(light) + 0.05) > 3
        assert (luminance(dark) + 0.05) / (luminance("#16191d") + 0.05) > 3


def test_lines_can_be_told_apart_without_colour() -> None:
    from loopbp.studies.drawing import nominal, ordered

    for looks in (nominal(5), ordered(7)):
        assert len({look.marker for look in looks}) == len(looks)


def test_a_page_shows_hostile_text_as_text(tmp_path: Path) -> None:
    result = studies.run("memory", quick=True, jobs=1, progress=False)
    settings = {**result.settings, "data": "<script>alert(1)</script>"}
    hostile = StudyResult(result.study, result.frame, settings, result.pieces)
    text = page_of(hostile, tmp_path, command="<b>")
    assert "<script>" not in text and "<b>" not in text


def test_a_notebook_shows_it(result: StudyResult) -> None:
    html = result._repr_html_()
    assert result.study.title in html and "data:image/png;base64," in html
    assert repr(result) == (
        f"<StudyResult {result.name}: {result.pieces:,} pieces, {len(result.frame):,} rows>"
    )


@pytest.mark.parametrize("width", [1100, 390])
def test_nothing_sticks_out_of_a_page(
    browser: Any, result: StudyResult, tmp_path: Path, width: int
) -> None:
    result.write(tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 900})
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto((tmp_path / "study.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.evaluate(
        """() => {
            const svg = document.querySelector("figure svg").getBoundingClientRect();
            const out = [...document.querySelectorAll("figure svg text")].filter((text) => {
                const box = text.getBoundingClientRect();
                return box.left < svg.left - 1 || box.right > svg.right + 1
                    || box.top < svg.top - 1 || box.bottom > svg.bottom + 1;
            });
            return out.map((text) => text.textContent);
        }"""
    )
    page.close()
    assert box == []
    assert messages == []


# What one sees: other numbers, other words


def changed(result: StudyResult, **columns: Any) -> str:
    """The reading of the frame with some columns changed."""
    return " ".join(result.study.read(result.frame.assign(**columns)))


def test_vanishing_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("vanishing")
    rows = result.frame
    start = rows["moment"] == "start"
    sigmoid = start & (rows["activation"] == "sigmoid")
    # mean |∂f/∂w| falls by 4 with every layer of sigmoid, and not at all with relu
    back = rows["hidden_layers"] - rows["l"]
    mean = np.where(sigmoid, 4.0**-back, 1.0)
    text = changed(result, mean_abs=mean, accuracy=np.where(rows["hidden_layers"] == 6, 0.2, 0.9))
    assert "6 hidden layers of sigmoid nodes" in text and "2.4 × 10⁻⁴ times" in text  # 4⁻⁶
    assert "With relu and glorot weights, the most even of the 2 settings, the ratio is 1." in text
    assert "0.25 with sigmoid and 1.00 with relu" in text
    # sigmoid with 6 hidden layers is the one of 4 settings below 1/1000
    assert (
        "In 1 of 4 settings" in text
        and "the median test accuracy is 20 % there, against 90 %" in text
    )


def test_vanishing_names_the_settings_whose_gradient_is_0(
    quick: Callable[[str], StudyResult], tmp_path: Path
) -> None:
    result = quick("vanishing")
    rows = result.frame
    back = rows["hidden_layers"] - rows["l"]
    dead = (rows["activation"] == "relu") & (rows["hidden_layers"] == 6) & (rows["seed"] == 1)
    # one of the two runs of relu with 6 hidden layers is dead, its last layer as well: 0 ÷ 0
    frame = rows.assign(
        mean_abs=np.where(dead, 0.0, 2.0**-back), loss=1.0, accuracy=np.where(dead, 0.1, 0.9)
    )
    text = " ".join(result.study.read(frame))
    assert "a network with 6 hidden layers of sigmoid nodes" in text and "is 0.016 times" in text
    assert "most even" not in text  # of one
    assert (
        "In 1 of 4 settings the gradient of the first layer is 0 before training, in a run at "
        "least; it has vanished completely: relu with glorot weights and 6 hidden layers." in text
    )
    # the mean accuracy of its two runs is (0.9 + 0.1) / 2
    assert "In 1 of 4 settings the ratio is below 0.001" in text
    assert "median test accuracy is 50 % there, against 90 % in the others" in text
    assert result.study.summarise(frame)["∂f/∂w, first ÷ last layer, start"].iloc[3] == 0
    replace(result, frame=frame).write(tmp_path)  # a layer that no logarithm has is no obstacle
    # three settings of four: 0 and unknown are not among the others
    unknown = (rows["activation"] == "sigmoid") & (rows["hidden_layers"] == 2)
    text = " ".join(result.study.read(frame.assign(mean_abs=frame["mean_abs"].mask(unknown))))
    assert "In 1 of 4 settings the ratio is unknown" in text
    assert "sigmoid with glorot weights and 2 hidden layers" in text
    assert "against 90 % in the 2 with a larger one" in text


def test_studies_say_where_training_has_blown_up(quick: Callable[[str], StudyResult]) -> None:
    sentence = "In {} runs the test loss is higher after training than before it, by a factor of "
    for name, runs in (("vanishing", "4 of 8"), ("saturation", "6 of 12")):
        result = quick(name)
        later = (result.frame["moment"] == "end") & (result.frame["seed"] == 1)
        text = changed(result, loss=np.where(later, 6e30, 2.0))
        assert sentence.format(runs) + "up to 3 × 10³⁰: training blew up there." in text
        assert "higher after" not in changed(result, loss=np.where(later, 1.9, 2.0))
    result = quick("starting-points")
    zeros, epoch = result.frame["init"] == "zeros", result.frame["epoch"]
    # epochs 0, 1, 2: from 2 to 5 with zeros, to 2 with the others
    text = changed(result, loss=np.where(zeros, 2 + 1.5 * epoch, 2.0))
    assert text.endswith(sentence.format("3 of 9") + "up to 2.5.")
    # a run that stopped in its first epoch has but its start
    kept = result.frame[~(zeros & (result.frame["seed"] == 0) & (epoch > 0))]
    text = " ".join(result.study.read(kept.assign(loss=2.0)))
    assert text.endswith("In 1 of 9 runs a number is no longer finite: training blew up there.")


def test_learning_rate_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("learning-rate")
    text = " ".join(result.reading)
    assert "η = 0.1 has come furthest" in text
    assert "Too small, at more than 2 times that loss: η = 0.001" in text
    assert "Too large: η = 10000: 2 of 2 runs diverged, the earliest at step" in text
    diverged = result.frame.dropna(subset="diverged_at")
    earliest = int(diverged["diverged_at"].min())
    assert f"step {earliest}." in text
    kept = result.frame[result.frame["eta"] < 1]
    assert "Too large" not in " ".join(result.study.read(kept))
    only = result.frame[result.frame["eta"] > 1]
    assert result.study.read(only)[0].startswith("Too large: η = 10000")


@pytest.mark.parametrize("sizes", [(1000, 1), (6, 2)])
def test_batch_knows_the_number_of_examples(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """20 of 25 examples to train on, whatever was asked for and whatever the largest batch is."""
    lines = [f"{k % 7},{k % 5},{'ab'[k % 2]}" for k in range(25)]
    file = tmp_path / "few.csv"
    file.write_text("\n".join(["p,q,class", *lines]))
    result = studies.run(
        "batch", data=file, quick=True, jobs=1, progress=False, batch_sizes=sizes, seeds=1
    )
    assert set(result.frame["examples"]) == {20}
    assert "After one pass over the 20 examples" in result.reading[0]
    steps = [1, 20] if sizes[0] > 20 else [4, 10]
    assert f"has made {steps[0]:,} step" in result.reading[0]
    assert f"has made {steps[1]:,} and stands" in result.reading[0]
    assert result.summary["steps per epoch"].tolist() == steps


def test_batch_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("batch")
    frame = result.frame
    network = frame["part"] == "network"
    loss = np.where(network, 2.0 - 0.01 * frame["step"].astype(float), frame["loss"])
    text = changed(result, loss=loss)
    # 40 examples, 3 epochs: 3 steps of the full batch, 15 of batches of 8, 120 single ones
    assert "all 40 at once has made 1 step and stands at a loss of 1.99" in text
    assert "one at a time has made 40 and stands at 1.6" in text
    assert "reaches with 120 examples seen, one at a time reaches with" in text
    assert "At the end one at a time is lowest, at 0.8." in text


def test_starting_points_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("starting-points")
    frame = result.frame
    by_init = frame["init"].map({"glorot": 1.0, "normal": 2.0, "zeros": 4.0})
    text = changed(result, loss=by_init * (1 + frame["seed"]), accuracy=0.5)
    # medians: seed 1 of 0, 1, 2; glorot 1, 2, 3 and normal 2, 4, 6: better in 6 of 9 pairs, as
    # 1 < 2, 4, 6; 2 < 4, 6; 3 < 4, 6
    assert "is 2 with glorot, the lowest, and 8 with zeros" in text
    assert "a factor of 3.00" in text
    assert "better than one with normal, the next, in 77.8 % of the pairs" in text


def test_saturation_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("saturation")
    frame = result.frame
    end = frame["moment"] == "end"
    loss = np.where(end & (frame["scale"] == 1), 0.5, 2.0)
    share = frame["saturated"].where(frame["saturated"].isna(), frame["scale"] / 10)
    text = changed(result, loss=loss, saturated=share, delta_ratio=0.5)
    assert "glorot's weights times 8, 80 % of the (example, node) pairs" in text
    assert "times 1, the scale that learns best, 10 %" in text
    assert "With relu nothing saturates. δ in the first hidden layer is 0.25 times" in text
    assert "2 against 0.5" in text and "Too small is no better: with × 0.5 it is 2." in text


def test_memory_reads_the_frame(quick: Callable[[str], StudyResult]) -> None:
    result = quick("memory")
    # 64-8-8-8-8-10 in float64, N = 16: x 16 (65 + 4 · 9 + 10), S 16 (4 · 8 + 10); weights 65 · 8 +
    # 3 · 9 · 8 + 9 · 10
    kept, weights = 8 * 16 * (65 + 36 + 10 + 32 + 10), 8 * (520 + 216 + 90)
    text = " ".join(result.reading)
    assert f"leaves {kept / 1000:.1f} kB of x and S" in text
    assert f"{kept / weights:.0f} times the {weights / 1000:.3g} kB of the weights" in text
    assert f"adds {8 * 16 * 17 / 1000:.3g} kB" in text
    wrong = result.frame["bytes"].copy()
    wrong.iloc[:3] += 1
    assert f"agrees with {len(wrong) - 3} of {len(wrong)} arrays" in changed(result, bytes=wrong)


ODD: list[tuple[str, dict[str, Any]]] = [
    ("vanishing", {"depths": 2, "activations": "relu", "seeds": 1}),
    ("vanishing", {"inits": ("zeros", "normal"), "depths": (1, 3), "seeds": 1}),
    ("learning-rate", {"etas": 1e30, "seeds": 1}),
    ("learning-rate", {"etas": (0.1, 0.2), "seeds": 1, "steps": 2}),
    ("batch", {"batch_sizes": 5, "seeds": 1, "epochs": 1}),
    ("batch", {"batch_sizes": (1, 7, 1000), "seeds": 1, "epochs": 2}),
    ("starting-points", {"inits": "zeros", "seeds": 1}),
    ("saturation", {"scales": 1.0, "activations": "relu", "seeds": 1}),
    ("saturation", {"scales": (1.0, 1000.0), "activations": ("exp", "tanh"), "seeds": 1}),
    ("memory", {"depths": 2, "batch_sizes": 1, "dtype": "float32"}),
]


@pytest.mark.parametrize(("name", "changes"), ODD)
def test_odd_settings_are_shown_too(name: str, changes: Any, tmp_path: Path) -> None:
    result = studies.run(name, quick=True, jobs=1, progress=False, **changes)
    result.write(tmp_path)
    assert all("nan" not in paragraph for paragraph in result.reading)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_instead_of_classes(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    X = random.random((40, 3))
    np.savez(tmp_path / "numbers.npz", X=X, Y=X @ random.random((3, 2)))
    result = studies.run(
        name, data=tmp_path / "numbers.npz", quick=True, jobs=1, seeds=1, progress=False
    )
    result.write(tmp_path)
    if "accuracy" in result.frame and name != "learning-rate":
        assert result.frame["accuracy"].isna().all()
    assert all("nan" not in paragraph for paragraph in result.reading)


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 3}, "did you mean 'depths'"),
        ({"depths": (2, 2)}, "each value once"),
        ({"depths": ()}, "at least one"),
        ({"depths": (0,)}, "≥ 1"),
        ({"eta": 0.0}, "> 0"),
        ({"activations": ("sigmoid", "relo")}, "did you mean 'relu'"),
        ({"inits": "glorut"}, "did you mean 'glorot'"),
        ({"seeds": 0}, "≥ 1"),
        ({"jobs": 0}, "≥ 1"),
    ],
)
def test_wrong_settings(changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        studies.run("vanishing", **{"quick": True, "jobs": 1, **changes})


@pytest.mark.parametrize("changes", [{"depths": 2.5}, {"activations": 3}, {"eta": "x"}])
def test_settings_of_another_kind(changes: Any) -> None:
    with pytest.raises(TypeError):
        studies.run("vanishing", quick=True, jobs=1, **changes)


def test_an_unknown_study() -> None:
    with pytest.raises(ValueError, match="did you mean 'vanishing'"):
        studies.run("vanish")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_quick_changes_only_settings_that_there_are(study: studies.Study) -> None:
    assert set(study.quick) <= set(study.sizes)
    assert find(study.name) is study
    assert study.version >= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (np.int64(1200), "1,200"), (2.0, "2"), (0.12345, "0.123"), (float("nan"), "—"),
     (9.3e-17, "9.3 × 10⁻¹⁷"), ("x", "x")],
)  # fmt: skip
def test_cells(value: Any, text: str) -> None:
    assert _cell(value) == text
