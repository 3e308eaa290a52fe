"""The options of the commands, each declared once, in the groups that the commands share.

Light on purpose: nothing here imports NumPy. Names of activations, losses, engines and so on are
plain text for the command line; the library checks them and knows the nearest match.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

_Data = functools.partial(typer.Option, rich_help_panel="Data")
_Net = functools.partial(typer.Option, rich_help_panel="Network")
_Run = functools.partial(typer.Option, rich_help_panel="Training")
_Report = functools.partial(typer.Option, rich_help_panel="Report")

#: Exit codes, beside 0.
CHECK_FAILED, FAILED, INTERRUPTED = 1, 2, 130

#: Of every command that reads a CSV file.
NO_HEADER = "The first line of a CSV file is an example; the columns are called 0, 1, …."

SEPARATOR = "Between the columns of a CSV file: a comma, ';', '|' or the word tab."

#: The layers between input and output, unless the options say otherwise.
HIDDEN_SIZES = (32, 16)


@dataclass(frozen=True)
class DataOptions:
    """Which examples, and the seed of everything random."""

    data: Annotated[
        str,
        _Data(
            metavar="NAME|FILE",
            help="digits (shipped), mnist (in the folder that LOOPBP_DATA names), a folder with "
            "the MNIST files, FILE.csv or FILE.npz.",
        ),
    ] = "digits"
    target: Annotated[
        list[str] | None,
        _Data(
            metavar="COLUMN",
            show_default="the last",
            help="Column of a CSV file to predict; again for several.",
        ),
    ] = None
    task: Annotated[
        str,
        _Data(
            metavar="NAME",
            help="classification or regression; auto looks at the target: integers and words "
            "are classes.",
        ),
    ] = "auto"
    no_header: Annotated[bool, _Data("--no-header", help=NO_HEADER)] = False
    separator: Annotated[str, _Data(metavar="CHARACTER", help=SEPARATOR)] = ","
    seed: Annotated[
        int,
        _Data(
            metavar="N",
            help="Of all that is random: weights, test part, order of examples.",
        ),
    ] = 0


@dataclass(frozen=True)
class NetworkOptions:
    """The network, and the engine that computes it. None: what goes with the data."""

    sizes: Annotated[
        str | None,
        _Net(
            metavar="N-N-…",
            show_default=",".join(str(n) for n in HIDDEN_SIZES),
            help="All layers, 64-32-16-10, or the hidden ones, 32,16.",
        ),
    ] = None
    hidden: Annotated[
        str | None,
        _Net(
            metavar="NAME[,…]",
            show_default="sigmoid",
            help="Activation of the hidden layers: one name, or one for each.",
        ),
    ] = None
    output: Annotated[
        str | None,
        _Net(
            metavar="NAME",
            show_default="softmax; identity for regression",
            help="Activation of the last layer.",
        ),
    ] = None
    loss: Annotated[
        str | None,
        _Net(
            metavar="NAME",
            show_default="cross_entropy; mse for regression",
            help="sse, half_sse, mse, cross_entropy (with softmax) or binary_cross_entropy (with "
            "sigmoid).",
        ),
    ] = None
    init: Annotated[
        str | None,
        _Net(
            metavar="NAME",
            show_default="glorot",
            help="Initial weights: glorot, he, lecun, normal or zeros.",
        ),
    ] = None
    std: Annotated[
        float | None,
        _Net(
            metavar="X", show_default="0.01", help="Standard deviation of the weights, init normal."
        ),
    ] = None
    dtype: Annotated[
        str | None, _Net(metavar="NAME", show_default="float64", help="float64 or float32.")
    ] = None
    engine: Annotated[
        str,
        _Net(metavar="NAME", help="auto, tiled, textbook, numpy, or python (not compiled: slow)."),
    ] = "auto"

    def given(self) -> list[str]:
        """The names of the options that describe a network and were given."""
        return [
            field.name
            for field in dataclasses.fields(self)
            if field.name != "engine" and getattr(self, field.name) is not None
        ]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train, and which of the examples are kept for the test."""

    test: Annotated[
        float | None,
        _Run(
            metavar="SHARE",
            show_default="the published part, else 0.2",
            help="Share of the examples kept for the test.",
        ),
    ] = None
    epochs: Annotated[int, _Run(metavar="N", help="Passes over the examples.")] = 50
    batch_size: Annotated[int, _Run(metavar="N", help="Examples per step.")] = 16
    optimizer: Annotated[str, _Run(metavar="NAME", help="sgd or adam.")] = "sgd"
    eta: Annotated[
        float | None,
        _Run(
            metavar="X",
            show_default="sgd 0.5, 0.05 for regression; adam 0.005",
            help="Learning rate η.",
        ),
    ] = None
    momentum: Annotated[float, _Run(metavar="X", help="Momentum μ of sgd.")] = 0.0
    nesterov: Annotated[bool, _Run("--nesterov", help="Nesterov's momentum.")] = False
    from_: Annotated[
        Path | None,
        _Run(
            "--from",
            metavar="FILE",
            show_default="new weights",
            help="Go on from a saved network.",
        ),
    ] = None


@dataclass(frozen=True)
class ReportOptions:
    """What is reported on, and which rules give an alarm."""

    preset: Annotated[
        str,
        _Report(
            metavar="NAME",
            help="Rules of the alarms: relative compares the layers with each other; sagemaker "
            "has the limits of Amazon SageMaker Debugger.",
        ),
    ] = "relative"
    every: Annotated[
        int | None,
        _Report(
            metavar="N",
            show_default="so that it takes little time",
            help="Record every N-th step.",
        ),
    ] = None
    network_: Annotated[
        Path | None,
        _Report(
            "--network",
            metavar="FILE",
            show_default="a new one is trained",
            help="Report on a saved network and all the data; nothing is trained.",
        ),
    ] = None


#: What several commands share that have not all of a group.
SavedNetwork = Annotated[
    Path | None,
    typer.Option("--network", metavar="FILE", show_default="a new one", help="A saved network."),
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN",
        show_default="the last",
        help="Column of a CSV file to predict; again for several.",
    ),
]
Task = Annotated[str, typer.Option(metavar="NAME", help="classification, regression or auto.")]
NoHeader = Annotated[bool, typer.Option("--no-header", help=NO_HEADER)]
Separator = Annotated[str, typer.Option(metavar="CHARACTER", help=SEPARATOR)]
FirstExamples = Annotated[
    int | None,
    typer.Option(
        metavar="N", show_default="all", help="How many examples of the data, from the first on."
    ),
]


def spread(function: Callable[..., None]) -> Callable[..., None]:
    """`function` with every parameter that is a group of options replaced by the group's fields.

    A command line has no groups: typer sees each option as a parameter of its own, `function`
    gets the groups.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {
        parameter: hint for parameter, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in groups:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        group = groups[parameter.name]
        types = get_type_hints(group, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=types[field.name],
            )
            for field in dataclasses.fields(group)
        ]

    @functools.wraps(function)
    def command(**values: Any) -> None:
        for name, group in groups.items():
            fields = [field.name for field in dataclasses.fields(group)]
            values[name] = group(**{field: values.pop(field) for field in fields})
        function(**values)

    ordered = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    command.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in ordered}
    return command


def command_line(command: str, *groups: Any) -> str:
    """The command and its arguments, with the options of the groups that are not the defaults."""
    words = ["loopbp", *command.split()]
    for group in groups:
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            if value == field.default:
                continue
            option = "--" + field.name.strip("_").replace("_", "-")
            for item in value if isinstance(value, list) else [value]:
                words += [option] if item is True else [option, str(item)]
    return shlex.join(words)
