"""The benchmark command: `python bench.py run`, `list`, `compare`, `functions`, `scaling`, `mnist`.

What is timed and how: `loopbp/benchmark/`.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopbp.cli import Commands, terminal

if TYPE_CHECKING:
    from loopbp.benchmark.record import Record
    from loopbp.benchmark.table import Table
    from loopbp.progress import Progress

REPOSITORY = Path(__file__).parent

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the files go.")]


@app.callback()
def bench(
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="LOOPBP_DEBUG", help="Show the traceback of an error."),
    ] = False,
) -> None:
    """Benchmarks that can be repeated: loopbp against the libraries that people train with."""


@app.command()
def run(
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload", "-w", metavar="NAME", show_default="some", help="Again for several."
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            metavar="NAME",
            show_default="epoch and product",
            help="epoch, gradients, forward, product, examples or matrix; again for several.",
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option("--dtype", metavar="NAME", show_default="float32", help="Again for both."),
    ] = None,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            "--threads", metavar="N|all", show_default="1", help="Again for several numbers."
        ),
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,…]", show_default="the fast ones", help="Whom to compare with."
        ),
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Everything, each network in a process of its own: takes hours. Options narrow "
            "it down.",
        ),
    ] = False,
    rounds: Annotated[int, typer.Option(metavar="N", help="Samples of each contender.")] = 10,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in DIR that was interrupted."),
    ] = False,
    out: Out = Path("benchmark"),
) -> None:
    """Measure. Without options: some networks, float32, one thread, within three minutes.

    Writes benchmark.json (every sample), benchmark.md and a picture for each task.
    The exit code is 1 when a result was wrong, or a measuring process broke down.
    """
    from loopbp.benchmark import run as runs
    from loopbp.benchmark.record import REFUSED, read, write
    from loopbp.report.writing import prepare_folder

    plan = _plan(workload, task, dtype, threads, peers, full, rounds)
    earlier = read(out / "benchmark.json") if resume else None
    folder = prepare_folder(out)
    with terminal.activity("starting") as activity:
        record = runs.run(
            plan,
            command=shlex.join(["python", *sys.argv]),
            folder=REPOSITORY,
            keep=lambda record: write(folder / "benchmark.json", record),
            report=_reporter(activity),
            earlier=earlier,
        )
    _write_page(record, folder)
    _show(record)
    terminal.say(f"\nwritten: {folder}")
    refused = any(entry.status == REFUSED for cell in record.cells for entry in cell.entries)
    if refused or record.failures:
        raise typer.Exit(1)


@app.command("list")
def list_() -> None:
    """The workloads, and who can be compared."""
    from loopbp.benchmark import machine, peers
    from loopbp.benchmark.workloads import WORKLOADS

    terminal.table(
        ("workload", "hidden", "batch", "examples", "parameters", "without --full"),
        [
            (
                work.name,
                work.hidden,
                str(work.batch_size),
                f"{work.examples:,}",
                f"{work.parameters:,}",
                "yes" if work.quick else "",
            )
            for work in WORKLOADS.values()
        ],
    )
    terminal.say("\n")
    terminal.table(
        ("contender", "package", "version"),
        [
            (name, peer.package, machine.version(peer.package) or "not installed")
            for name, peer in peers.known().items()
        ],
    )


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A.json", help="The earlier record.")],
    b: Annotated[Path, typer.Argument(metavar="B.json", help="The later one.")],
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare records of two machines.")
    ] = False,
) -> None:
    """Compare two records, cell by cell."""
    from loopbp.benchmark import compare as comparison
    from loopbp.benchmark.record import read

    found = comparison.compare(read(a), read(b), across_machines=across_machines)
    _print(comparison.table(found, "a", "b"))


@app.command()
def functions(
    rounds: Annotated[int, typer.Option(metavar="N", help="Samples of each function.")] = 10,
    out: Out = Path("functions"),
) -> None:
    """Time exp, log, tanh and their kin per number, beside NumPy's.

    Writes functions.json and functions.md.
    """
    from loopbp.benchmark import functions as elementary
    from loopbp.benchmark.timing import Method
    from loopbp.checks import integer
    from loopbp.report.writing import prepare_folder

    method = Method(rounds=integer("rounds", rounds, low=1))
    folder = prepare_folder(out)
    with terminal.activity("starting") as activity:
        results = elementary.measure(method, _reporter(activity))
    elementary.write(results, folder)
    _print(elementary.table(results, interval=False))
    terminal.say(f"\nwritten: {folder}")


@app.command()
def scaling(
    out: Out = Path("scaling"),
    engine: Annotated[str, typer.Option(metavar="NAME", help="The engine to measure.")] = "auto",
    full: Annotated[bool, typer.Option("--full", help="Larger networks, more repeats.")] = False,
) -> None:
    """How time and memory grow with width and depth.

    Writes scaling.json, scaling.md and scaling.png.
    """
    from loopbp.benchmark import scaling as scales
    from loopbp.report.writing import prepare_folder

    folder = prepare_folder(out)
    with terminal.activity("measuring") as activity:
        result = scales.measure(engine, full=full, report=_reporter(activity))
    scales.write(result, folder)
    for line in result.reading():
        terminal.say(line)
    terminal.say(f"\nwritten: {folder}")


@app.command()
def mnist(
    threads: Annotated[str, typer.Option("--threads", metavar="N|all")] = "1",
    rounds: Annotated[int, typer.Option(metavar="N", help="Trainings by each library.")] = 3,
    out: Out = Path("mnist"),
) -> None:
    """Train two networks of the literature on MNIST, beside PyTorch.

    Writes mnist.json and mnist.md. LOOPBP_DATA names the folder with the four MNIST files.
    """
    from loopbp import datasets
    from loopbp.benchmark import machine
    from loopbp.benchmark import mnist as recipes
    from loopbp.checks import integer
    from loopbp.report.writing import prepare_folder

    number = _threads(threads, machine.cores())
    integer("rounds", rounds, low=1)
    datasets.mnist()
    folder = prepare_folder(out)
    with terminal.activity("starting") as activity:
        results = recipes.measure(rounds, number, _reporter(activity))
    recipes.write(results, folder, number)
    _print(recipes.table(results))
    terminal.say(f"\nwritten: {folder}")


def main() -> None:
    """Runs the command line of this process, and exits."""
    terminal.prepare_streams()
    app(prog_name="bench.py")


def _plan(
    workloads: list[str] | None,
    tasks: list[str] | None,
    dtypes: list[str] | None,
    threads: list[str] | None,
    contenders: str | None,
    full: bool,
    rounds: int,
) -> Any:
    """What the options ask for; everything is checked before the first measurement."""
    from loopbp.benchmark import machine, peers
    from loopbp.benchmark import run as runs
    from loopbp.benchmark.timing import Method
    from loopbp.benchmark.workloads import DTYPES, TASKS, WORKLOADS, find
    from loopbp.checks import choice, integer

    if workloads:
        names = tuple(find(name).name for name in workloads)
    else:
        names = tuple(name for name, work in WORKLOADS.items() if full or work.quick)
    default_tasks = TASKS if full else ("epoch", "product")
    chosen_tasks = {choice("task", name, TASKS): None for name in tasks or default_tasks}
    chosen_dtypes = {choice("dtype", name, DTYPES): None for name in dtypes or ()}
    cores = machine.cores()
    numbers = threads or (["1", "all"] if full else ["1"])
    plan = runs.Plan(
        workloads=tuple(dict.fromkeys(names)),
        tasks=tuple(chosen_tasks),
        dtypes=tuple(chosen_dtypes) or (DTYPES if full else DTYPES[:1]),
        threads=tuple(dict.fromkeys(_threads(number, cores) for number in numbers)),
        contenders=_contenders(contenders, peers)
        if contenders
        else runs.default_contenders(full=full),
        method=Method(rounds=integer("rounds", rounds, low=1)),
        fresh_processes=full,
    )
    if not plan.jobs():
        raise ValueError(f"task: none of {', '.join(plan.tasks)} belongs to {', '.join(names)}")
    return plan


def _contenders(given: str, peers: Any) -> tuple[str, ...]:
    """The names given, after the engine that they are compared with."""
    return tuple(dict.fromkeys([peers.subject(), *(peers.get(n).name for n in given.split(","))]))


def _threads(given: str, cores: int) -> int:
    """A number of threads, or all."""
    from loopbp.checks import integer

    if given == "all":
        return cores
    if not given.isdecimal():
        raise ValueError(f"threads: expected a number or all; got {given!r}")
    return integer("threads", int(given), low=1, high=cores)


def _reporter(activity: terminal.Activity) -> Callable[[Progress], None]:
    """What is told how far a measurement is: the bar, or nobody where there is no terminal."""
    progress = activity.progress
    return progress if callable(progress) else lambda state: None


def _write_page(record: Record, folder: Path) -> None:
    """The Markdown page and its pictures."""
    from loopbp.benchmark import plot, table
    from loopbp.benchmark.workloads import TASKS
    from loopbp.npz import replacing

    pictures = []
    for task in TASKS:
        if any(cell.task == task for cell in record.cells):
            pictures.append(f"{task}.png")
            with replacing(folder / pictures[-1]) as file:
                file.write(plot.save(plot.draw(record, task)))
    with replacing(folder / "benchmark.md") as file:
        file.write(table.markdown(record, pictures).encode())


def _show(record: Record) -> None:
    """The tables, and what they say, on the terminal."""
    from loopbp.benchmark import table

    for one in table.by_task(record, interval=False):
        _print(one)
    started = table.starts(record)
    if started is not None:
        _print(started)
    terminal.say("\n" + "\n".join(table.reading(record)))


def _print(table: Table) -> None:
    terminal.say(f"\n{table.title}")
    terminal.table(table.headings, table.rows)


if __name__ == "__main__":
    main()
