"""What a study leaves: a frame, a picture, and what one sees, written as files and as a page."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..npz import replacing
from .study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study that has been run.

    frame : tidy, the columns of `study.columns`, in the order of the grid.
    settings : everything that the numbers follow from.
    pieces, reused : how many there are, and how many of them an earlier run had finished.
    notices : what there is to say about pieces on disk that were damaged.
    """

    study: Study
    frame: pd.DataFrame
    settings: Mapping[str, Any]
    pieces: int
    reused: int = 0
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @cached_property
    def reading(self) -> tuple[str, ...]:
        """What one sees, in paragraphs; the numbers are those of the frame."""
        return tuple(self.study.read(self.frame))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The frame in a short table: mean or median over the seeds."""
        return self.study.summarise(self.frame)

    def plot(self) -> Figure:
        """The picture, a new matplotlib figure."""
        from ..report.canvas import style

        with style():
            return self.study.draw(self.frame)

    def write(
        self, folder: str | os.PathLike[str], *, command: str | None = None, seconds: float = 0.0
    ) -> list[Path]:
        """Writes study.html, study.md, plot.png, plot.svg, frame.csv; with pyarrow frame.parquet.

        Everything is made before the first file is written, each whole or not at all. `command`
        and `seconds` say on the page how it was made. The folder is made if need be; raises
        `OSError` where it cannot be written. Returns the paths.
        """
        from ..report.canvas import png, svg_file
        from ..report.writing import csv
        from .markdown import markdown
        from .page import page

        figure = self.plot()
        contents = {
            "study.html": page(self, command, seconds).encode(),
            "study.md": markdown(self, command, seconds, "plot.png").encode(),
            "plot.png": png(figure),
            "plot.svg": svg_file(figure),
            "frame.csv": csv(self.frame),
        }
        if importlib.util.find_spec("pyarrow") is not None:
            contents["frame.parquet"] = _parquet(self.frame)
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with replacing(path / name) as file:
                file.write(content)
        return [path / name for name in contents]

    def __repr__(self) -> str:
        return f"<StudyResult {self.name}: {self.pieces:,} pieces, {len(self.frame):,} rows>"

    def _repr_html_(self) -> str:
        from .page import fragment

        return fragment(self)


def _parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, engine="pyarrow", index=False)
    return stream.getvalue()
