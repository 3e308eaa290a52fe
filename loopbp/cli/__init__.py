"""The command `loopbp`.

Only typer is imported before a command runs, so that `loopbp --help` answers at once; a command
imports what it needs. Results go to stdout, all else to stderr. Exit codes: 0; 1 when a check
fails; 2 for an error, said in one message; 130 after Ctrl-C.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import loopbp

from . import (
    check,
    convert,
    diagnose,
    exactness,
    example,
    explain,
    page,
    per_example,
    report,
    sensitivity,
    study,
    terminal,
    train,
    verify,
)
from .options import FAILED, INTERRUPTED, spread


class Commands(TyperGroup):
    """The commands, with the library's errors turned into one message and an exit code."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Reads the command line, and prints the help."""
        try:
            return super().make_context(*arguments, **more)
        except KeyboardInterrupt:
            raise _interrupted() from None

    def invoke(self, ctx: Any) -> Any:
        """Runs a command; with --debug an error keeps its traceback."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _interrupted() from None
        except BrokenPipeError:  # whoever read our results has gone
            raise
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            OSError,
            MemoryError,
            ImportError,
        ) as problem:
            if ctx.params["debug"]:
                raise
            terminal.error(_message(problem))
            raise typer.Exit(FAILED) from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    report.report,
    train.train,
    check.check,
    exactness.exactness,
    explain.explain,
    per_example.per_example,
    sensitivity.sensitivity,
    diagnose.diagnose,
    example.example,
    page.page,
    study.study,
    convert.convert,
    verify.verify,
)
for command in COMMANDS:
    app.command()(spread(command))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"loopbp {loopbp.__version__}")
        raise typer.Exit


@app.callback()
def loopbp_command(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="LOOPBP_DEBUG", help="Show the traceback of an error."),
    ] = False,
) -> None:
    """Backpropagation as the textbook writes it: explicit loops, compiled, bit for bit.

    Begin with `loopbp report`.
    """


def main() -> None:
    """Runs the command line of this process, and exits."""
    terminal.prepare_streams()
    app(prog_name="loopbp")


def _interrupted() -> typer.Exit:
    """Says that Ctrl-C came, and gives the exit that is to follow."""
    terminal.error("interrupted")
    return typer.Exit(INTERRUPTED)


def _message(problem: BaseException) -> str:
    """What went wrong, in one message."""
    if isinstance(problem, OSError) and problem.strerror and problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    return str(problem) or type(problem).__name__
