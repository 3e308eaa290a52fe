"""The studies by their names, and running one of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import datasets
from ..checks import choice, flag, integer
from ..datasets.table import Columns
from ..progress import Progress
from . import batch, learning_rate, memory, saturation, starting_points, vanishing
from .data import digest, reading
from .result import StudyResult
from .runner import all_computed, run_pieces
from .study import Study

STUDIES: tuple[Study, ...] = (
    vanishing.STUDY,
    learning_rate.STUDY,
    batch.STUDY,
    starting_points.STUDY,
    saturation.STUDY,
    memory.STUDY,
)


def find(name: object) -> Study:
    """The study of this name; raises `TypeError` or `ValueError` for another."""
    by_name = {study.name: study for study in STUDIES}
    return by_name[choice("study", name, by_name)]


def run(
    study: str | Study,
    *,
    data: str | os.PathLike[str] = "digits",
    target: Columns | None = None,
    task: str = "auto",
    header: bool = True,
    separator: str = ",",
    seeds: int | None = None,
    quick: bool = False,
    folder: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    dask: Any = None,
    progress: Callable[[Progress], None] | bool | None = None,
    **sizes: Any,
) -> StudyResult:
    """Runs a study: the same result with any number of jobs, on any machine of a cluster.

    study : its name (see `STUDIES`), or a study of one's own.
    data : "digits", "mnist", or the path of a .csv or .npz file.
    target, task, header, separator : how a file is read, as for `datasets.load`.
    seeds : runs of every setting, with seeds 0, 1, …; None: the study's own number.
    quick : a trial of a few seconds, with smaller sizes.
    folder : keeps every finished piece in `folder/pieces`, so that a run that is interrupted goes
        on where it stopped; None: nothing is kept.
    jobs : processes; None: one per core; 1: in this process.
    dask : the address of a Dask scheduler, or a `distributed.Client`, instead of processes here.
    progress : as in `Network.fit`.
    **sizes : settings of the study, such as depths=(2, 4); `find(name).sizes` lists them.

    Raises `TypeError` or `ValueError` for settings that do not fit, before anything is computed;
    `StudyInterrupted` on Ctrl-C; `ImportError` for a cluster without the package `distributed`;
    `OSError` where data, folder or cluster cannot be reached.
    """
    chosen = study if isinstance(study, Study) else find(study)
    values = chosen.settings(quick=flag("quick", quick), changes=sizes)
    if seeds is not None:
        values["seeds"] = integer("seeds", seeds, low=1)
    if jobs is not None:
        integer("jobs", jobs, low=1)
    source = os.fspath(data)
    found = datasets.load(source, target=target, task=task, header=header, separator=separator)
    how = reading(target, task, header, separator)
    settings = {"data": source, "reading": how, "digest": digest(found), **values}
    pieces = chosen.grid(settings)
    kept = None if folder is None else Path(folder)
    done = run_pieces(chosen, pieces, folder=kept, jobs=jobs, dask=dask, progress=progress)
    with all_computed(len(pieces), kept):
        frame = chosen.frame(pieces, done.rows)
    return StudyResult(
        study=chosen,
        frame=frame,
        settings=settings,
        pieces=len(pieces),
        reused=done.reused,
        notices=done.notices,
    )
