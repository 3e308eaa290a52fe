"""`loopbp sensitivity`: which weights matter, and what one example asks of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import DataOptions, FirstExamples, NetworkOptions, SavedNetwork


def sensitivity(
    data: DataOptions,
    network: NetworkOptions,
    saved: SavedNetwork = None,
    examples: FirstExamples = None,
    example: Annotated[
        int, typer.Option(metavar="N", help="The example whose wishes are shown, from 0.")
    ] = 0,
    neuron: Annotated[
        int | None,
        typer.Option(
            metavar="J", show_default="the largest |δ|", help="The output neuron, from 1."
        ),
    ] = None,
    eta: Annotated[float, typer.Option(metavar="X", help="η of the predicted step.")] = 0.1,
    biases: Annotated[
        bool, typer.Option("--biases/--no-biases", help="Rank the biases, too.")
    ] = True,
    top: Annotated[int, typer.Option(metavar="N", help="How many weights are shown.")] = 10,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="not written", help="A row for every weight, ranked."
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="not written", help="The tables; `top` weights."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", show_default="not written", help="What is asked, as a picture."
        ),
    ] = None,
) -> None:
    """Rank the weights by |∂f/∂w|, and show the levers on one neuron for one example.

    The levers: its bias, its weights, and the nodes before it. What all outputs ask of a node is
    added up.
    """
    from loopbp import sensitivity as rank
    from loopbp.checks import integer
    from loopbp.report.canvas import png
    from loopbp.report.writing import csv as csv_of

    from . import job
    from .naming import FROM_DATA, named

    with terminal.activity("reading") as activity:
        integer("top", top, low=1)
        if examples is not None:
            integer("examples", examples, low=1)
        files = job.check_files(csv=csv, json=json, plot=plot)
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, saved, "network")
        activity.begin("ranking the weights")
        X, Y = dataset.X[:examples], dataset.Y[:examples]
        with named(**FROM_DATA):
            result = rank(net, X, Y, eta=eta, biases=biases, engine=network.engine)
        text = result.text(top, example, neuron)
        if csv is not None:
            job.write_file(csv, csv_of(result.weights))
        if json is not None:
            job.write_file(json, result.to_json(top, example, neuron).encode())
        if plot is not None:
            job.write_file(plot, png(result.plot(example)))
    terminal.say(f"{dataset.name}\n{job.describe(net)}\n")
    terminal.say(text)
    if files:
        terminal.say(f"\nwritten: {', '.join(files)}")
