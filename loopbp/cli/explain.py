"""`loopbp explain`: why the derivative by one weight is what it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal
from .options import DataOptions, NetworkOptions, NoHeader, Separator

if TYPE_CHECKING:
    from loopbp.derivation import Derivation

FORMATS = ("terminal", "markdown", "latex", "html", "json")


def explain(
    network: NetworkOptions,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            show_default=False,
            help="What the loss is derived by: w_12^(1) or 1,1,2 (layer, from, to), b_2^(1), "
            "δ_2^(1) or delta_2^(1), S_2^(1), x_1^(1).",
        ),
    ] = "w_12^(1)",
    saved: Annotated[
        Path | None,
        typer.Option(
            "--network",
            metavar="FILE",
            show_default="2-2-2-2, worked example",
            help="A saved network; together with --data.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            show_default="the worked example",
            help="digits, mnist, a folder, FILE.csv or FILE.npz, as for the other commands.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Column of a CSV file to predict; again for several."),
    ] = None,
    task: Annotated[
        str, typer.Option(metavar="NAME", help="classification, regression or auto.")
    ] = "auto",
    no_header: NoHeader = False,
    separator: Separator = ",",
    seed: Annotated[int, typer.Option(metavar="N", help="Of the weights of a new network.")] = 0,
    example: Annotated[
        str,
        typer.Option(metavar="N|mean", help="The example, from 0; or the mean over all of them."),
    ] = "0",
    notation: Annotated[
        str, typer.Option(metavar="NAME", help="C, D, E, PyTorch or scikit-learn.")
    ] = "C",
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help=", ".join(FORMATS) + ".")
    ] = "terminal",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", show_default="printed", help="Where to."),
    ] = None,
    lecture: Annotated[
        bool,
        typer.Option("--lecture", help="The whole derivation of the worked example, as Markdown."),
    ] = False,
) -> None:
    """Derive one weight's gradient: formula, numbers, paths, matrices.

    Without options the network is a worked example, 2-2-2-2 with identity: short enough for the
    blackboard. --hidden, --output, --loss and --dtype change it.
    """
    from loopbp.checks import choice

    from .job import check_file

    choice("format", format_, FORMATS)
    if out is not None:
        check_file("out", out)
    if lecture:
        from loopbp.derivation.lecture import lecture as written

        _deliver(written(), out)
        return
    options = DataOptions(data or "digits", target, task, no_header, separator, seed)
    net, X, Y = _problem(network, options, saved, data is not None)
    from loopbp.derivation import explain as derive

    derivation = derive(
        net, name, X, Y, n=_example(example), notation=notation, engine=network.engine
    )
    _deliver(_text(derivation, format_, to_file=out is not None), out)


def _problem(
    network: NetworkOptions, data: DataOptions, saved: Path | None, given: bool
) -> tuple[Any, Any, Any]:
    """The network and the examples that the options name; the worked example without any."""
    if given or saved is not None:
        from . import job

        with terminal.activity("reading"):
            dataset = job.read_data(data)
            net = job.build_network(network, dataset, data.seed, saved, "network")
        return net, dataset.X, dataset.Y
    from loopbp.derivation import INPUT, TARGET, worked_network

    for option in ("sizes", "init", "std"):
        if getattr(network, option) is not None:
            raise ValueError(f"{option}: the worked example has its own; expected --data with it")
    chosen = ("hidden", "output", "loss", "dtype")
    fields = {field: value for field in chosen if (value := getattr(network, field)) is not None}
    if "," in fields.get("hidden", ""):
        fields["hidden"] = fields["hidden"].split(",")
    return worked_network(**fields), INPUT, TARGET


def _example(text: str) -> int | str:
    """The number of an example, or mean."""
    if text == "mean":
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"example: expected a number from 0 or mean; got {text[:60]!r}")
    return int(text)


def _text(derivation: Derivation, format_: str, *, to_file: bool) -> str:
    """The derivation in this format; for a terminal in characters that it has."""
    if format_ == "terminal":
        ascii_only = not to_file and not _can_show_formulas(sys.stdout.encoding)
        return derivation.to_text(ascii_only=ascii_only) + "\n"
    if format_ == "json":
        return derivation.to_json()
    if format_ == "markdown":
        return derivation.to_markdown()
    if format_ == "latex":
        return derivation.to_latex(standalone=True)
    return derivation.to_html(standalone=True)


def _can_show_formulas(encoding: str | None) -> bool:
    """Whether the encoding has raised and lowered digits."""
    try:
        "∂δ₂⁽¹⁾".encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _deliver(text: str, out: Path | None) -> None:
    """Into the file, whole or not at all; else on stdout, as it is."""
    if out is None:
        sys.stdout.write(text)
        return
    from loopbp.npz import replacing

    with replacing(out) as file:
        file.write(text.encode())
    terminal.say(f"written: {out}")
