"""What the tests of kernels and engines share; beside it lie `problems` and `by_definition`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest
from problems import DTYPES, EXACT

from loopbp.kernels.compile import bind, uncompiled


@pytest.fixture(params=DTYPES)
def number(request: pytest.FixtureRequest) -> Any:
    """np.float32 or np.float64."""
    return np.dtype(request.param).type


@pytest.fixture(params=EXACT)
def exact(request: pytest.FixtureRequest) -> str:
    """The name of every exact engine."""
    return str(request.param)


@pytest.fixture(params=["compiled", "python"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a kernel, `call(loops, *arrays, g=…)`: compiled, and as plain Python."""

    def run(loops: Any, *arrays: Any, g: Callable[..., Any] | None = None) -> Any:
        if request.param == "python":
            loops = uncompiled(loops)
        with np.errstate(all="ignore"):
            return (bind(loops, g) if g else loops)(*arrays)

    return run


@pytest.fixture
def loops_as_quiet_as_compiled() -> Iterator[None]:
    """With NUMBA_DISABLE_JIT=1 kernels are plain Python, which warns where numbers overflow."""
    with np.errstate(all="ignore" if numba.config.DISABLE_JIT else None):
        yield
