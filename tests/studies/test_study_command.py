"""`loopbp study`: lists, runs, writes, and says how to have it again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopbp.cli import app

from .conftest import NAMES


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["study", *map(str, arguments)], prog_name="loopbp")
    unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exception
    assert result.exit_code == code, result.output
    return result


def test_without_a_name_they_are_listed() -> None:
    output = run().stdout
    assert re.findall(r"^  ([a-z-]+) +[0-9]+  \S", output, re.MULTILINE) == NAMES
    assert re.search(r"^  vanishing +180  Vanishing", output, re.MULTILINE)  # 3 · 3 · 4 · 5 seeds
    assert "depths=2,4,8,16" in output
    assert max(map(len, output.splitlines())) <= 80


def test_it_writes_its_files_and_says_which(empty_folder: Path) -> None:
    output = run("memory", "--quick", "--jobs", 1, "--set", "depths=1,3").stdout
    assert "\n4 pieces; " in output
    listed = re.findall(r"^  (loopbp-studies/memory/\S+)$", output, re.MULTILINE)
    assert {"study.html", "plot.png", "plot.svg", "frame.csv"} <= {Path(n).name for n in listed}
    assert all((empty_folder / name).is_file() for name in listed)
    page = (empty_folder / "loopbp-studies/memory/study.html").read_text("utf-8")
    assert "<code>loopbp study memory --quick --set depths=1,3</code>" in page
    assert max(map(len, output.splitlines())) <= 80
    again = run("memory", "--quick", "--jobs", 1, "--set", "depths=3,5").stdout
    assert "4 pieces, 2 of them finished earlier" in again


@pytest.mark.parametrize("at", ["study.Study.frame", "result.StudyResult.plot", "result.replacing"])
def test_ctrl_c_while_the_result_is_made_says_what_is_kept(
    at: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"loopbp.studies.{at}", interrupt)
        result = run("memory", "--quick", "--jobs", 1, "--out", "o", code=130)
    assert result.stdout == ""
    told = "interrupted; 4 of 4 pieces are kept in o/memory/pieces; the next run goes on"
    assert told in " ".join(result.stderr.split())
    assert not (empty_folder / "o/memory/study.html").exists()
    again = run("memory", "--quick", "--jobs", 1, "--out", "o").stdout
    assert "4 pieces, 4 of them finished earlier" in again
    assert (empty_folder / "o/memory/study.html").exists()


def test_a_damaged_piece_is_said(empty_folder: Path) -> None:
    run("memory", "--quick", "--jobs", 1, "--out", "o")
    piece = next((empty_folder / "o/memory/pieces").glob("*.json"))
    piece.write_text("{}")
    result = run("memory", "--quick", "--jobs", 1, "--out", "o")
    assert "computed again" in " ".join(result.stderr.split())
    assert "4 pieces, 3 of them finished earlier" in result.stdout


def test_all_of_them(empty_folder: Path) -> None:
    run("all", "--quick", "--jobs", 1, "--seeds", 1, "--out", "o")
    assert sorted(path.parent.name for path in (empty_folder / "o").glob("*/study.html")) == sorted(
        NAMES
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vanish"], "did you mean 'vanishing'"),
        (["vanishing", "--set", "depths"], "expected NAME=VALUE"),
        (["vanishing", "--set", "depths=x"], "expected whole numbers; got 'x'"),
        (["vanishing", "--set", "depth=2"], "did you mean 'depths'"),
        (["vanishing", "--seeds", "0"], "seeds: expected an integer ≥ 1; got 0"),
        (["vanishing", "--jobs", "0"], "jobs: expected an integer ≥ 1; got 0"),
        (["vanishing", "--data", "nowhere.csv"], "nowhere.csv"),
        (["all", "--set", "eta=1"], "expected one study"),
    ],
)
def test_errors(arguments: list[str], message: str) -> None:
    result = run(*arguments, code=2)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_cluster_needs_dask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    result = run("memory", "--quick", "--dask", "tcp://127.0.0.1:1", code=2)
    assert "pip install 'loopbp[dask]'" in " ".join(result.stderr.split())
