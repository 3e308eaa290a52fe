"""The record as tables: for the terminal, and as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .record import TIMED, Cell, Entry, Record
from .statistics import EVEN, FASTER, NOT_COMPUTED, SLOWER, Ratio, Summary
from .timing import REST
from .workloads import TASKS

#: What stands in a table for a ratio that there is none of.
NONE = "–"


@dataclass(frozen=True)
class Table:
    """A heading, column headings, and rows of text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def seconds(value: float) -> str:
    """A time to three significant digits: 1.23 s, 45.6 ms, 789 µs."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if value * factor >= 0.9995:
            return f"{value * factor:#.3g} {unit}".replace(". ", " ")
    return f"{value * 1e6:#.3g} µs".replace(". ", " ")


def times(summary: Summary) -> str:
    """Median and interquartile range."""
    return f"{seconds(summary.median)} ({seconds(summary.iqr)})"


def ratio(value: Ratio | None, *, interval: bool) -> str:
    """1.52 [1.49, 1.55]; – where it was not computed."""
    if value is None or value.value is None or value.low is None or value.high is None:
        return NONE
    text = f"{value.value:.2f}"
    return f"{text} [{value.low:.2f}, {value.high:.2f}]" if interval else text


def contenders(cells: Iterable[Cell]) -> list[str]:
    """All that were asked for, in their order, without the subject."""
    names = {entry.name: None for cell in cells for entry in cell.entries}
    return [name for name in names if all(name != cell.subject for cell in cells)]


def by_task(record: Record, *, interval: bool) -> list[Table]:
    """A table per task: a row per cell, the subject's time and everybody's time by it."""
    return [
        _task_table(task, cells, interval=interval)
        for task in TASKS
        if (cells := [cell for cell in record.cells if cell.task == task])
    ]


def starts(record: Record) -> Table | None:
    """The times of the first steps, if they were measured."""
    if not record.starts:
        return None
    rows = []
    for start in record.starts:
        numbers = (
            start.imports,
            start.prepare,
            start.first_empty_cache,
            start.first_filled_cache,
            start.second,
        )
        cells = (NONE if number is None else seconds(number) for number in numbers)
        rows.append((start.name, *cells))
    one = record.starts[0]
    return Table(
        f"Start: {one.workload}, {one.dtype}, fresh processes",
        ("", "import", "data in place", "first epoch, compiled", "from the cache", "second epoch"),
        tuple(rows),
    )


def reading(record: Record) -> list[str]:
    """What the tables say, in sentences."""
    lines = []
    subjects = {cell.subject for cell in record.cells}
    for name in contenders(record.cells):
        verdicts = [
            entry.ratio.verdict
            for cell in record.cells
            if (entry := cell.entry(name)) is not None and entry.ratio is not None
        ]
        counts = {verdict: verdicts.count(verdict) for verdict in (FASTER, EVEN, SLOWER)}
        computed = sum(counts.values())
        if computed:
            lines.append(
                f"{' and '.join(sorted(subjects))} against {name}, {computed} cells: faster in "
                f"{counts[FASTER]}, slower in {counts[SLOWER]}, no difference shown in "
                f"{counts[EVEN]}."
            )
    lines += [f"Slower: {line}." for line in _slower(record)]
    lines += [f"Not computed: {line}." for line in _not_computed(record)]
    lines += [f"No start: {start.name}: {start.reason}." for start in record.starts if start.reason]
    return lines + [f"Broke down: {line}." for line in record.failures]


def unsettled(record: Record) -> list[str]:
    """Whose times had not settled when the rounds began."""
    return [
        f"{_label(cell)}: {entry.name}"
        for cell in record.cells
        for entry in cell.entries
        if entry.stable is False
    ]


def markdown(record: Record, pictures: Sequence[str]) -> str:
    """The page: how, where, the tables, what they say, and what every contender is."""
    parts = ["# Benchmarks", _method(record)]
    parts += [f"![]({name})" for name in pictures]
    parts += [_markdown_table(table) for table in by_task(record, interval=True)]
    started = starts(record)
    parts += [_markdown_table(started)] if started else []
    parts += ["## In words", "\n".join(f"- {line}" for line in reading(record))]
    loose = unsettled(record)
    if loose:
        parts.append("Times that had not settled after the warm-up: " + "; ".join(loose) + ".")
    parts += ["## Results", _digests(record), "## Where", _where(record)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _task_table(task: str, cells: Sequence[Cell], *, interval: bool) -> Table:
    """What all cells have in common goes to the title; without intervals the IQR is left out."""
    names, subject = contenders(cells), cells[0].subject
    size = "batch" if task == "epoch" else "examples"
    columns: dict[str, list[str]] = {
        "network": [cell.workload for cell in cells],
        size: [f"{cell.batch_size if task == 'epoch' else cell.examples:,}" for cell in cells],
        "dtype": [cell.dtype for cell in cells],
        "threads": [str(cell.threads) for cell in cells],
        f"{subject} (IQR)" if interval else subject: [_own(cell, iqr=interval) for cell in cells],
    }
    for name in names:
        columns[name] = [_entry_text(cell.entry(name), interval=interval) for cell in cells]
    common = []
    if len(set(columns["dtype"])) == 1:
        common.append(columns.pop("dtype")[0])
    if len(set(columns["threads"])) == 1:
        common.append(_threads(int(columns.pop("threads")[0])))
    what = ", ".join([_capital(TASKS[task]), *common])
    return Table(
        f"{what}: {subject}'s time, and the others' as multiples of it",
        tuple(columns),
        tuple(zip(*columns.values(), strict=True)),
    )


def _own(cell: Cell, *, iqr: bool) -> str:
    """The subject's own time."""
    ours = cell.entry(cell.subject)
    if ours is None or ours.summary is None:
        return NONE
    return times(ours.summary) if iqr else seconds(ours.summary.median)


def _entry_text(entry: Entry | None, *, interval: bool) -> str:
    if entry is None:
        return ""
    return ratio(entry.ratio, interval=interval) if entry.status == TIMED else entry.status


def _slower(record: Record) -> list[str]:
    """Every cell in which somebody is faster than the subject."""
    lines = []
    for cell in record.cells:
        faster = [
            f"{entry.name} takes {ratio(entry.ratio, interval=True)} of the time"
            for entry in cell.entries
            if entry.ratio is not None and entry.ratio.verdict == SLOWER
        ]
        if faster:
            lines.append(f"{_label(cell)}: {', '.join(faster)}")
    return lines


def _not_computed(record: Record) -> list[str]:
    """Ratios that are missing and why; a reason that holds more than once is said once."""
    cells: dict[str, list[Cell]] = {}
    names: dict[str, dict[str, None]] = {}
    for cell in record.cells:
        for entry in cell.entries:
            if entry.ratio is not None and entry.ratio.verdict == NOT_COMPUTED:
                reason = entry.ratio.reason or ""
                cells.setdefault(reason, []).append(cell)
                names.setdefault(reason, {})[entry.name] = None
    lines = []
    for reason, where in cells.items():
        labels = list(dict.fromkeys(_label(cell) for cell in where))
        place = labels[0] if len(labels) == 1 else f"{len(labels)} cells"
        lines.append(f"{', '.join(names[reason])} ({place}): {reason}")
    return lines


def _label(cell: Cell) -> str:
    return f"{cell.workload}, {TASKS[cell.task]}, {cell.dtype}, {_threads(cell.threads)}"


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _capital(text: str) -> str:
    """The text with its first letter as a capital, the others as they are."""
    return text[0].upper() + text[1:]


def _method(record: Record) -> str:
    method = record.method
    processes = "a fresh process for every network, dtype and number of threads"
    if not record.fresh_processes:
        processes = "a process for every dtype and number of threads"
    state = "" if record.complete else " **This run is not complete.**"
    rest = ""
    if any(cell.threads > 1 for cell in record.cells):
        rest = f" A sample on several threads follows {REST:g} s of rest."
    return (
        f"`{record.command}`, {record.date}.{state} Every contender starts from the same weights "
        "and takes the same batches in the same order, on as many threads; its result was compared "
        f"before it was timed. {method.rounds} interleaved rounds of at least "
        f"{method.seconds * 1e3:g} ms, in {processes}; medians, and in brackets the 95 % bootstrap "
        f"interval of the ratio of medians.{rest} Above 1: ours is faster."
    )


def _markdown_table(table: Table) -> str:
    lines = [table.headings, tuple("---" for _ in table.headings), *table.rows]
    return f"## {table.title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _digests(record: Record) -> str:
    """The hash of every result, and the largest error of the libraries."""
    lines = ["| cell | SHA-256 of the result | exact engines | largest error of the others |"]
    lines.append("|---|---|---|---|")
    for cell in record.cells:
        same = [entry.name for entry in cell.entries if entry.digest == cell.digest]
        errors = [
            (entry.error, entry.name)
            for entry in cell.entries
            if entry.error is not None and entry.name not in same
        ]
        worst = "{:.1e} ({})".format(*max(errors)) if errors else NONE
        lines.append(
            f"| {_label(cell)} | `{cell.digest[:16]}…` | {', '.join(same)} | "
            f"{worst}, tolerance {cell.tolerance:.0e} |"
        )
    return "\n".join(lines)


def _where(record: Record) -> str:
    machine, git = record.machine, record.git
    lines = [
        f"- {machine.processor}, {machine.cores} cores, {machine.memory or '?'} GiB, "
        f"{machine.system} {machine.architecture}; {' '.join(machine.features)}"
    ]
    versions = (f"{name} {value or '(absent)'}" for name, value in record.software.items())
    lines.append(f"- {', '.join(versions)}")
    if git is not None:
        changed = ", with changes that are not committed" if git.dirty else ""
        lines.append(f"- commit {git.commit or '(none yet)'}{changed}")
    if record.overrides:
        kept = ", ".join(f"{name}={value}" for name, value in record.overrides.items())
        lines.append(f"- set in the environment, and kept from the libraries: {kept}")
    told = {str(cell.effective) for cell in record.cells}
    return "\n".join(lines + [f"- threads: {text}" for text in sorted(told)])
