"""What stands at the start: one library, or engine, ready to do one task of one problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..checks import FloatArray
from .workloads import Problem


class AbsentError(Exception):
    """A contender cannot take part in a task; the message is the reason."""


@dataclass(frozen=True)
class Contender:
    """Something that can be timed.

    `reset()` brings it to the start, untimed; `run(calls)` does the task so many times in
    succession and returns the seconds that took; `result()` is what the last call gave: the
    weights after an epoch or the gradient, (P,) in the order of `Network.theta`; the outputs
    (M, n_L); of single gradients their norms per layer and their cosines with the mean, (M, L + 1),
    or all their entries, (M, P). With data in place and nothing but the task in `run`.
    """

    reset: Callable[[], object]
    run: Callable[[int], float]
    result: Callable[[], FloatArray]


class Peer(Protocol):
    """Who makes contenders."""

    @property
    def name(self) -> str:
        """What it is called here."""
        ...

    @property
    def package(self) -> str:
        """The distribution whose version counts."""
        ...

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that a user's program begins with."""
        ...

    @property
    def exact(self) -> bool:
        """Whether its bits must be those of the textbook loops."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it is asked to do at all."""
        ...

    def prepare(self, problem: Problem, task: str) -> Contender:
        """The contender for a task; raises `AbsentError` with the reason where there is none."""
        ...


def timed(call: Callable[[], object]) -> Callable[[int], float]:
    """`Contender.run` for a function that returns when its work is done."""

    def run(calls: int) -> float:
        started = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - started

    return run


def nothing() -> None:
    """`Contender.reset` where a call leaves nothing behind."""
