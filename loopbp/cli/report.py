"""`loopbp report`: train a network and show where its gradients are large and small."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import DataOptions, NetworkOptions, TrainingOptions, command_line


def report(
    data: DataOptions,
    network: NetworkOptions,
    training: TrainingOptions,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files are written.")
    ] = Path("loopbp-report"),
) -> None:
    """Train a network and show where its gradients are large and small.

    Without options this trains 64-32-16-10 on handwritten digits. Ctrl-C reports on the last
    finished epoch; when a number stops being finite, the last finite weights are reported on.
    """
    from loopbp.report import gradient_report
    from loopbp.report.text import HEADINGS, cells

    from .job import Job, check_folder

    with terminal.activity("reading") as activity:
        check_folder("out", out)
        job = Job.prepare(data, network, training)
        outcome = job.train(activity, report=True)
        if outcome.empty:
            outcome.leave()
        activity.begin("drawing the report")
        result = gradient_report(
            job.net,
            job.data.train.X,
            job.data.train.Y,
            history=outcome.history,
            engine=job.engine,
        )
        files = result.write(
            out,
            settings=job.settings,
            command=command_line("report", data, network, training),
            seconds={"training": outcome.history.seconds},
        )
    terminal.say(job.description)
    terminal.table(["\n".join(lines) for lines in HEADINGS], map(cells, result.layers))
    terminal.say(f"\n{result.sentence}\n")
    terminal.say(job.result())
    terminal.say("written:")
    for file in files:
        terminal.say(f"  {file}")
    outcome.leave()
