"""`loopbp per-example`: the gradient of every example, and which of them stand out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import DataOptions, FirstExamples, NetworkOptions, SavedNetwork


def per_example(
    data: DataOptions,
    network: NetworkOptions,
    saved: SavedNetwork = None,
    examples: FirstExamples = None,
    top: Annotated[int, typer.Option(metavar="N", help="How many examples the tables show.")] = 5,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="not written", help="A row for every example."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", show_default="not written", help="Histograms of the lengths."
        ),
    ] = None,
) -> None:
    """Show which examples pull hardest, which against the mean, and the gradient's noise.

    One example's gradient is longer than the mean of all, and often points elsewhere. The noise
    scale says from which batch size on the mean outweighs that.
    """
    from loopbp.checks import integer
    from loopbp.per_example import per_example_gradients
    from loopbp.per_example.text import describe
    from loopbp.report.canvas import png
    from loopbp.report.writing import csv as csv_of

    from . import job
    from .naming import FROM_DATA, named

    with terminal.activity("reading") as activity:
        integer("top", top, low=1)
        if examples is not None:
            integer("examples", examples, low=1)
        files = job.check_files(csv=csv, plot=plot)
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, saved, "network")
        activity.begin("gradients of single examples")
        X, Y = dataset.X[:examples], dataset.Y[:examples]
        with named(**FROM_DATA):
            result = per_example_gradients(
                net, X, Y, engine=network.engine, progress=activity.progress
            )
        labels = None if dataset.classes is None else [dataset.classes[k] for k in Y]
        text = describe(result, top, labels)
        if csv is not None:
            table = result.examples if labels is None else result.examples.assign(label=labels)
            job.write_file(csv, csv_of(table))
        if plot is not None:
            job.write_file(plot, png(result.plot()))
    terminal.say(dataset.name)
    terminal.say(text)
    if files:
        terminal.say(f"\nwritten: {', '.join(files)}")
