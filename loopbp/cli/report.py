"""`loopbp report`: what is wrong with a network that does not train, and where its gradients are.

Three commands in one: train and report, report on a saved network, compare two reports.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import terminal
from .options import DataOptions, NetworkOptions, ReportOptions, TrainingOptions, command_line

if TYPE_CHECKING:
    from loopbp.report import GradientReport

FOLDER = Path("loopbp-report")


def report(
    data: DataOptions,
    network: NetworkOptions,
    training: TrainingOptions,
    reporting: ReportOptions,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            rich_help_panel="Report",
            show_default="one report is made",
            help="Compare two reports, written earlier; the folders or their report.json.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files are written.")
    ] = FOLDER,
) -> None:
    """Say what is wrong with a network that does not train, and show its gradients.

    Without options this trains 64-32-16-10 on handwritten digits. Ctrl-C reports on the last
    finished epoch; when a number stops being finite, the last finite weights are reported on.
    """
    groups = (data, network, training, reporting)
    if compare is not None:
        _refuse(groups, "a comparison takes two reports as they are")
        _compare(*compare, out)
    elif reporting.network_ is not None:
        _refuse((training,), "a saved network is not trained")
        if reporting.every is not None:
            raise ValueError("every: a saved network is not trained; leave it out")
        _saved(data, network, reporting, reporting.network_, out)
    else:
        _trained(data, network, training, reporting, out)


def _trained(
    data: DataOptions,
    network: NetworkOptions,
    training: TrainingOptions,
    reporting: ReportOptions,
    out: Path,
) -> None:
    """Trains a network and reports on it."""
    from loopbp.checks import choice
    from loopbp.recording import Recording
    from loopbp.report import PRESETS, gradient_report
    from loopbp.training import NonFiniteError

    from .ahead import statistics_compiled_ahead
    from .job import Job, check_folder

    with terminal.activity("reading") as activity:
        choice("preset", reporting.preset, PRESETS)
        check_folder("out", out)
        job = Job.prepare(data, network, training)
        every = job.spacing if reporting.every is None else reporting.every
        with statistics_compiled_ahead(job.engine, job.net.dtype.name):
            outcome = job.train(activity, report=Recording(every=every))
        if outcome.empty:
            outcome.leave()
        activity.begin("drawing the report")
        result = gradient_report(
            job.net,
            job.data.train.X,
            job.data.train.Y,
            history=outcome.history,
            stopped=outcome.stop if isinstance(outcome.stop, NonFiniteError) else None,
            engine=job.engine,
            preset=reporting.preset,
        )
        files = result.write(
            out,
            settings={**job.settings, "recorded": f"every {every} steps"},
            command=command_line("report", data, network, training, reporting),
            seconds={"training": outcome.history.seconds},
        )
    _show(result)
    terminal.say(job.description)
    terminal.notes(job.notes)
    terminal.say(job.result())
    _list(files)
    outcome.leave()


def _saved(
    data: DataOptions,
    network: NetworkOptions,
    reporting: ReportOptions,
    file: Path,
    out: Path,
) -> None:
    """Reports on a saved network and all examples of the data."""
    from loopbp.report import gradient_report

    from . import job
    from .naming import FROM_DATA, named

    with terminal.activity("reading") as activity:
        job.check_folder("out", out)
        dataset = job.read_data(data)
        net = job.build_network(network, dataset, data.seed, file, "network")
        activity.begin("drawing the report")
        with named(**FROM_DATA):
            result = gradient_report(
                net, dataset.X, dataset.Y, engine=network.engine, preset=reporting.preset
            )
        files = result.write(
            out,
            settings={"data": dataset.name, "examples": len(dataset), "network": str(file)},
            command=command_line("report", data, network, reporting),
        )
    _show(result)
    terminal.say(f"{dataset.name}: {len(dataset):,} examples\n{job.describe(net)}")
    _list(files)


def _compare(a: Path, b: Path, out: Path) -> None:
    """Compares two reports."""
    from loopbp.report import compare_reports
    from loopbp.report.compare_text import NARROW, narrow_cells

    from .job import check_folder
    from .naming import named

    with terminal.activity("comparing"):
        check_folder("out", out)
        with named(a="compare", b="compare"):
            result = compare_reports(a, b)
        files = result.write(out)
    terminal.say(f"{result.sentence}\n\n")
    terminal.table(["\n".join(lines) for lines in NARROW.values()], narrow_cells(result))
    terminal.say("\n")
    terminal.say(f"A: {result.names[0]}\nB: {result.names[1]}")
    _list(files)


def _show(result: GradientReport) -> None:
    """What is wrong, and what helps; then the layers."""
    from loopbp.report.text import HEADINGS, cells, wrong

    terminal.say(f"{result.sentence}\n\n")
    for line in wrong(result.findings):
        terminal.say(line)
    if result.alarm:
        terminal.say("\n")
    terminal.table(["\n".join(lines) for lines in HEADINGS], map(cells, result.layers))
    terminal.say("\n")


def _list(files: list[Path]) -> None:
    """The files; who reads on begins with the first."""
    others = ", ".join(file.name for file in files[1:])
    terminal.say(f"written: {files[0]} and, beside it, {others}")


def _refuse(groups: tuple[Any, ...], why: str) -> None:
    """Raises for the first option of the groups that is not the default."""
    for group in groups:
        for field in dataclasses.fields(group):
            if getattr(group, field.name) != field.default:
                name = field.name.strip("_").replace("_", "-")
                raise ValueError(f"{name}: {why}; leave it out")
