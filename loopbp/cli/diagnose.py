"""`loopbp diagnose`: what is wrong with this backprop?"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .options import CHECK_FAILED, DataOptions, NoHeader, Separator, Target, Task

if TYPE_CHECKING:
    from loopbp.mistakes.marking import Marked

#: Characters of a line, and of the name of a file in it.
WIDTH, NAME = 80, 30


def diagnose(
    submissions: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="SUBMISSION",
            show_default=False,
            help="What somebody computed: npz or CSV files, or folders of them.",
        ),
    ] = None,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--network", metavar="FILE", show_default=False, help="The network they started from."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            show_default=False,
            help="The batch: FILE.npz with X and Y, FILE.csv, digits, mnist or a folder.",
        ),
    ] = None,
    target: Target = None,
    task: Task = "auto",
    no_header: NoHeader = False,
    separator: Separator = ",",
    examples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="all",
            help="How many examples, from the first on.",
        ),
    ] = None,
    eta: Annotated[
        float | None,
        typer.Option(metavar="X", show_default=False, help="Learning rate of updated weights."),
    ] = None,
    reduction: Annotated[
        str, typer.Option(metavar="NAME", help="What the gradient should be: mean or sum.")
    ] = "mean",
    weight_decay: Annotated[
        float,
        typer.Option(
            metavar="X", help="λ of the loss f + λ/2 Σ w², if the gradient should have λ w."
        ),
    ] = 0.0,
    weights_as: Annotated[
        str,
        typer.Option(
            metavar="in,out|out,in", help="How weights are stored; auto goes by names and shapes."
        ),
    ] = "auto",
    examples_as: Annotated[
        str, typer.Option(metavar="rows|columns", help="How examples are stored, or auto.")
    ] = "auto",
    decimals: Annotated[
        int | None,
        typer.Option(
            metavar="N", show_default="the numbers tell", help="To how many decimals they rounded."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="not written",
            help="A row per submission: verdict, mistakes, first departure, observations.",
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the known mistakes.")] = False,
) -> None:
    """Find the mistake in somebody's backprop, from the numbers it computed.

    Any part of S0, x1, delta0, grad0 and W0_new will do, in the names of any notation. A CSV file
    has the columns quantity, l, n, i, j and value, as Trace.to_frame writes them: x goes by i, S
    and delta by j, gradients and weights by i and j. The exit code is 0 when all numbers are right,
    else 1.
    """
    if list_:
        _list()
        return
    if not submissions or saved is None or data is None:
        raise ValueError("diagnose: expected --network FILE, --data FILE and submissions")
    from loopbp.checks import integer
    from loopbp.mistakes import Examiner
    from loopbp.mistakes.files import in_folder, left_out, shown
    from loopbp.mistakes.marking import mark, read_batch, table
    from loopbp.network import load
    from loopbp.npz import replacing
    from loopbp.progress import reporter

    from . import job
    from .naming import FROM_DATA, named

    if csv is not None:
        job.check_file("csv", csv)
    others = [shown(path) for given in submissions for path in left_out(given)]
    with terminal.activity("reading") as activity:
        paths = [path for given in submissions for path in in_folder(given)]
        net = load(saved)
        how = job.reading(DataOptions(data, target, task, no_header, separator))
        with named(header="no-header"):
            X, Y = read_batch(data, net, **how)
        if examples is not None:
            number = integer("examples", examples, low=1)
            X, Y = X[:number], Y[:number]
        with named(weight_decay="weight-decay", **FROM_DATA):
            examiner = Examiner(net, X, Y, eta=eta, reduction=reduction, weight_decay=weight_decay)
        with named(weights="weights-as", examples="examples-as"):
            examiner.check(weights=weights_as, examples=examples_as, decimals=decimals)
        with reporter(activity.progress, "diagnosing", len(paths)) as tell:
            marked = list(
                mark(
                    examiner,
                    paths,
                    weights=weights_as,
                    examples=examples_as,
                    decimals=decimals,
                    tell=tell,
                )
            )
    if len(marked) == 1 and marked[0].diagnosis is not None:
        terminal.say(marked[0].diagnosis.to_text())
    elif len(marked) == 1:
        terminal.say(f"{marked[0].file}: {marked[0].line}")
    else:
        _lines(marked)
    if others:
        text = f"not read: {', '.join(others)} (expected an npz or a CSV file)"
        terminal.say(f"\n{_filled(text)}")
    if csv is not None:
        with replacing(csv) as file:
            file.write(table(marked).encode())
        terminal.say(f"\nwritten: {csv}")
    if not all(one.agrees for one in marked):
        raise typer.Exit(CHECK_FAILED)


def _lines(marked: list[Marked]) -> None:
    """A line for each submission, what did not fit in its line, and how many are right."""
    from loopbp.checks import shorten

    cut: list[str] = []
    names = [one.file if len(one.file) <= NAME else f"…{one.file[1 - NAME :]}" for one in marked]
    width = max(map(len, names))
    for one, name in zip(marked, names, strict=True):
        line = terminal.printable(f"  {name:<{width}}  {one.line}", sys.stdout)
        terminal.say(shorten(line, WIDTH))
        if len(line) > WIDTH:
            cut.append(f"{one.file}: {one.line}")
    for text in cut:
        terminal.say(f"\n{_filled(text)}")
    right = sum(one.agrees for one in marked)
    terminal.say(f"\n{right:,} of {len(marked):,} submissions agree within rounding")


def _filled(text: str) -> str:
    """A paragraph in which no name is broken."""
    text = terminal.printable(text, sys.stdout)
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _list() -> None:
    """The catalogue: each name with the wrong line beside the right one."""
    from loopbp.mistakes import CATALOGUE

    for mistake in CATALOGUE:
        terminal.say(f"{mistake.name}: {mistake.title}")
        terminal.say(f"    wrong   {mistake.wrong}\n    right   {mistake.right}")
