"""Writing a report into a folder: every file whole or not at all, the same bytes every time."""

from __future__ import annotations

import io
import json
import math
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
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

#: The frames of a recorded run that are written whole.
RUN_FRAMES = ("statistics", "layers", "losses")

FILES = (
    "report.html",
    "report.md",
    "report.tex",
    "report.json",
    "gradients.png",
    "gradients.svg",
    "alarms.csv",
    "gradients.csv",
    "histograms.csv",
    "history.csv",
    *(f"{name}.{kind}" for name in RUN_FRAMES for kind in ("csv", "parquet")),
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
    """As `GradientReport.write` says; everything is made before the first file is written.

    What only an earlier report in the folder had goes last.
    """
    from . import canvas, latex, page, text

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
    figure = report.plot()
    contents = {
        "report.html": page.page(report, settings, command, footer).encode(),
        "report.md": markdown.encode(),
        "report.tex": latex.document(report).encode(),
        "report.json": to_json(document),
        "gradients.png": canvas.png(figure),
        "gradients.svg": canvas.svg_file(figure),
        "alarms.csv": csv(report.alarms),
        "gradients.csv": csv(report.frame),
        "histograms.csv": csv(report.histograms),
    }
    if report.run is not None and len(report.history):
        contents["history.csv"] = csv(report.history)
        for name in RUN_FRAMES:
            contents |= export(name, getattr(report.run, name))
    earlier = _files_of_a_report(path)
    written = write_files(path, contents)
    for name in earlier - contents.keys():
        (path / name).unlink(missing_ok=True)
    return written


def _files_of_a_report(folder: Path) -> set[str]:
    """The files of the report that lies in the folder; none where its report.json is not ours."""
    from .gradient import FORMAT

    file = folder / "report.json"
    try:
        document = json.loads(file.read_bytes()) if file.is_file() else None
    except (OSError, ValueError, RecursionError):
        return set()
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return set()
    # A link is somebody's own arrangement.
    lying = {name: folder / name for name in FILES}
    return {name for name, file in lying.items() if file.is_file() and not file.is_symlink()}


def write_files(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Writes each file whole or not at all, in the given order, and returns the paths."""
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]


def to_json(document: Mapping[str, Any]) -> bytes:
    """The document as JSON, in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def export(name: str, frame: pd.DataFrame) -> dict[str, bytes]:
    """The frame as CSV and, where pyarrow is installed, as Parquet: file names and contents."""
    contents = {f"{name}.csv": csv(frame)}
    if find_spec("pyarrow") is not None:
        stream = io.BytesIO()
        frame.to_parquet(stream, engine="pyarrow", index=False)
        contents[f"{name}.parquet"] = stream.getvalue()
    return contents


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as plain values; a missing integer is None."""
    rows = frame.astype(object).where(frame.notna() | (frame.dtypes != "Int64"), None)
    return [plain_values(row) for row in rows.to_dict("records")]


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
