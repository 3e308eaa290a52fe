"""Processes of their own for what is measured: `worker`, from the side that asks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from ..progress import Progress
from ..search_path import with_loopbp
from . import machine


class BrokenDownError(Exception):
    """A process that was to measure something ended before it had."""


def answers(
    job: dict[str, Any],
    tell: Callable[[str, Any], None],
    variables: dict[str, str] | None = None,
) -> Iterator[tuple[str, Any]]:
    """What a worker answers to a job, line by line; `tell` hears it too."""
    environment = with_loopbp(machine.environment(job["threads"])) | (variables or {})
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        worker = subprocess.Popen(
            [sys.executable, "-m", "loopbp.benchmark.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        assert worker.stdin is not None and worker.stdout is not None
        try:
            with worker.stdin as stdin:
                json.dump(job, stdin)
            for line in worker.stdout:
                ((kind, value),) = json.loads(line).items()
                tell(kind, value)
                yield kind, value
            code = worker.wait()
        finally:
            worker.kill()
            worker.wait()
            worker.stdout.close()
        if code:
            said.seek(0)
            last = said.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise BrokenDownError(f"a measuring process ended with code {code}: {last[0]}")


def count(total: int, report: Callable[[Progress], None]) -> Callable[[str, Any], None]:
    """A `tell` for `answers` that reports how far the task is, of `total` units of work.

    "doing" names what is being done, "tell" counts the units just done.
    """
    state = Progress("starting", 0, total)

    def tell(kind: str, value: Any) -> None:
        nonlocal state
        if kind == "doing":
            state = state._replace(task=value)
        elif kind == "tell":
            state = state._replace(done=state.done + value)
        report(state)

    return tell
