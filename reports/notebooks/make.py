"""Runs the notebooks of this folder from top to bottom, and writes them back with their outputs.

Usage: python reports/notebooks/make.py [NAME.ipynb ...]

`jupyter execute --inplace` does almost the same, but also writes down at what time each cell ran
and with which version of Python, so that every run would look like a change.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent

#: Seconds that one cell may take; the first run on a machine compiles.
PATIENCE = 300


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook in the file, executed; raises `CellExecutionError` where a cell fails."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.ipynb"))
    for path in paths:
        started = time.perf_counter()
        nbformat.write(execute(path), path)
        size = path.stat().st_size / 1000
        print(f"{path.name}: {time.perf_counter() - started:.1f} s, {size:.0f} kB")


if __name__ == "__main__":
    main()
