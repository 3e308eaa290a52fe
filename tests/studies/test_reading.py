"""A study over somebody's own table, however its columns are separated and named."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopbp import studies
from loopbp.cli import app
from loopbp.studies import StudyResult

from .conftest import NAMES

KINDS = ("low", "mid", "high")
ROWS = [(k % 7 / 7, k % 5 / 5, KINDS[k % 3]) for k in range(30)]
SEMICOLONS = {"header": False, "separator": ";"}


@pytest.fixture(autouse=True)
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same examples with a header and commas, and with neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("plain.csv").write_text("a,b,kind\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS))
    Path("semi.csv").write_text("".join(f"{a};{b};{c}\n" for a, b, c in ROWS))
    return tmp_path


def memory(data: str, **options: Any) -> StudyResult:
    sizes: Any = {"depths": (1, 2), "batch_sizes": (3,)}
    return studies.run("memory", data=data, quick=True, jobs=1, progress=False, **sizes, **options)


def command(line: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["study", *shlex.split(line)], prog_name="loopbp")
    assert result.exit_code == code, result.output
    return result


def test_the_same_examples_give_the_same_numbers() -> None:
    plain, semi = memory("plain.csv"), memory("semi.csv", **SEMICOLONS)
    assert plain.settings["digest"] == semi.settings["digest"]
    assert plain.frame.equals(semi.frame)


@pytest.mark.parametrize(
    "options",
    [
        {"target": "kind"},  # the last column: the same examples in the end
        {"target": "a"},
        {"target": ["a", "kind"]},
        {"task": "regression"},
    ],
    ids=str,
)
def test_pieces_of_another_reading_are_not_taken(tables: Path, options: dict[str, Any]) -> None:
    text = Path("plain.csv").read_text()
    for number, kind in enumerate(KINDS):
        text = text.replace(kind, str(number))
    Path("plain.csv").write_text(text)
    assert memory("plain.csv", folder=tables).reused == 0
    assert memory("plain.csv", folder=tables, **options).reused == 0
    assert memory("plain.csv", folder=tables, **options).reused == 2
    assert memory("plain.csv", folder=tables).reused == 2


def test_the_command_reads_it_and_says_how_to_have_it_again(tables: Path) -> None:
    sizes = "--quick --set depths=1,2 --jobs 1"
    line = f"memory --data semi.csv --no-header --separator ';' {sizes}"
    assert "\n4 pieces; " in command(line).stdout
    page = (tables / "loopbp-studies/memory/study.md").read_text("utf-8")
    again = "loopbp study memory --data semi.csv --no-header --separator ';' --quick --set depths="
    assert f"    {again}1,2\n" in page
    assert '| reading | {"header": false, "separator": ";"} |' in page.replace("\\", "")
    said = page.split("    loopbp ")[1].split("\n")[0]
    assert "4 pieces, 4 of them finished earlier" in command(said.removeprefix("study ")).stdout
    # columns without names are called 0, 1, …
    other = f"{line} --target 0 --target 1 --task regression"
    message = " ".join(command(other, code=2).stderr.split())
    assert "semi.csv: line 1, column '2': expected a finite number; got 'low'" in message
    other = f"memory --data plain.csv --target kind --task classification {sizes}"
    assert "\n4 pieces; " in command(other).stdout
    page = (tables / "loopbp-studies/memory/study.md").read_text("utf-8")
    again = "    loopbp study memory --data plain.csv --target kind --task classification --quick"
    assert again in page


def test_how_it_is_read_is_said_only_where_something_was_asked_for(tables: Path) -> None:
    memory("plain.csv").write(tables / "out")
    assert "reading" not in (tables / "out/study.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_study_takes_it(name: str) -> None:
    run: Any = studies.run
    result = run(name, data="semi.csv", quick=True, seeds=1, jobs=1, progress=False, **SEMICOLONS)
    assert len(result.frame) > 0 and result.reading
