"""`loopbp study`: a sweep, its frame, its picture and a page that says what one sees."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal
from .options import (
    FAILED,
    INTERRUPTED,
    DataOptions,
    NoHeader,
    Separator,
    Target,
    Task,
    command_line,
)

if TYPE_CHECKING:
    from loopbp.studies import Study, StudyResult

#: All of them, one after the other.
ALL = "all"


def study(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", show_default="list them", help="A study, or all of them: all."
        ),
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="digits (shipped), mnist (in the folder that LOOPBP_DATA names), a folder with "
            "the MNIST files, FILE.csv or FILE.npz.",
        ),
    ] = "digits",
    target: Target = None,
    task: Task = "auto",
    no_header: NoHeader = False,
    separator: Separator = ",",
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Each study has a folder in it."),
    ] = Path("loopbp-studies"),
    seeds: Annotated[
        int | None,
        typer.Option(metavar="N", show_default="the study's own", help="Runs of every setting."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", show_default="all cores", help="Processes."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            show_default="processes on this machine",
            help="Dask scheduler of a cluster, tcp://HOST:PORT; needs loopbp[dask].",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A trial of a few seconds, with smaller sizes.")
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,…]",
            show_default="the study's sizes",
            help="Change a setting, as depths=2,4; again for several.",
        ),
    ] = None,
) -> None:
    """Run a study: a sweep on all cores, with a frame, a picture and a page on what one sees.

    Without a name the studies are listed, with their settings. Ctrl-C keeps the finished pieces;
    the same command goes on from there.
    """
    from loopbp.studies import STUDIES, find

    from . import job

    if name is None:
        _list()
        return
    chosen = STUDIES if name == ALL else (find(name),)
    if name == ALL and change:
        raise ValueError("set: expected one study, whose settings these are; got all")
    changes = dict(_changed(chosen[0], text) for text in change or [])
    job.check_folder("out", out)
    source = DataOptions(data, target, task, no_header, separator)
    options = {"data": data, **job.reading(source), "seeds": seeds, "quick": quick, **changes}
    for one in chosen:
        command = _command(one.name, source, seeds, quick, change or [])
        _run(one, out / one.name, command, jobs, dask, options)


def _run(
    chosen: Study,
    folder: Path,
    command: str,
    jobs: int | None,
    dask: str | None,
    options: dict[str, Any],
) -> None:
    """Runs one study and writes its files."""
    from loopbp.studies import StudyInterrupted, run
    from loopbp.studies.runner import all_computed

    from .naming import named

    started = time.perf_counter()
    try:
        with terminal.activity(f"computing {chosen.name}") as activity:
            with named(header="no-header"):
                result = run(
                    chosen.name,
                    folder=folder,
                    jobs=jobs,
                    dask=dask,
                    progress=activity.progress,
                    **options,
                )
            seconds = time.perf_counter() - started
            whole = 0.0 if result.reused else seconds  # else it is not what the study takes
            with all_computed(result.pieces, folder):
                activity.begin("drawing")
                files = result.write(folder, command=command, seconds=whole)
    except StudyInterrupted as stop:
        terminal.error(str(stop))
        raise typer.Exit(INTERRUPTED) from None
    except ImportError as problem:
        terminal.error(f"{problem}: pip install 'loopbp[dask]'")
        raise typer.Exit(FAILED) from None
    _say(result, seconds, files)


def _say(result: StudyResult, seconds: float, files: list[Path]) -> None:
    """What one sees, and where it is."""
    for notice in result.notices:
        terminal.error(notice)
    kept = f", {result.reused:,} of them finished earlier" if result.reused else ""
    terminal.say(f"{result.study.title}\n{result.pieces:,} pieces{kept}; {seconds:.1f} s\n")
    for paragraph in result.reading:
        terminal.say(f"{paragraph}\n")
    terminal.say("written:")
    for file in files:
        terminal.say(f"  {file}")


def _list() -> None:
    """All studies: name, number of pieces, what they show; then their settings."""
    from loopbp.studies import STUDIES

    terminal.say("loopbp study NAME runs one of these; --quick tries it in seconds.\n\n")
    heading = ("study", "pieces", "what it shows")
    found = ((one.name, f"{_pieces(one):>6,}", one.title) for one in STUDIES)
    terminal.listing([heading, *found])
    terminal.say("\nTheir settings, which --set NAME=VALUE changes:\n\n")
    terminal.listing(
        (one.name, "  ".join(f"{name}={_text(value)}" for name, value in one.sizes.items()))
        for one in STUDIES
    )


def _pieces(study: Study) -> int:
    """How many pieces the study has with its own settings."""
    return len(study.grid({"data": "digits", "reading": "", "digest": "", **study.sizes}))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _changed(chosen: Study, text: str) -> tuple[str, Any]:
    """Name and value of `--set depths=2,4`, read as what the study's own value is.

    Raises `ValueError` for what has no `=`, and for another kind of value.
    """
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"set: expected NAME=VALUE, as depths=2,4; got {text!r}")
    default = chosen.sizes.get(name, "")
    kind = type(default[0] if isinstance(default, tuple) else default)
    try:
        values = tuple(kind(part) for part in value.split(","))
    except ValueError:
        noun = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"{name}: expected {noun}; got {value!r}") from None
    return name, values if isinstance(default, tuple) or len(values) > 1 else values[0]


def _command(
    name: str, source: DataOptions, seeds: int | None, quick: bool, changes: list[str]
) -> str:
    """The command without what does not change the result."""
    words: list[str] = []
    if seeds is not None:
        words += ["--seeds", str(seeds)]
    if quick:
        words.append("--quick")
    for text in changes:
        words += ["--set", text]
    return " ".join([command_line(f"study {name}", source), *map(shlex.quote, words)])
