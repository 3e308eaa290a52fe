"""The first run compiles for many seconds: a part of that in a second process, at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from loopbp.engines import ENGINES
from loopbp.kernels import cache
from loopbp.search_path import with_loopbp

_PROGRAM = """
import sys
import numpy
from loopbp.kernels import plan
plan.compile_statistics(numpy.dtype(sys.argv[1]))
"""


@contextmanager
def statistics_compiled_ahead(engine: str, dtype: str) -> Iterator[None]:
    """Within the block, another process compiles the loops of the statistics and keeps them.

    The loops of the steps are compiled here meanwhile; those of the statistics come last and are
    then found on disk. Only where nothing has been kept yet, and there are two cores.
    """
    is_tiled = ENGINES[engine] is ENGINES["tiled"]
    if not (is_tiled and cache.is_empty() and (os.cpu_count() or 1) > 1):
        yield
        return
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, dtype],
        env=with_loopbp(dict(os.environ)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        child.terminate()
        child.wait()
