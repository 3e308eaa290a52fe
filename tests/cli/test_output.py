"""What the commands print, and where."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app, options, terminal

from .command import COMMAND, run, spawn


def test_help_is_fast_and_imports_nothing_heavy() -> None:
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        result = spawn("--help")
        seconds.append(time.perf_counter() - started)
        assert result.returncode == 0
    assert min(seconds) < 1.0  # 0.5 on two cores that have nothing else to do
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "train", "--help"],
        capture_output=True,
        encoding="utf-8",
    ).stderr
    modules = {line.rsplit("|", 1)[-1].strip() for line in loaded.splitlines()}
    assert "typer" in modules
    assert modules.isdisjoint({"numpy", "numba", "pandas", "matplotlib", "jinja2"})


def test_version() -> None:
    assert run("--version").stdout == f"loopbp {loopbp.__version__}\n"


@pytest.mark.parametrize("command", ["report", "train", "check"])
def test_every_option_is_explained(command: str) -> None:
    text = run(command, "--help").stdout
    for option in ("--data", "--sizes", "--hidden", "--loss", "--seed", "--engine", "--dtype"):
        assert option in text
    assert ("--epochs" in text) == (command != "check")


def test_results_on_stdout_and_nothing_else(flowers: str) -> None:
    common = ["--data", flowers, "--sizes", "3"]
    for arguments in (
        ["report", *common, "--epochs", "1"],
        ["train", *common, "--epochs", "1"],
        ["check", *common],
    ):
        result = spawn(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert "flowers" in result.stdout
        assert "\x1b" not in result.stdout


def test_nothing_is_wider_than_80_columns(heights: str, flowers: str) -> None:
    shown = [run(*command, "--help").stdout for command in ([], ["report"], ["train"], ["check"])]
    wide = ["--sizes", "1024,1024", "--epochs", 1, "--batch-size", 48, "--engine", "numpy"]
    shown += [
        run("report", "--data", flowers, *wide).stdout,
        run("train", "--data", flowers, "--epochs", 3).stdout,
        run("check", "--data", flowers, "--sizes", "12").stdout,
        run("train", "--data", heights, "--epochs", 3).stdout,
        run("train", "--data", flowers, "--hidden", "reul", code=2).stderr,
    ]
    assert "ratio to\n" in shown[4]  # the table is narrower, not cut
    for text in shown:
        assert max(len(line) for line in text.splitlines()) <= 80


def test_a_terminal_without_greek_letters(flowers: str) -> None:
    arguments = ["--data", flowers, "--sizes", "3", "--epochs", "1"]
    result = spawn("report", *arguments, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    for text in ("of delta", "|df/dw|", "2 -> 3"):
        assert text in result.stdout
    assert "?" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert spawn("train", "--help", PYTHONIOENCODING="ascii").returncode == 0


class Ascii:
    """As much of a stream as `printable` looks at."""

    encoding = "ascii"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("δ ≥ 2 × 10⁻⁶", "delta >= 2 x 10^-6"),
        ("mean |∂f/∂w| — 64 → 32 …", "mean |df/dw| - 64 -> 32 ..."),
        ("Größe", "Gr??e"),
        ("plain", "plain"),
    ],
)
def test_printable(text: str, spelled: str) -> None:
    assert terminal.printable(text, Ascii()) == spelled  # type: ignore[arg-type]
    assert terminal.printable(text, sys.__stdout__) in (text, spelled)


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("torch", 'needs PyTorch, which is not installed: pip install "loopbp[torch]"'),
        ("absent_library", "MODULE:OBJECT: No module named 'absent_library'"),
    ],
)
def test_a_model_whose_library_is_missing(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch, library: str, message: str
) -> None:
    (empty_folder / "needy.py").write_text(f"import {library}\nmodel = None\n")
    if library == "torch":
        monkeypatch.setitem(sys.modules, library, None)  # as if it were not there
    monkeypatch.delitem(sys.modules, "needy", raising=False)
    result = CliRunner().invoke(app, ["verify", "needy.py:model"])
    assert result.exit_code == 2
    assert " ".join(result.stderr.split()) == f"Error: {message}"


def test_a_table_that_is_too_wide_keeps_every_digit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of 20 columns: 5 and 5 + 1 + 8 + 1 + 5, each with the first column."""
    headings = ("layer", "mean\n|∂f/∂w|", "norm", "zeros")
    rows = [("0", "1.25e-03", "−2.5e-04", "0 %"), ("1", "2.5e-107", "1e+00", "100 %")]
    monkeypatch.setenv("COLUMNS", "20")
    terminal.table(headings, rows)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "          mean",
        "layer  |∂f/∂w|",
        "    0 1.25e-03",
        "    1 2.5e-107",
        "",
        "layer     norm zeros",
        "    0 −2.5e-04   0 %",
        "    1    1e+00 100 %",
    ]
    for width, gap in ((32, "  "), (31, " "), (29, " ")):
        monkeypatch.setenv("COLUMNS", str(width))
        terminal.table(headings, rows)
        last = capsys.readouterr().out.splitlines()[-1].rstrip()
        assert last == gap.join(["    1", "2.5e-107", "   1e+00", "100 %"])


def test_the_last_column_of_a_listing_is_broken_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "32")
    terminal.listing([("a", "bc", "one two three four five six"), ("dd", "e", "seven")])
    assert capsys.readouterr().out.splitlines() == [
        "  a   bc  one two three four",
        "          five six",
        "  dd  e   seven",
    ]


def test_the_command_line_of_some_options() -> None:
    data = options.DataOptions(data="my file.csv", target=["a", "b"])
    training = options.TrainingOptions(batch_size=8, nesterov=True, from_=Path("net.npz"))
    assert options.command_line("report", data, training) == (
        "loopbp report --data 'my file.csv' --target a --target b --batch-size 8 --nesterov "
        "--from net.npz"
    )
