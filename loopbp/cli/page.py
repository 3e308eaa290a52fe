"""`loopbp page`: a small network on one HTML page that can be played with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal

if TYPE_CHECKING:
    from loopbp.network import Network

#: The network that is shown where none is asked for: 2-2-2-2, its weights easy to multiply.
SIZES = "2-2-2-2"
WEIGHTS = (
    ((0.1, -0.2), (0.4, -0.3), (0.2, 0.5)),
    ((0.3, -0.1), (-0.5, 0.6), (0.7, 0.2)),
    ((-0.2, 0.4), (0.8, -0.4), (-0.6, 0.5)),
)

#: Inputs where none are given: the first n_0 of these.
INPUTS = (1.0, 0.5, -1.0, 0.8, -0.5, 0.2, -0.7, 0.4)


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

    from . import job

    job.check_file("out", out)
    if saved is not None:
        options = {"sizes": sizes, "hidden": hidden, "output": output, "loss": loss, "seed": seed}
        net = _saved(saved, options)
    else:
        net = _network(sizes, hidden, output, loss, seed)
    x = _numbers("inputs", inputs, net.sizes[0]) or INPUTS[: net.sizes[0]]
    y = _numbers("targets", targets, net.sizes[-1]) or (1.0, *[0.0] * (net.sizes[-1] - 1))
    path = write(out, net, x, y, eta=eta)
    terminal.say(f"{job.describe(net)}\nwritten: {path}")


def _saved(path: Path, options: dict[str, Any]) -> Network:
    """The network in this file; raises for options that it decides."""
    from loopbp.network import load

    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name}: the network in {path} has its own; leave it out")
    return load(path)


def _network(
    sizes: str | None, hidden: str | None, output: str | None, loss: str | None, seed: int | None
) -> Network:
    """A new network from the options, or the one with easy weights."""
    from loopbp.engines import SUM_LOSSES
    from loopbp.network import Network

    if output is None:
        output = SUM_LOSSES[loss][1] if loss in SUM_LOSSES else "sigmoid"
    names = (hidden or "sigmoid").split(",")
    easy = sizes is None and seed is None
    return Network(
        _sizes(sizes or SIZES),
        hidden=names[0] if len(names) == 1 else names,
        output=output,
        loss=loss or ("cross_entropy" if output == "softmax" else "sse"),
        init=WEIGHTS if easy else "glorot",
        seed=seed or 0,
    )


def _sizes(text: str) -> list[int]:
    """All layers as numbers, from "2-3-2"."""
    if not re.fullmatch(r"[0-9]{1,12}(-[0-9]{1,12})+", text):
        raise ValueError(f"sizes: expected all layers, as 2-3-2; got {text!r}")
    return [int(size) for size in text.split("-")]


def _numbers(name: str, text: str | None, count: int) -> list[float] | None:
    """So many numbers from "1,0.5"; None for None."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name}: expected numbers, as 1,0.5; got {text!r}") from None
    if len(numbers) != count:
        raise ValueError(f"{name}: expected {count}, one for each node; got {len(numbers)}")
    return numbers
