"""Timing: warm-up until stable, then interleaved rounds.

In every round each contender runs once, in an order that moves on by one from round to round.
Whatever changes on the machine in the meantime then meets all of them alike. Threads that have
done their work go on spinning for a while, on the cores that the next contender wants: where there
are several, every sample is preceded by a rest. A round of a contender is one sample: as many calls
in succession as fill `Method.seconds`, divided by their number, from the same start every time.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .contender import Contender

#: Seconds of rest before a sample on several threads; the longest that a library's idle threads are
#: known to spin is 0.2 s (OpenMP of LLVM and Intel).
REST = 0.3


@dataclass(frozen=True)
class Method:
    """How long and how often: rounds, the least seconds of a round, and the end of the warm-up.

    The warm-up of a contender ends once its last three samples lie within `stable` of their
    median, or after `patience` seconds and three samples.
    """

    rounds: int = 10
    seconds: float = 0.1
    stable: float = 0.05
    patience: float = 3.0


@dataclass(frozen=True)
class WarmUp:
    """How a warm-up ended: calls per round from now on, and whether the times had settled."""

    calls: int
    stable: bool


def warm_up(contender: Contender, method: Method) -> WarmUp:
    """Runs a contender until its times settle."""
    contender.reset()
    calls, spent = 1, 0.0
    samples: list[float] = []
    while True:
        seconds = contender.run(calls)
        spent += seconds
        samples.append(seconds / calls)
        settled = _settled(samples[-3:], method.stable)
        if settled or (len(samples) >= 3 and spent >= method.patience):
            break
        if seconds < method.seconds / 3:
            calls *= 2
    typical = statistics.median(samples[-3:])
    return WarmUp(max(1, math.ceil(method.seconds / typical)), settled)


def rounds(
    contenders: Mapping[str, Contender],
    calls: Mapping[str, int],
    method: Method,
    tell: Callable[[], None] = lambda: None,
    rest: float = 0.0,
) -> dict[str, list[float]]:
    """The samples of each contender, seconds per call, a round each; `tell` after every sample.

    rest: seconds before every sample.
    """
    names = list(contenders)
    samples: dict[str, list[float]] = {name: [] for name in names}
    with _no_garbage_collection():
        for number in range(method.rounds):
            for name in _rotated(names, number):
                if rest > 0:
                    time.sleep(rest)
                samples[name].append(_sample(contenders[name], calls[name], method.seconds))
                tell()
    return samples


def _sample(contender: Contender, calls: int, least: float) -> float:
    """Seconds per call over at least so many calls and so many seconds."""
    contender.reset()
    seconds, done = 0.0, 0
    while seconds < least:
        seconds += contender.run(calls)
        done += calls
        calls = max(1, math.ceil(calls * (least / seconds - 1))) if seconds < least else calls
    return seconds / done


def _settled(samples: Sequence[float], stable: float) -> bool:
    """Whether three samples lie within a share of their median."""
    if len(samples) < 3:
        return False
    middle = statistics.median(samples)
    return all(abs(sample - middle) <= stable * middle for sample in samples)


def _rotated(names: Sequence[str], by: int) -> list[str]:
    first = by % len(names) if names else 0
    return [*names[first:], *names[:first]]


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collects first, then not again before the block has ended."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
