"""`loopbp check`: a gradient check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal
from .options import CHECK_FAILED, DataOptions, NetworkOptions


def check(
    data: DataOptions,
    network: NetworkOptions,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--network", metavar="FILE", show_default="a new one", help="Check a saved network."
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(metavar="N", help="How many examples of the data, from the first on.")
    ] = 20,
    sample: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            show_default="all of up to 3,000, else 1,000",
            help="How many parameters to check.",
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="X", help="The largest relative error that passes.")
    ] = 1e-6,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="not written", help="A row for every checked parameter."
        ),
    ] = None,
) -> None:
    """Compare backpropagation with central differences.

    The exit code is 0 when the check passes and 1 when it fails.
    """
    from loopbp.checks import integer
    from loopbp.gradcheck import gradcheck
    from loopbp.npz import replacing

    from . import job
    from .naming import FROM_DATA, named

    with terminal.activity("reading") as activity:
        integer("examples", examples, low=1)
        if csv is not None:
            job.check_file("csv", csv)
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, saved, "network")
        with named(**FROM_DATA):
            result = gradcheck(
                net,
                dataset.X[:examples],
                dataset.Y[:examples],
                engine=network.engine,
                tolerance=tolerance,
                sample=sample,
                seed=data.seed,
                progress=activity.progress,
            )
    terminal.say(f"{dataset.name}\n{job.describe(net)}")
    terminal.say(str(result))
    if csv is not None:
        with replacing(csv) as file:
            file.write(result.frame.to_csv(index=False, lineterminator="\n").encode())
        terminal.say(f"\nwritten: {csv}")
    if not result.passed:
        raise typer.Exit(CHECK_FAILED)
