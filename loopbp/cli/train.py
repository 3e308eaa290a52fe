"""`loopbp train`: train a network and save it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal
from .options import DataOptions, NetworkOptions, TrainingOptions

if TYPE_CHECKING:
    from loopbp.training import History

#: At most so many epochs of a run are printed.
MOST_ROWS = 20


def train(
    data: DataOptions,
    network: NetworkOptions,
    training: TrainingOptions,
    save: Annotated[
        Path,
        typer.Option(
            "--save",
            "-o",
            metavar="FILE",
            help="Where the network is saved, in place of a file there.",
        ),
    ] = Path("network.npz"),
) -> None:
    """Train a network and save it.

    Ctrl-C saves the network as it was after the last finished epoch. When a number stops being
    finite, the last finite weights are saved beside FILE, which is left as it was.
    """
    from loopbp.network import check_extension

    from .job import Job, check_file

    with terminal.activity("reading") as activity:
        check_extension("save", save)
        check_file("save", save)
        job = Job.prepare(data, network, training)
        outcome = job.train(activity, report=False)
    if not outcome.empty:
        if outcome.diverged:
            save = save.with_name(f"{save.stem}.last-finite{save.suffix}")
        replaced = ", in place of the file that was there" if save.exists() else ""
        job.net.save(save)
        terminal.say(job.description)
        terminal.notes(job.notes)
        _show(outcome.history)
        terminal.say(job.result())
        terminal.say(f"network saved in {save}{replaced}")
    outcome.leave()


def _show(history: History) -> None:
    """The epochs of a run as a table; of a long run some, evenly spaced, and the last."""
    from loopbp.report.formats import percent

    epochs = history.epochs
    if not epochs:
        return
    step = math.ceil(len(epochs) / MOST_ROWS)
    shown = epochs[step - 1 :: step]
    if shown[-1] is not epochs[-1]:
        shown.append(epochs[-1])
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        "epoch": ("epoch", str),
        "steps": ("steps", "{:,}".format),
        "loss": ("loss", "{:.4g}".format),
        "validation_loss": ("test loss", "{:.4g}".format),
        "validation_accuracy": ("test accuracy", percent),
    }
    names = [name for name in columns if name in epochs[-1]]
    headings = [columns[name][0] for name in names]
    terminal.table(headings, [[columns[name][1](row[name]) for name in names] for row in shown])
