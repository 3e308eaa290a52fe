"""`loopbp example`: a worked example of the literature, its numbers checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import CHECK_FAILED


def example(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            show_default="list them",
            help="An example by its name or row: apple or B1.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="mnist if LOOPBP_DATA is set, else digits",
            help="digits or mnist, for the examples on handwritten digits.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Write the figures here: PNG and SVG."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The whole training (two-layer-net: 10,000 steps).")
    ] = False,
) -> None:
    """Run a worked example of the literature: its numbers, their meaning, checked.

    Without a name the examples are listed. The exit code is 1 when a number is wrong.
    """
    from loopbp import examples

    from .job import check_folder

    if name is None:
        _list()
        return
    chosen = examples.find(name)
    if out is not None:
        check_folder("out", out)
    with terminal.activity(f"computing {chosen.name}"):
        result = examples.run(chosen.name, data=data, full=full, check=False)
        written = result.write(out) if out is not None and result.figures else []
    terminal.say(result.text)
    for path in written:
        terminal.say(f"written: {path}")
    if result.figures and out is None:
        terminal.say(f"Figures ({', '.join(result.figures)}): with --out FOLDER.")
    if out is not None and not result.figures:
        terminal.say("This example has no figure; nothing was written.")
    if not result.passed:
        terminal.error(f"{chosen.name}: a number is not what it has to be")
        raise typer.Exit(CHECK_FAILED)


def _list() -> None:
    """All examples, by row."""
    from loopbp.examples import EXAMPLES

    terminal.say("loopbp example NAME runs one of these:\n\n")
    terminal.listing((entry.row, entry.name, entry.title) for entry in EXAMPLES)
