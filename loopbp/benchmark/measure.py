"""One cell: check every contender's result, then time those whose result is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..checks import FloatArray
from . import machine, peers, statistics, timing, verification
from .contender import AbsentError, Contender, Peer
from .record import ABSENT, FAILED, REFUSED, TIMED, Cell, Entry
from .timing import Method
from .workloads import Problem

#: Called with the number of samples that are done, or out of the question.
Tell = Callable[[int], None]


@dataclass(frozen=True)
class _Candidate:
    """A contender whose result has been looked at; `contender` is None unless it may be timed."""

    entry: Entry
    contender: Contender | None = None


def measure(
    problem: Problem,
    task: str,
    contenders: Mapping[str, Peer],
    *,
    threads: int,
    method: Method,
    tell: Tell = lambda samples: None,
) -> Cell:
    """The cell of one task of one problem, in this process, whose threads are set already."""
    definition = _defined(problem, task)
    candidates = {
        name: _checked(peer, problem, task, definition) for name, peer in contenders.items()
    }
    ready = {name: c.contender for name, c in candidates.items() if c.contender is not None}
    tell(method.rounds * (len(candidates) - len(ready)))
    warm = {name: timing.warm_up(contender, method) for name, contender in ready.items()}
    calls = {name: state.calls for name, state in warm.items()}
    rest = timing.REST if threads > 1 else 0.0
    samples = timing.rounds(ready, calls, method, lambda: tell(1), rest)
    entries = [
        candidate.entry
        if name not in ready
        else replace(
            candidate.entry,
            calls=warm[name].calls,
            stable=warm[name].stable,
            samples=tuple(samples[name]),
            summary=statistics.summarise(samples[name]),
        )
        for name, candidate in candidates.items()
    ]
    work = problem.workload
    return Cell(
        workload=work.name,
        sizes=work.sizes,
        hidden=work.hidden,
        batch_size=work.batch_size,
        examples=problem.examples(task),
        dtype=problem.dtype.name,
        threads=threads,
        task=task,
        subject=peers.subject(),
        digest=verification.digest(definition),
        tolerance=verification.tolerance(problem, task),
        effective=machine.effective_threads(),
        entries=tuple(compared(entries, peers.subject())),
    )


def compared(entries: list[Entry], subject: str) -> list[Entry]:
    """The entries with their ratios to the subject's time; each says if there can be none."""
    ours = next((entry for entry in entries if entry.name == subject), None)
    return [
        entry if entry.name == subject else replace(entry, ratio=_ratio(entry, ours, subject))
        for entry in entries
    ]


def _ratio(theirs: Entry, ours: Entry | None, subject: str) -> statistics.Ratio:
    if ours is None or ours.status != TIMED:
        why = "not asked for" if ours is None else f"{ours.status}: {ours.reason}"
        return statistics.Ratio.missing(f"{subject} itself {why}")
    if theirs.status != TIMED:
        return statistics.Ratio.missing(f"{theirs.status}: {theirs.reason}")
    return statistics.ratio(theirs.samples, ours.samples, paired=True)


def _defined(problem: Problem, task: str) -> FloatArray:
    """The result of the textbook loops, which define every bit."""
    contender = peers.get(peers.DEFINITION).prepare(problem, task)
    contender.reset()
    contender.run(1)
    return contender.result()


def _checked(peer: Peer, problem: Problem, task: str, definition: FloatArray) -> _Candidate:
    """Runs a contender once, and looks at its result."""
    entry = Entry(peer.name, machine.version(peer.package), TIMED)
    try:
        contender = peer.prepare(problem, task)
        contender.reset()
        first = contender.run(1)
        result = contender.result()
    except AbsentError as absent:
        return _Candidate(replace(entry, status=ABSENT, reason=str(absent)))
    except Exception as failure:  # whatever a library raises is a fact about it, to be recorded
        reason = f"{type(failure).__name__}: {failure}".splitlines()[0]
        return _Candidate(replace(entry, status=FAILED, reason=reason))
    error = verification.error(problem, task, result, definition)
    entry = replace(
        entry,
        first=first,
        digest=verification.digest(result),
        error=error if np.isfinite(error) else None,
    )
    wrong = verification.complaint(problem, task, result, definition, exact=peer.exact)
    if wrong is not None:
        return _Candidate(replace(entry, status=REFUSED, reason=wrong))
    return _Candidate(entry, contender)
