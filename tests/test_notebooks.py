"""The notebooks of reports/notebooks: they run from top to bottom, and show what they store."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import numba
import pytest

import loopbp

FOLDER = Path(__file__).parent.parent / "reports" / "notebooks"
NOTEBOOKS = ("1-one-weight", "2-the-same-bits", "3-what-is-wrong")

LARGEST = 400_000
MOST_CELLS = 15

#: A number with all its digits.
_LONG = re.compile(r"\d+\.\d{12,}")

#: A cell with this tag tells times, or what depends on an optional library.
VARIES = "varies"

for _name in ("nbformat", "nbclient", "ipykernel"):
    pytest.importorskip(_name, reason=f"needs {_name}: pip install loopbp[notebooks]")

import nbformat  # noqa: E402


def read(name: str) -> Any:
    """The notebook as it is stored, checked against the format."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def written(cell: Any) -> list[str]:
    """Everything textual that a cell shows; of a picture only that there is one.

    Pixels depend on the version of matplotlib. Numbers in full are compared to ten digits: what a
    notebook computes with NumPy may end in others on another machine.
    """
    parts = []
    for output in cell.outputs:
        assert output.output_type in ("stream", "display_data", "execute_result"), output
        parts.append(output.get("text", ""))
        for kind, data in sorted(output.get("data", {}).items()):
            parts.append(kind if kind == "image/png" else f"{kind}: {data}")
    return [_LONG.sub(lambda number: f"{float(number[0]):.10g}", part) for part in parts]


def everything(notebook: Any) -> str:
    return "\n".join(part for cell in code(notebook) for part in written(cell))


@pytest.fixture(params=NOTEBOOKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_of_them_are_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


def test_it_is_short_and_was_executed_in_order(name: str) -> None:
    notebook = read(name)
    assert len(notebook.cells) <= MOST_CELLS
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST
    assert notebook.cells[0].source.startswith("# ")
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_it_says_nothing_of_the_machine(name: str) -> None:
    notebook = read(name)
    text = everything(notebook)
    assert not re.search(r"/(home|root|tmp|Users|usr|site-packages)\b|[A-Z]:\\", text)
    assert "Warning" not in text and "Traceback" not in text and "\x1b" not in text
    assert all(output.get("name") != "stderr" for cell in code(notebook) for output in cell.outputs)
    assert all(cell.metadata.keys() <= {"tags"} for cell in notebook.cells)
    assert notebook.metadata["language_info"] == {"name": "python"}
    assert notebook.metadata.keys() == {"kernelspec", "language_info"}


def test_it_needs_no_script(name: str) -> None:
    text = everything(read(name))
    assert "<script" not in text and "javascript" not in text


def test_what_it_links_to_exists(name: str) -> None:
    sources = "\n".join(cell.source for cell in read(name).cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]+)\)", sources)
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="too large for loops that are not compiled"
)
def test_it_runs_and_shows_what_it_stores(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the kernel imports this loopbp, whether or not it is installed
    paths = [str(Path(loopbp.__file__).parent.parent), os.environ.get("PYTHONPATH")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    specification = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    assert specification is not None and specification.loader is not None
    make = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(make)
    path = FOLDER / f"{name}.ipynb"
    before = path.read_bytes()
    stored, fresh = read(name), make.execute(path)
    assert path.read_bytes() == before
    for then, now in zip(code(stored), code(fresh), strict=True):
        assert all(output.get("name") != "stderr" for output in now.outputs), now.outputs
        if VARIES in then.metadata.get("tags", ()):
            assert len(written(now)) == len(written(then)) > 0
        else:
            assert written(now) == written(then), then.source
