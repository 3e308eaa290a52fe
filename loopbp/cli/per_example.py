"""`loopbp per-example`: the gradient of every example, and which of them stand out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import DataOptions, NetworkOptions


def per_example(
    data: DataOptions,
    network: NetworkOptions,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--network", metavar="FILE", show_default="a new one", help="A saved network."
        ),
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="all",
            help="How many examples of the data, from the first on.",
        ),
    ] = None,
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
    from loopbp.checks import choice, integer
    from loopbp.per_example import per_example_gradients
    from loopbp.per_example.text import describe
    from loopbp.report.canvas import png
    from loopbp.report.writing import csv as csv_of

    from . import job

    with terminal.activity("reading") as activity:
        integer("top", top, low=1)
        if examples is not None:
            integer("examples", examples, low=1)
        for name, path in (("csv", csv), ("plot", plot)):
            if path is not None:
                job.check_file(name, path)
        if plot is not None:
            choice("plot: the ending", plot.suffix, (".png",))
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, saved, "network")
        activity.begin("gradients of single examples")
        X, Y = dataset.X[:examples], dataset.Y[:examples]
        result = per_example_gradients(net, X, Y, engine=network.engine, progress=activity.progress)
        labels = None if dataset.classes is None else [dataset.classes[k] for k in Y]
        text = describe(result, top, labels)
        if csv is not None:
            table = result.examples if labels is None else result.examples.assign(label=labels)
            job.write_file(csv, csv_of(table))
        if plot is not None:
            job.write_file(plot, png(result.plot()))
    terminal.say(dataset.name)
    terminal.say(text)
    files = [str(path) for path in (csv, plot) if path is not None]
    if files:
        terminal.say(f"\nwritten: {', '.join(files)}")
