"""The files: complete, deterministic, all or nothing, and refused early where they cannot be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loopbp.network import Network
from loopbp.report import GradientReport, gradient_report, prepare_folder, writing

CHECKPOINT = [
    "report.html",
    "report.md",
    "report.tex",
    "report.json",
    "gradients.png",
    "gradients.svg",
    "alarms.csv",
    "gradients.csv",
    "histograms.csv",
]
KINDS = ["csv", "parquet"] if find_spec("pyarrow") else ["csv"]
NAMES = [
    *CHECKPOINT,
    "history.csv",
    *(f"{name}.{kind}" for name in ("statistics", "layers", "losses") for kind in KINDS),
]

#: Makes a report in a process of its own; the footers are all that may differ.
SCRIPT = """
import sys, time
import numpy as np
import loopbp
random = np.random.default_rng(0)
X, Y = random.normal(size=(40, 6)), random.integers(0, 3, 40)
net = loopbp.Network([6, 5, 3], seed=1)
history = net.fit(X, Y, epochs=4, validation=(X, Y), report=True, engine="numpy", progress=False)
report = loopbp.gradient_report(net, X, Y, history=history, engine="numpy")
report.write(sys.argv[1], settings={"seed": 0, "data": "made"}, command="loopbp report",
             seconds={"training": time.perf_counter()})
assert "matplotlib.pyplot" not in sys.modules  # it would look for a display
"""


@pytest.fixture(scope="module")
def folder(report: GradientReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "new" / "folder"
    report.write(path, settings={"seed": 3}, command="loopbp report", seconds={"training": 1.5})
    return path


def test_all_files_and_no_others(folder: Path, report: GradientReport) -> None:
    paths = report.write(folder, settings={"seed": 3}, command="loopbp report")
    assert [path.name for path in paths] == NAMES
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    assert all(path.stat().st_size > 50 for path in paths)
    assert (folder / "gradients.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_run_there_is_no_history(net: Network, data: Any, tmp_path: Path) -> None:
    paths = gradient_report(net, *data, engine="numpy").write(tmp_path)
    assert [path.name for path in paths] == CHECKPOINT


def test_csv_is_the_frame_bit_for_bit(folder: Path, report: GradientReport) -> None:
    assert b"\r" not in (folder / "gradients.csv").read_bytes()
    for name, frame in (("gradients.csv", report.frame), ("history.csv", report.history)):
        read = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        assert list(read) == list(frame)
        for column in frame:
            if column == "activation":
                assert list(read[column]) == list(frame[column])
            else:
                numbers = [float(cell) if cell else np.nan for cell in read[column]]
                np.testing.assert_array_equal(numbers, frame[column])


def test_json_holds_the_numbers(folder: Path, report: GradientReport) -> None:
    document = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert document["sentence"] == report.sentence
    assert document["settings"] == {"seed": 3}
    assert document["command"] == "loopbp report"
    assert document["network"]["sizes"] == [4, 5, 3]
    assert [row["mean_abs"] for row in document["layers"]] == list(report.frame["mean_abs"])
    assert document["layers"][-1]["ratio"] is None
    assert document["layers"][0]["zero_input_nodes"] == [2]
    assert document["history"]["mean_abs"] == list(report.history["mean_abs"])
    assert document["epochs"]["loss"] == list(report.epochs["loss"])
    assert set(document["made_with"]) == {"versions", "seconds", "written"}
    assert set(report.frame.columns) <= set(document["definitions"])


def test_json_without_finite_numbers_is_still_json(tmp_path: Path) -> None:
    net = Network([2, 3, 1], hidden="exp", output="identity", loss="sse")
    net.theta[...] = 40
    X = np.ones((2, 2))
    with np.errstate(all="ignore"):
        report = gradient_report(net, X * 1e3, np.zeros((2, 1)), engine="numpy")
    report.write(tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert document["layers"][0]["mean_abs"] in ("NaN", "Infinity")
    assert document["loss"] == "Infinity"


def test_plain_values() -> None:
    given = {"a": np.float32(0.5), "b": (np.int64(1), True), "c": [np.nan, -np.inf], 4: Path("x")}
    assert writing.plain_values(given) == {
        "a": 0.5,
        "b": [1, True],
        "c": ["NaN", "-Infinity"],
        "4": "x",
    }


def blanked(path: Path) -> bytes:
    """The file without what may differ."""
    content = path.read_bytes()
    if path.name == "report.json":
        document = json.loads(content)
        assert document.pop("made_with")
        return json.dumps(document).encode()
    footer = rb"<footer>Made with .*</footer>" if path.suffix == ".html" else rb"\nMade with .*\n"
    content, found = re.subn(footer, b"", content)
    assert found == (path.suffix in (".html", ".md"))
    return content


def test_the_same_bytes_from_two_processes(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    for name in NAMES:
        assert blanked(tmp_path / "a" / name) == blanked(tmp_path / "b" / name), name


def test_markdown(folder: Path, report: GradientReport) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# Gradient report"
    start = next(k for k, line in enumerate(lines) if line.startswith("| layer |"))
    assert lines[start + 1] == "| " + " | ".join(["--:"] * 9) + " |"
    for l in range(2):
        row = re.split(r"(?<!\\)\|", lines[start + 2 + l])
        assert row[1].strip() == str(l)
        assert float(row[4]) == pytest.approx(report.frame["mean_abs"][l], rel=0.005)
    assert "](gradients.png)" in text
    assert "    loopbp report" in lines
    assert lines[-1].startswith("Made with python ")
    assert "\n\n\n" not in text


def test_markdown_escapes(report: GradientReport, tmp_path: Path) -> None:
    report.write(tmp_path, settings={"data": "a|b\n# <b>*x*</b> `y` [z](w)"})
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| data | a\\|b \\# \\<b\\>\\*x\\*\\</b\\> \\`y\\` \\[z\\](w) |" in text


def test_table_fits_a_terminal() -> None:
    net = Network([1024, 1024, 10], seed=0)
    X, Y = np.random.default_rng(0).normal(size=(3, 1024)), np.array([0, 1, 2])
    lines = gradient_report(net, X, Y, engine="numpy").table().splitlines()
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) <= 80
    assert lines[3].split()[:5] == ["0", "1024", "→", "1024", "1,049,600"]


def test_text_ends_with_the_sentence(report: GradientReport) -> None:
    assert str(report).startswith(report.table())
    assert str(report).endswith("\n\n" + report.sentence)
    assert repr(report) == f"<GradientReport 4-5-3: 30 examples, loss {report.loss:.6g}>"


def test_folder_that_is_a_file(report: GradientReport, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for path in (file, file / "below"):
        with pytest.raises(NotADirectoryError, match=r"folder: .* is a file or lies below one"):
            report.write(path)
    assert file.read_text() == "mine"


def test_folder_that_cannot_be(report: GradientReport, monkeypatch: Any, tmp_path: Path) -> None:
    for wrong in (3, "", None):
        with pytest.raises(TypeError, match="folder: expected the path of a folder; got"):
            report.write(wrong)  # type: ignore[arg-type]

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writing.tempfile, "TemporaryFile", refuse)
    with pytest.raises(PermissionError, match=r"folder: .*: Permission denied"):
        prepare_folder(tmp_path)


def test_nothing_of_an_earlier_report_is_left_beside_the_new_one(
    report: GradientReport, net: Network, data: Any, tmp_path: Path
) -> None:
    report.write(tmp_path)
    (tmp_path / "my-history.csv").write_text("mine")
    (tmp_path / "elsewhere.csv").write_text("mine")
    (tmp_path / "losses.csv").unlink()
    (tmp_path / "losses.csv").symlink_to("elsewhere.csv")
    paths = gradient_report(net, *data, engine="numpy").write(tmp_path)
    assert [path.name for path in paths] == CHECKPOINT
    kept = {"my-history.csv", "elsewhere.csv", "losses.csv"}
    assert {path.name for path in tmp_path.iterdir()} == {*CHECKPOINT, *kept}
    assert (tmp_path / "losses.csv").read_text() == "mine"


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": "other"}', "[" * 100_000, "\xff"])
def test_files_that_are_no_earlier_report_s_stay(
    net: Network, data: Any, tmp_path: Path, content: str | None
) -> None:
    (tmp_path / "history.csv").write_text("mine")
    if content is not None:
        (tmp_path / "report.json").write_text(content, encoding="latin-1")
    gradient_report(net, *data, engine="numpy").write(tmp_path)
    assert (tmp_path / "history.csv").read_text() == "mine"


def test_an_earlier_report_stays_until_the_new_one_is_whole(
    report: GradientReport, net: Network, data: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    report.write(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        gradient_report(net, *data, engine="numpy").write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


def test_a_file_that_cannot_be_replaced_is_noticed_first(
    report: GradientReport, tmp_path: Path
) -> None:
    (tmp_path / "report.md").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder: expected to write .*report\.md"):
        report.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_old_files_stay_whole(report: GradientReport, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        report.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "old"


def test_nothing_heavy_is_imported_before_it_is_asked_for() -> None:
    code = (
        "import sys, loopbp, loopbp.report; loopbp.gradient_report\n"
        "print([m for m in ('pandas', 'matplotlib', 'jinja2') if m in sys.modules])\n"
        "loopbp.report.writing\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_is_the_frame(folder: Path, report: GradientReport) -> None:
    assert report.run is not None
    for name in ("statistics", "layers", "losses"):
        read = pd.read_parquet(folder / f"{name}.parquet")
        pd.testing.assert_frame_equal(read, getattr(report.run, name), check_dtype=False)


def test_without_pyarrow_there_is_no_parquet(
    report: GradientReport, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(writing, "find_spec", lambda name: None)
    names = [path.name for path in report.write(tmp_path)]
    assert "statistics.csv" in names and not any("parquet" in name for name in names)


def test_a_large_report_is_written_in_seconds(tmp_path: Path) -> None:
    from recorded import history_of

    random = np.random.default_rng(0)
    net = Network([8] * 11, hidden="tanh", seed=0)
    history = history_of(np.exp(random.normal(size=(1000, 10, 5))), sizes=(8,) * 11)
    X, Y = random.normal(size=(20, 8)), random.integers(0, 8, 20)
    started = time.perf_counter()
    report = gradient_report(net, X, Y, history=history, engine="numpy")
    report.write(tmp_path)
    assert time.perf_counter() - started < 30  # some 2 s on a machine that has nothing else to do
    assert (tmp_path / "report.html").stat().st_size < 500_000
    assert (tmp_path / "report.json").stat().st_size < 1_000_000
    assert len(pd.read_csv(tmp_path / "statistics.csv")) == 1000 * 10 * 2


def test_the_first_lines_say_what_is_wrong(data: Any, tmp_path: Path) -> None:
    net = Network([4, *[5] * 9, 3], seed=0)
    report = gradient_report(net, *data, engine="numpy")
    report.write(tmp_path)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.splitlines()[2].startswith("**The gradient vanishes towards the input: layer 0's")
    assert text.index("## What is wrong") < text.index("What usually helps") < text.index("| layer")
    document = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [row["alarm"] for row in document["alarms"]] == list(report.alarms["alarm"])
    assert document["alarms"][0]["layer"] == 0 and document["alarms"][0]["threshold"] == 1e-3
    read = pd.read_csv(tmp_path / "alarms.csv")
    assert list(read["value"]) == list(report.alarms["value"])
