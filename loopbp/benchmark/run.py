"""A whole run: which cells, in which processes, and their record."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..progress import Progress
from ..search_path import with_loopbp
from . import machine, peers, process
from .record import Cell, Record, Start, decode
from .timing import Method
from .workloads import WORKLOADS

Report = Callable[[Progress], None]

#: Workload, dtype, threads and task: `Cell.key`.
Key = tuple[str, str, int, str]

#: Who is measured against the subject without `--full`: compiling with torch takes a minute for
#: every network, and the textbook loops are slow. Their bits are compared in every run.
SLOW = ("textbook", "torch.compile", "torch.func.compile")

#: Who uses one thread whatever it is told, and is therefore not measured again on more.
ONE_THREAD = ("textbook",)


@dataclass(frozen=True)
class Job:
    """What one process measures."""

    workloads: tuple[str, ...]
    tasks: tuple[str, ...]
    dtype: str
    threads: int
    contenders: tuple[str, ...]
    method: Method

    @property
    def cells(self) -> list[Key]:
        """The key of each cell."""
        return [
            (name, self.dtype, self.threads, task)
            for name in self.workloads
            for task in self.tasks
            if task in WORKLOADS[name].tasks
        ]

    @property
    def samples(self) -> int:
        """How many samples that makes."""
        contenders = sum(len(peers.asked(self.contenders, task)) for *_, task in self.cells)
        return contenders * self.method.rounds


@dataclass(frozen=True)
class Plan:
    """All that a run measures."""

    workloads: tuple[str, ...]
    tasks: tuple[str, ...]
    dtypes: tuple[str, ...]
    threads: tuple[int, ...]
    contenders: tuple[str, ...]
    method: Method
    fresh_processes: bool

    def jobs(self) -> list[Job]:
        """A process per dtype and number of threads; with `fresh_processes` per workload too."""
        groups = [(name,) for name in self.workloads] if self.fresh_processes else [self.workloads]
        jobs = [
            Job(group, self.tasks, dtype, threads, self._contenders(threads), self.method)
            for group in groups
            for dtype in self.dtypes
            for threads in self.threads
        ]
        return [job for job in jobs if job.cells]

    def _contenders(self, threads: int) -> tuple[str, ...]:
        """Who is measured on so many threads, if that is not the smallest number."""
        again = threads > min(self.threads)
        return tuple(name for name in self.contenders if not (again and name in ONE_THREAD))


def default_contenders(*, full: bool) -> tuple[str, ...]:
    """Who is measured unless somebody chooses: the subject and the peers, all with `full`."""
    return tuple(
        name for name in peers.known() if full or name == peers.subject() or name not in SLOW
    )


def run(
    plan: Plan,
    *,
    command: str,
    folder: Path,
    keep: Callable[[Record], None],
    report: Report,
    earlier: Record | None = None,
) -> Record:
    """Measures everything in the plan; `keep` gets the record after every process.

    `folder`: of the sources whose git state is recorded. A process that breaks down is recorded,
    with what it said last, and the run goes on. `earlier`: a record whose cells need not be
    measured again; raises `ValueError` where it was made under other circumstances.
    """
    record = Record(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        complete=False,
        fresh_processes=plan.fresh_processes,
        method=plan.method,
        machine=machine.machine(),
        software=machine.software(),
        git=machine.git(folder),
        overrides=machine.overrides(),
    )
    jobs = plan.jobs()
    if earlier is not None:
        _check_circumstances(earlier, record)
        there = {cell.key for cell in earlier.cells}
        wanted = {key for job in jobs for key in job.cells}
        record = dataclasses.replace(
            record, cells=tuple(cell for cell in earlier.cells if cell.key in wanted)
        )
        jobs = [job for job in jobs if not there.issuperset(job.cells)]
    starting = list(_starts(plan))
    tell = process.count(sum(job.samples for job in jobs) + len(starting), report)
    for job in jobs:
        try:
            for kind, value in process.answers({"kind": "cells", **dataclasses.asdict(job)}, tell):
                if kind == "cell":
                    cell = decode(Cell, value, "cell")
                    others = tuple(one for one in record.cells if one.key != cell.key)
                    record = dataclasses.replace(record, cells=(*others, cell))
        except process.BrokenDownError as failure:
            what = f"{', '.join(job.workloads)}, {job.dtype}, threads {job.threads}: {failure}"
            record = dataclasses.replace(record, failures=(*record.failures, what))
        keep(record)
    for start in starting:
        tell("doing", f"first call of {start.name}")
        record = dataclasses.replace(record, starts=(*record.starts, measure_start(start)))
        tell("tell", 1)
    record = dataclasses.replace(record, complete=True)
    keep(record)
    return record


def _check_circumstances(earlier: Record, record: Record) -> None:
    """Raises `ValueError` where the rest of an earlier run would not be a part of the same run."""
    for name in ("machine", "software", "git", "method", "fresh_processes"):
        was, now = getattr(earlier, name), getattr(record, name)
        if was != now:
            raise ValueError(f"resume: expected a record with the {name} of now; {was} ≠ {now}")
    if earlier.git is not None and earlier.git.dirty:
        raise ValueError("resume: expected a record of sources that are committed")


def measure_start(start: Start) -> Start:
    """The start of one contender, in fresh processes with caches of their own."""
    absent = _missing(start.name)
    if absent is not None:
        return dataclasses.replace(start, reason=absent)
    job = {
        "kind": "start",
        "threads": start.threads,
        "contender": start.name,
        "workload": start.workload,
        "dtype": start.dtype,
    }
    with tempfile.TemporaryDirectory() as caches:
        try:
            imports = _import_seconds(peers.get(start.name).imports)
            cold, warm = (_start_seconds(job, Path(caches)) for _ in range(2))
        except process.BrokenDownError as failure:
            return dataclasses.replace(start, reason=str(failure).splitlines()[-1])
    return dataclasses.replace(
        start,
        imports=imports,
        prepare=warm["prepare"],
        first_empty_cache=cold["first"],
        first_filled_cache=warm["first"],
        second=warm["second"],
    )


def _starts(plan: Plan) -> Iterator[Start]:
    """What is started for its own sake: every contender on the first network of the plan."""
    networks = [name for name in plan.workloads if "epoch" in WORKLOADS[name].tasks]
    if networks and "epoch" in plan.tasks:
        for name in peers.asked(plan.contenders, "epoch"):
            yield Start(name, networks[0], plan.dtypes[0], plan.threads[-1])


def _start_seconds(job: dict[str, Any], caches: Path) -> dict[str, float]:
    """The worker's answer, with all that is cached on disk in this folder."""
    folders = {
        "LOOPBP_CACHE_DIR": str(caches / "loopbp"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
        "TRITON_CACHE_DIR": str(caches / "triton"),
    }
    answers = dict(process.answers(job, lambda kind, value: None, folders))
    seconds: dict[str, float] = answers["start"]
    return seconds


def _import_seconds(modules: Sequence[str]) -> float:
    """Seconds to import these modules in a new interpreter."""
    lines = ["import time", "started = time.perf_counter()"]
    lines += [f"import {name}" for name in modules]
    lines += ["print(time.perf_counter() - started)"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        env=with_loopbp(machine.environment(machine.cores())),
    )
    if done.returncode:
        raise process.BrokenDownError(done.stderr.strip() or "the import failed")
    return float(done.stdout)


def _missing(name: str) -> str | None:
    """Why a contender cannot be started; None if its library is installed."""
    package = peers.get(name).imports[0].partition(".")[0]
    return None if importlib.util.find_spec(package) else f"not installed (no module {package})"
