"""`loopbp exactness`: the bits of this machine against the published ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal
from .options import CHECK_FAILED

if TYPE_CHECKING:
    import pandas as pd

#: How many differences are listed.
LISTED = 10

#: The command that makes the report and the shipped hashes again, from the repository's root.
AGAIN = "loopbp exactness --write loopbp/data/exactness.json --write reports/exactness/README.md"


def exactness(
    problem: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="all", help="A problem; again for several."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="all exact ones", help="Again for several."),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", show_default="float32 and float64", help="Again for both."),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(metavar="N", show_default="1, 2, 3, 8", help="Again for several."),
    ] = None,
    processor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default="this and generic",
            help="What to compile for: this processor, generic, or avx2; again for several.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", show_default="the published ones", help="Hashes to compare with."
        ),
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            show_default="not written",
            help="The hashes of this machine, to compare with: .json, or .md to be read.",
        ),
    ] = None,
) -> None:
    """Compute every quantity of named problems, and compare its bits with the published hashes.

    The exit code is 0 when all are equal and 1 when a bit differs. The first time takes a minute
    or two, to compile.
    """
    from loopbp import exactness as proof
    from loopbp.checks import choice, integer
    from loopbp.network import DTYPES
    from loopbp.npz import replacing

    for path in write or ():
        choice(f"write: the ending of {path}", path.suffix, (".json", ".md"))
    with terminal.activity("compiling") as activity:
        chosen = proof.cases(
            problems=_known("problem", problem, proof.PROBLEMS),
            dtypes=_known("dtype", dtype, DTYPES),
            engines=_known("engine", engine, proof.exact_engines()),
            threads=[integer("threads", n, low=1) for n in threads or proof.THREADS],
            processors=_known("processor", processor, proof.PROCESSORS, ("this", "generic")),
        )
        expected = proof.published(against)
        frame = proof.check(chosen, expected, progress=activity.progress)
    terminal.table(*_table(frame))
    different = frame[~frame["equal"]]
    _list(different)
    equal = f"{len(different):,} of them not equal" if len(different) else "all equal"
    processors = ", ".join(frame["processor"].unique())
    terminal.say(f"{len(frame):,} hashes, compiled for processors {processors}: {equal}")
    for path in write or ():
        found = proof.agreed(frame)
        text = proof.to_json(found) if path.suffix == ".json" else proof.to_markdown(frame, AGAIN)
        with replacing(path) as file:
            file.write(text.encode())
        terminal.say(f"written: {path}")
    if len(different):
        raise typer.Exit(CHECK_FAILED)


def _known(
    argument: str,
    names: list[str] | None,
    known: Iterable[str],
    default: Iterable[str] | None = None,
) -> list[str]:
    """The names that were given, each checked; otherwise the default, which may be all."""
    from loopbp.checks import choice

    if not names:
        return list(known if default is None else default)
    return [choice(argument, name, known) for name in names]


def _table(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: a row for each problem, dtype and engine, a column for each quantity."""
    quantities = ("S", "x", "delta", "losses", "gradient", "weights")
    rows = []
    for labels, group in frame.groupby(["problem", "dtype", "engine"], sort=False):
        threads = ",".join(str(n) for n in sorted(set(group["threads"])))
        equal = group.groupby("quantity")["equal"].all()
        cells = ["equal" if equal[q] else "not" for q in quantities]
        rows.append([*(str(label) for label in labels), threads, *cells])
    return ["problem", "dtype", "engine", "threads", *quantities], rows


def _list(different: pd.DataFrame) -> None:
    """The first differences. Where `given` is among them, the inputs differ already."""
    for row in different.head(LISTED).to_dict("records"):
        expected = row["expected"][:12] if row["expected"] else "none"
        terminal.say(
            f"{row['quantity']} of {row['problem']} in {row['dtype']}: engine {row['engine']}, "
            f"threads {row['threads']}, processor {row['processor']}, batch {row['batch']}, order "
            f"{row['order']}: {row['sha256'][:12]}, expected {expected}"
        )
    if len(different) > LISTED:
        terminal.say(f"… and {len(different) - LISTED} more")
