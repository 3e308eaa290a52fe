"""How many threads the compiled loops are divided among: Numba's own setting."""

from collections.abc import Iterator
from contextlib import contextmanager

import numba


def most() -> int:
    """The most threads of this process: NUMBA_NUM_THREADS when Numba was imported."""
    number: int = numba.config.NUMBA_NUM_THREADS
    return number


def present() -> int:
    """How many threads compiled loops use now: `numba.set_num_threads`, or `most()`."""
    number: int = numba.get_num_threads()
    return number


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
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)
