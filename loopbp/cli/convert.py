"""`loopbp convert`: a network from one file format into another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import terminal

if TYPE_CHECKING:
    from loopbp.network import Network

FILES = "FILE.npz, .onnx, .safetensors, .pt or .pth"


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", show_default=False, help=f"{FILES}.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", show_default=False, help=f"{FILES}.")],
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,…]",
            show_default="what the file says",
            help="Activation of the hidden layers: one name, or one for each.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="what the file says",
            help="Activation of the last layer.",
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="what the file says, or what goes with the output",
            help="sse, half_sse, mse, cross_entropy or binary_cross_entropy.",
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            show_default="by their numbers or sizes",
            help="Names of the layers from the first to the last, where the file keeps no order.",
        ),
    ] = None,
) -> None:
    """Convert a network into another file format, bit for bit.

    The extensions say which: .npz is loopbp's own; .pt and .pth hold a PyTorch state_dict, which
    says no activations. The new file is read again and its bits are compared.
    """
    import warnings

    from loopbp.interop import files

    from . import job
    from .naming import named

    job.check_file("OUT", target)
    names = None if hidden is None else hidden.split(",")
    chosen = names[0] if names is not None and len(names) == 1 else names
    order = None if layers is None else layers.split(",")
    with terminal.activity("converting"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        with named(path="IN"):
            net = files.read(source, hidden=chosen, output=output, loss=loss, layers=order)
        with named(path="OUT"):
            files.write(net, target)
        _check_again(net, target)
    terminal.say(job.describe(net))
    terminal.notes(str(warning.message) for warning in caught if warning.category is UserWarning)
    if target.suffix.lower() in (".pt", ".pth"):
        terminal.notes(["a state_dict says neither activations nor loss"])
    terminal.say(f"written: {target}; read again, the bits are the same")


def _check_again(net: Network, target: Path) -> None:
    """Raises `ArithmeticError` unless the file holds the network, bit for bit."""
    from loopbp.interop import files

    if target.suffix.lower() in (".pt", ".pth"):
        again = files.read(target, hidden=net.hidden, output=net.output, loss=net.loss)
    else:
        again = files.read(target)
    same = again.architecture == net.architecture
    if not same or again.theta.tobytes() != net.theta.tobytes():
        raise ArithmeticError(f"{target}: read again, the network is not the same")
