"""`loopbp verify`: the gradients of somebody's own model against the exact engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from . import terminal, user_code
from .options import CHECK_FAILED, DataOptions, NoHeader, Separator, Target, Task


def verify(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:OBJECT",
            show_default=False,
            help="A PyTorch model, a function without arguments that gives one, or, with "
            "--parameters, a JAX function of (parameters, X, Y). MODULE is mine or path/mine.py.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="digits, mnist, a folder, FILE.csv or FILE.npz, as for the other commands.",
        ),
    ] = "digits",
    target: Target = None,
    task: Task = "auto",
    no_header: NoHeader = False,
    separator: Separator = ",",
    examples: Annotated[
        int, typer.Option(metavar="N", help="How many examples of the data, from the first on.")
    ] = 20,
    parameters: Annotated[
        str | None,
        typer.Option(
            metavar="OBJECT",
            show_default="a PyTorch model",
            help="The weights of a JAX function, or a function that gives them.",
        ),
    ] = None,
    criterion: Annotated[
        str | None,
        typer.Option(
            metavar="OBJECT",
            show_default="PyTorch's of the name --loss",
            help="The model's loss, a function of (outputs, targets).",
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="what the criterion is",
            help="sse, half_sse, mse, cross_entropy or binary_cross_entropy.",
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,…]",
            show_default="what the model says",
            help="Activation of the hidden layers: one name, or one for each.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="what the model says",
            help="Activation of the last layer.",
        ),
    ] = None,
    reduction: Annotated[
        str,
        typer.Option(metavar="NAME", help="mean or sum over the examples, if the loss is silent."),
    ] = "mean",
    factor: Annotated[
        float, typer.Option(metavar="X", help="What theirs are expected to be times ours.")
    ] = 1.0,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", show_default="the model's", help="Compute in float64 or float32."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(metavar="NAME", help="Of our gradients.")] = "auto",
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="not written", help="A row for every derivative."
        ),
    ] = None,
) -> None:
    """Compare the gradients of your PyTorch or JAX model with the exact engine.

    **This imports MODULE, which executes it: name only code that you trust.** OBJECT, --parameters
    and --criterion are names in it.

    The exit code is 0 when the gradients agree up to rounding, and 1 when they do not.
    """
    from loopbp import verification
    from loopbp.checks import integer
    from loopbp.npz import replacing

    from . import job
    from .naming import FROM_DATA, named

    integer("examples", examples, low=1)
    if csv is not None:
        job.check_file("csv", csv)
    with terminal.activity("verifying"):
        dataset = job.read_data(DataOptions(data, target, task, no_header, separator))
        names = None if hidden is None else hidden.split(",")
        with (
            named(model="MODULE:OBJECT", verify="MODULE:OBJECT", **FROM_DATA),
            _with_the_option(),
            user_code.one_message(),
        ):
            module, name = user_code.module(subject)
            model = user_code.attribute("MODULE:OBJECT", module, name)
            if parameters is None:
                computing: tuple[Any, ...] = (user_code.torch_model(model),)
            else:
                weights = user_code.attribute("parameters", module, parameters)
                computing = (model, user_code.made(weights))
            if loss is None and criterion is None:
                raise ValueError("--criterion or --loss: expected the loss; got neither")
            result = verification.verify(
                *computing,
                dataset.X[:examples],
                dataset.Y[:examples],
                criterion=(
                    None
                    if criterion is None
                    else user_code.attribute("criterion", module, criterion)
                ),
                loss=loss,
                hidden=names[0] if names is not None and len(names) == 1 else names,
                output=output,
                reduction=reduction,
                factor=factor,
                dtype=dtype,
                engine=engine,
            )
    terminal.say(str(result))
    if csv is not None:
        with replacing(csv) as file:
            file.write(result.entries_frame.to_csv(index=False, lineterminator="\n").encode())
        terminal.say(f"\nwritten: {csv}")
    if not result.passed:
        raise typer.Exit(CHECK_FAILED)


@contextmanager
def _with_the_option() -> Iterator[None]:
    """Within the block, an error on labels that should be numbers names the option for it."""
    try:
        yield
    except ValueError as problem:
        if str(problem).startswith("Y: expected shape"):
            problem.args = (f"{problem}; --task regression takes labels for numbers",)
        raise
