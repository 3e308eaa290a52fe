"""`loopbp explain`: why the derivative by one weight is what it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal
from .options import DataOptions, NetworkOptions, NoHeader, Separator, Target, Task

if TYPE_CHECKING:
    from loopbp.derivation import Derivation
    from loopbp.network import Network

FORMATS = ("terminal", "markdown", "latex", "html", "json")


def explain(
    context: typer.Context,
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
            help="A saved network; together with --data, or with --inputs and --targets.",
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
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="X,X,…",
            show_default="the worked example's, or 1,0.5,-1,…",
            help="The inputs of one example of your own, instead of --data.",
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            metavar="Y,Y,…", show_default="the worked example's, or 1,0,0,…", help="Its targets."
        ),
    ] = None,
    target: Target = None,
    task: Task = "auto",
    no_header: NoHeader = False,
    separator: Separator = ",",
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", show_default="0", help="Of the weights of a new network."),
    ] = None,
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
        typer.Option(
            "--lecture",
            help="The whole derivation of the worked example, as Markdown; only --out with it.",
        ),
    ] = False,
) -> None:
    """Derive one weight's gradient: formula, numbers, paths, matrices.

    Without options the network is a worked example, 2-2-2-2 with identity: short enough for the
    blackboard. --hidden, --output, --loss and --dtype change it, --inputs and --targets its
    example. With --sizes and --inputs the network is the one of `loopbp page`.
    """
    from loopbp.checks import choice

    from .job import check_file
    from .naming import FROM_DATA, named

    if lecture:
        _nothing_but_out(context)
    choice("format", format_, FORMATS)
    if out is not None:
        check_file("out", out)
    if lecture:
        from loopbp.derivation.lecture import lecture as written

        _deliver(written(), out)
        return
    if data is not None:
        _leave_out("data", inputs=inputs, targets=targets)
        options = DataOptions(data, target, task, no_header, separator, seed or 0)
        net, X, Y = _from_data(network, options, saved, seed)
        given = FROM_DATA
    else:
        _need_data(
            target=target,
            task=task != "auto",
            no_header=no_header,
            separator=separator != ",",
        )
        net, X, Y = _one_example(network, saved, seed, inputs, targets)
        given = {"X": "inputs", "Y": "targets"}
    from loopbp.derivation import explain as derive

    with named(n="example", name="NAME", **given):
        derivation = derive(
            net, name, X, Y, n=_example(example), notation=notation, engine=network.engine
        )
    _deliver(_text(derivation, format_, to_file=out is not None), out)


def _nothing_but_out(context: typer.Context) -> None:
    """Raises where options or arguments were given that the lecture has no use for; names them."""
    given = []
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        # the enumeration of the sources stands in another module from version to version of typer
        if name not in ("lecture", "out") and source is not None and source.name == "COMMANDLINE":
            option = parameter.param_type_name == "option"
            given.append(parameter.opts[0] if option else str(parameter.metavar))
    if given:
        raise ValueError(f"lecture: expected no more than --out with it; got {', '.join(given)}")


def _from_data(
    network: NetworkOptions, data: DataOptions, saved: Path | None, seed: int | None
) -> tuple[Network, Any, Any]:
    """The examples that the options name, and a network that fits them."""
    from . import job

    if saved is not None and seed is not None:
        raise ValueError(f"seed: the network in {saved} has its own weights; leave it out")
    with terminal.activity("reading"):
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, saved, "network")
    return net, dataset.X, dataset.Y


def _one_example(
    network: NetworkOptions,
    saved: Path | None,
    seed: int | None,
    inputs: str | None,
    targets: str | None,
) -> tuple[Network, Any, Any]:
    """The example that was typed, and its network; the worked example where neither was given."""
    from . import one_example

    typed = inputs is not None or targets is not None
    options = {name: getattr(network, name) for name in network.given()} | {"seed": seed}
    if saved is None and not (typed and network.sizes):
        return _worked(options, inputs, targets)
    if not typed:
        raise ValueError(
            f"network: expected --data, or --inputs and --targets, with {saved}; got neither"
        )
    net = (
        one_example.new_network(**options)
        if saved is None
        else one_example.saved_network(saved, options)
    )
    x, y = one_example.example(net, inputs, targets)
    return net, [x], [y]


def _worked(
    options: dict[str, Any], inputs: str | None, targets: str | None
) -> tuple[Network, Any, Any]:
    """The worked example, as far as the options leave it as it is."""
    from loopbp.derivation import INPUT, TARGET, worked_network

    from . import one_example

    for name in ("sizes", "init", "std", "seed"):
        if options.pop(name, None) is not None:
            needed = "--inputs" if name == "sizes" else "--sizes and --inputs"
            raise ValueError(
                f"{name}: the worked example has its own; expected {needed}, or --data, with it"
            )
    if "," in options.get("hidden", ""):
        options["hidden"] = options["hidden"].split(",")
    net = worked_network(**options)
    x, y = one_example.example(net, inputs, targets)
    return net, INPUT if inputs is None else [x], TARGET if targets is None else [y]


def _leave_out(beside: str, **options: str | None) -> None:
    """Raises for an option that was given beside one which excludes it."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name}: expected no --{beside} with it; got both")


def _need_data(**options: Any) -> None:
    """Raises for an option that says how to read data, where there is none."""
    for name, value in options.items():
        if value:
            raise ValueError(f"{name}: expected --data with it")


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
