"""Progress of anything that takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

#: Seconds before a bar appears by itself.
PATIENCE = 2.0


class Progress(NamedTuple):
    """How far a task is: `done` of `total` units of work."""

    task: str
    done: int
    total: int


@contextmanager
def reporter(
    progress: Callable[[Progress], None] | bool | None, task: str, total: int
) -> Iterator[Callable[[int], None]]:
    """Gives a function to be called with the units of work just done.

    progress: a callable, called with a `Progress`; None or True: a bar on standard error, if that
    is a terminal, after `PATIENCE` seconds; False: nothing. Raises `TypeError` for anything else.
    """
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress: expected a callable, True or False; got {progress!r}")
    state = Progress(task, 0, total)
    bar: Any = None
    started = time.monotonic()

    def tell(units: int) -> None:
        nonlocal state, bar
        state = state._replace(done=state.done + units)
        if callable(progress):
            progress(state)
            return
        if progress is False or not sys.stderr.isatty():
            return
        if bar is None and time.monotonic() - started > PATIENCE:
            bar = _bar(task, total)
        if bar is not None:
            bar.update(bar.task_ids[0], completed=state.done)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.stop()


def _bar(task: str, total: int) -> Any:
    """A running rich progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(task, total=total)
    bar.start()
    return bar
