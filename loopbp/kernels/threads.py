"""How many threads the compiled loops are divided among: Numba's own setting."""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numba

#: How OpenMP's threads wait: asleep, but only after so many rounds of a loop, some 30 µs. That is
#: time enough for the other half of a step, and threads that are woken start 15 to 60 µs late.
_WAITING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}


def most() -> int:
    """The most threads of this process: NUMBA_NUM_THREADS when Numba was imported."""
    number: int = numba.config.NUMBA_NUM_THREADS
    return number


def present() -> int:
    """How many threads compiled loops use now: `numba.set_num_threads`, or `most()`.

    1 in a process that was forked from one in which Numba's threads had been started: they do not
    live on in it, and starting them again would end it.
    """
    if _forked:
        return 1
    _start()
    number: int = numba.get_num_threads()
    return number


def _after_fork() -> None:
    global _forked
    _forked = _forked or layer() is not None


_forked = False
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _start() -> None:
    """Starts Numba's threads, such that they soon sleep while they wait for work or one another.

    By default GNU OpenMP lets them spin for milliseconds. Where another process wants the cores, a
    thread spins away the time that the one it waits for would need: two threads are then five times
    slower than one, or worse. The settings are read once, when the library is loaded: they stay as
    they are where somebody has made one, or has started Numba's threads before.
    """
    if any(name in os.environ for name in _WAITING):
        numba.get_num_threads()
        return
    os.environ.update(_WAITING)
    try:
        numba.get_num_threads()
    finally:
        for name in _WAITING:
            del os.environ[name]


def layer() -> str | None:
    """Numba's threading layer, such as omp; None before anything has run on several threads."""
    try:
        name: str = numba.threading_layer()
    except ValueError:
        return None
    return name


@contextmanager
def limited_to(threads: int) -> Iterator[None]:
    """Within the block, compiled loops of this thread use so many threads, from 1 to `most()`."""
    before = present()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)
