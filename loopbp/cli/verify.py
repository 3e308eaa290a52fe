"""`loopbp verify`: the gradients of somebody's own model against the exact engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import terminal
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
        try:
            module, name = _module(subject)
        except ModuleNotFoundError as missing:
            raise _said(missing) from missing
        model = _object("MODULE:OBJECT", module, name)
        weights = None if parameters is None else _object("parameters", module, parameters)
        names = None if hidden is None else hidden.split(",")
        computing = (_model(model),) if weights is None else (model, _made(weights))
        with named(model="MODULE:OBJECT", verify="MODULE:OBJECT", **FROM_DATA):
            result = verification.verify(
                *computing,
                dataset.X[:examples],
                dataset.Y[:examples],
                criterion=None if criterion is None else _object("criterion", module, criterion),
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


def _module(text: str) -> tuple[Any, str]:
    """The module, imported from the present folder or by its path, and the object's name."""
    import importlib
    import importlib.util
    import sys

    module, _, name = text.rpartition(":")
    if not module or not name:
        raise ValueError(f"MODULE:OBJECT: expected both, as in mine:model; got {text[:60]!r}")
    if not module.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(module), name
    path = Path(module)
    if not path.is_file():
        raise FileNotFoundError(f"{module}: there is no such file")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # the name ends with .py
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded, name


def _said(missing: ModuleNotFoundError) -> ImportError:
    """What the module needs, and how it is installed if it is one of the optional libraries."""
    from loopbp.interop.layers import MissingLibraryError

    library = {"torch": "PyTorch", "jax": "JAX"}.get(str(missing.name))
    if library is not None:
        return MissingLibraryError(library, str(missing.name))
    return ImportError(f"MODULE:OBJECT: {missing}", name=missing.name)


def _object(argument: str, module: Any, name: str) -> Any:
    """What has this name in the module; the name may have dots."""
    import operator

    try:
        return operator.attrgetter(name)(module)
    except AttributeError:
        raise ValueError(f"{argument}: there is no {name[:60]!r} in {module.__name__}") from None


def _model(given: Any) -> Any:
    """The PyTorch model, or what a function gives; raises `TypeError` for anything else."""
    import sys

    from loopbp.checks import describe

    found = _made(given)
    torch = sys.modules.get("torch")  # of which a model is
    if torch is None or not isinstance(found, torch.nn.Module):
        raise TypeError(
            "MODULE:OBJECT: expected a PyTorch model, or a JAX function and --parameters with it; "
            f"got {describe(found)}"
        )
    return found


def _made(given: Any) -> Any:
    """The object, or what it gives where it is a function without arguments."""
    import inspect

    if not inspect.isfunction(given):
        return given
    try:
        inspect.signature(given).bind()
    except TypeError:  # it needs some
        return given
    return given()
