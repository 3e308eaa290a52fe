"""Two records side by side: what became faster or slower, and whether the bits are the same."""

from __future__ import annotations

from dataclasses import dataclass, fields

from . import statistics
from .record import TIMED, Cell, Record
from .table import NONE, Table, ratio, seconds


@dataclass(frozen=True)
class Difference:
    """A contender in a cell of both records; `change` is B's time by A's."""

    cell: Cell
    name: str
    before: float | None
    after: float | None
    change: statistics.Ratio
    same_bits: bool


def compare(a: Record, b: Record, *, across_machines: bool = False) -> list[Difference]:
    """Every contender of every cell that both records have.

    Raises `ValueError` if the records come from two machines, unless `across_machines`; and if
    they have no cell in common.
    """
    different = _different(a, b)
    if different and not across_machines:
        raise ValueError(
            f"the records come from two machines ({'; '.join(different)}); their times say "
            "nothing about the code. --across-machines compares them nevertheless"
        )
    theirs = {cell.key: cell for cell in b.cells}
    pairs = [(cell, theirs[cell.key]) for cell in a.cells if cell.key in theirs]
    if not pairs:
        raise ValueError("the records have no workload, dtype, threads and task in common")
    return [difference for pair in pairs for difference in _cell_differences(*pair)]


def table(differences: list[Difference], a: str, b: str) -> Table:
    """The differences as a table; b / a below 1: b is faster."""
    rows = []
    for one in differences:
        cell = one.cell
        times = (NONE if time is None else seconds(time) for time in (one.before, one.after))
        verdict = one.change.reason or _WORDS[one.change.verdict]
        rows.append(
            (
                cell.workload,
                cell.task,
                cell.dtype,
                str(cell.threads),
                one.name,
                *times,
                ratio(one.change, interval=True),
                verdict,
                "same" if one.same_bits else "different",
            )
        )
    headings = ("network", "task", "dtype", "threads", "who", a, b, "b / a", "b is", "bits")
    return Table("Comparison", headings, tuple(rows))


#: The verdict of statistics is about the denominator, a; here b is spoken of.
_WORDS = {
    statistics.FASTER: statistics.SLOWER,
    statistics.SLOWER: statistics.FASTER,
    statistics.EVEN: statistics.EVEN,
    statistics.NOT_COMPUTED: statistics.NOT_COMPUTED,
}


def _different(a: Record, b: Record) -> list[str]:
    """What differs between the machines: field, a's value, b's value."""
    lines = []
    for field in fields(a.machine):
        x, y = getattr(a.machine, field.name), getattr(b.machine, field.name)
        if x != y:
            if field.name == "features":
                x, y = sorted(set(x) - set(y)), sorted(set(y) - set(x))
            lines.append(f"{field.name}: {x} and {y}")
    return lines


def _cell_differences(a: Cell, b: Cell) -> list[Difference]:
    differences = []
    for before in a.entries:
        after = b.entry(before.name)
        if after is None:
            continue
        if before.status == after.status == TIMED:
            change = statistics.ratio(after.samples, before.samples, paired=False)
        else:
            missing = next(entry for entry in (before, after) if entry.status != TIMED)
            change = statistics.Ratio.missing(f"{missing.status}: {missing.reason}")
        differences.append(
            Difference(
                cell=a,
                name=before.name,
                before=before.summary.median if before.summary else None,
                after=after.summary.median if after.summary else None,
                change=change,
                same_bits=before.digest is not None and before.digest == after.digest,
            )
        )
    return differences
