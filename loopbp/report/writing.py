"""Writing a report into a folder: every file whole or not at all, the same bytes every time."""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..checks import describe
from ..npz import replacing

if TYPE_CHECKING:
    import pandas as pd

    from .gradient import GradientReport

#: The packages whose versions a report records beside its own and Python's.
PACKAGES = ("numba", "numpy", "pandas", "matplotlib", "jinja2")

FILES = (
    "report.html",
    "gradients.png",
    "gradients.csv",
    "history.csv",
    "report.json",
    "report.md",
)


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """The folder, made if need be, once it is certain that a report can be written into it.

    To be called before the work whose result goes there. Raises `TypeError` for what is not a
    path, `OSError` (`NotADirectoryError`, `PermissionError` …) with the reason otherwise.
    """
    if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
        raise TypeError(f"folder: expected the path of a folder; got {describe(folder)}")
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"folder: expected a folder to write into; {path} is a file or lies below one"
        ) from None
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise type(problem)(f"folder: expected a folder to write into; {path}: {reason}") from None
    for name in FILES:
        if (path / name).is_dir():
            raise IsADirectoryError(f"folder: expected to write {path / name}; it is a folder")
    return path


def write(
    report: GradientReport,
    folder: str | os.PathLike[str],
    *,
    settings: Mapping[str, Any],
    command: str | None,
    seconds: Mapping[str, float],
) -> list[Path]:
    """As `GradientReport.write` says; everything is made before the first file is written."""
    from . import page, plot, text

    path = prepare_folder(folder)
    made_with = provenance(seconds)
    footer = footer_line(made_with)
    document = {
        **report.to_dict(),
        "settings": plain_values(settings),
        "command": command,
        "made_with": made_with,
    }
    markdown = text.markdown(
        report, settings=settings, command=command, picture="gradients.png", footer=footer
    )
    contents = {
        "report.html": page.page(report, settings, command, footer).encode(),
        "gradients.png": plot.png(report.plot()),
        "gradients.csv": csv(report.frame),
        "report.json": json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()
        + b"\n",
        "report.md": markdown.encode(),
    }
    if len(report.history):
        contents["history.csv"] = csv(report.history)
    written = []
    for name in FILES:
        if name in contents:
            with replacing(path / name) as file:
                file.write(contents[name])
            written.append(path / name)
    return written


def csv(frame: pd.DataFrame) -> bytes:
    """The frame as CSV: UTF-8, a line feed after each row, floats that read back to the same."""
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode()


def provenance(seconds: Mapping[str, float]) -> dict[str, Any]:
    """What made a report, when, and how long it took: all that may differ between two runs."""
    versions = {"python": platform.python_version(), "loopbp": __version__}
    for package in PACKAGES:
        versions[package] = metadata.version(package)
    return {
        "versions": versions,
        "seconds": {name: round(float(value), 3) for name, value in seconds.items()},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def footer_line(made_with: Mapping[str, Any]) -> str:
    """The same in one line."""
    parts = [f"{name} {version}" for name, version in made_with["versions"].items()]
    parts += [f"{name} {value:g} s" for name, value in made_with["seconds"].items()]
    return f"Made with {', '.join(parts)}; written {made_with['written']}."


def plain_values(value: Any) -> Any:
    """`value` in the types that JSON has; NaN and infinities become strings, as JSON lacks them."""
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain_values(item) for item in value]
    return str(value)
