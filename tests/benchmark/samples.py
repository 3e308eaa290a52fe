"""Small problems and made-up records for the tests of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loopbp.benchmark import statistics
from loopbp.benchmark.machine import Git, Machine
from loopbp.benchmark.measure import compared
from loopbp.benchmark.record import ABSENT, TIMED, Cell, Entry, Record, Start
from loopbp.benchmark.timing import Method
from loopbp.benchmark.workloads import Workload

#: Each activation of the workloads, one and several layers, batches of one and of several.
SMALL = (
    Workload("6-5-3", (6, 5, 3), "sigmoid", 4, 24),
    Workload("6-5-4-3", (6, 5, 4, 3), "tanh", 1, 6),
    Workload("6-8-8-3", (6, 8, 8, 3), "relu", 3, 12),
)

MACHINE = Machine("Linux", "x86_64", "A processor", ("avx2", "fma"), 2, 8)


def entry(name: str, samples: Sequence[float], digest: str = "aa") -> Entry:
    """A contender with these samples."""
    return Entry(
        name,
        "1.0",
        TIMED,
        error=1e-9,
        digest=digest,
        first=0.5,
        calls=3,
        stable=True,
        samples=tuple(samples),
        summary=statistics.summarise(samples),
    )


def cell(*entries: Entry, **fields: Any) -> Cell:
    """A cell in which `ours` is compared with the others."""
    described = {
        "workload": "64-32-10",
        "sizes": (64, 32, 10),
        "hidden": "sigmoid",
        "batch_size": 32,
        "examples": 160_000,
        "dtype": "float32",
        "threads": 1,
        "task": "epoch",
        "subject": "ours",
        "digest": "aa",
        "tolerance": 1e-4,
        "effective": {"processors": 1, "numba": 1},
    }
    return Cell(**{**described, **fields}, entries=tuple(compared(list(entries), "ours")))


def record(*cells: Cell, machine: Machine = MACHINE) -> Record:
    """A complete record of these cells."""
    return Record(
        date="2026-01-02T03:04:05+00:00",
        command="python bench.py run",
        complete=True,
        fresh_processes=True,
        method=Method(),
        machine=machine,
        software={"numpy": "2.4", "jax": None},
        git=Git(None, True),
        overrides={"OPENBLAS_CORETYPE": "Haswell"},
        cells=cells,
        starts=(
            Start("ours", "64-32-10", "float32", 1, 0.3, 0.1, 2.5, 0.05, 0.04),
            Start("jax", "64-32-10", "float32", 1, reason="not installed"),
        ),
    )


def absent(name: str, reason: str) -> Entry:
    """A contender that could not take part."""
    return Entry(name, None, ABSENT, reason)
