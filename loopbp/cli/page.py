"""`loopbp page`: a small network on one HTML page that can be played with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import terminal

#: The network that is shown where none is asked for: 2-2-2-2, its weights easy to multiply.
SIZES = "2-2-2-2"
WEIGHTS = (
    ((0.1, -0.2), (0.4, -0.3), (0.2, 0.5)),
    ((0.3, -0.1), (-0.5, 0.6), (0.7, 0.2)),
    ((-0.2, 0.4), (0.8, -0.4), (-0.6, 0.5)),
)


def page(
    sizes: Annotated[
        str | None,
        typer.Option(
            metavar="N-N-…",
            show_default=f"{SIZES}, with weights that are easy to multiply",
            help="Nodes of all layers; glorot's initial weights.",
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,…]",
            show_default="sigmoid",
            help="Activation of the hidden layers: one name, or one for each.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="what the loss needs, or sigmoid", help="Of the last."
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default="what the output needs, or sse", help="Loss."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", show_default="0", help="Of the initial weights.")
    ] = None,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--network", metavar="FILE", show_default="a new one", help="Show a saved network."
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(metavar="X,X,…", show_default="1,0.5,-1,…", help="The example's inputs."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(metavar="Y,Y,…", show_default="1,0,0,…", help="The example's targets."),
    ] = None,
    eta: Annotated[float, typer.Option(metavar="X", help="Learning rate η.")] = 0.5,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The file that is written.")
    ] = Path("loopbp-page.html"),
) -> None:
    """Write one HTML page of a small network: every number, and why it is that.

    The page steps through forward, loss, backward and update, derives every weight's derivative,
    and descends. It needs nothing but a browser. At most 6 layers of 8 nodes.
    """
    from loopbp.page import write

    from . import job, one_example
    from .naming import named

    job.check_file("out", out)
    if saved is not None:
        options = {"sizes": sizes, "hidden": hidden, "output": output, "loss": loss, "seed": seed}
        net = one_example.saved_network(saved, options)
    else:
        init = WEIGHTS if sizes is None and seed is None else None
        net = one_example.new_network(sizes or SIZES, hidden, output, loss, init, seed=seed)
    x, y = one_example.example(net, inputs, targets)
    with named(net="sizes" if saved is None else "network", x="inputs", y="targets"):
        path = write(out, net, x, y, eta=eta)
    terminal.say(f"{job.describe(net)}\nwritten: {path}")
