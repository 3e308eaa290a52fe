"""The second process of a first run compiles what the first one then finds on disk, or is gone."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numba
import pytest

from loopbp.cli import ahead
from loopbp.kernels import cache

compiled = pytest.mark.skipif(bool(vars(numba.config)["DISABLE_JIT"]), reason="nothing is compiled")

_LOADED = """
import numpy
from loopbp.kernels import observation, plan
plan.compile_statistics(numpy.dtype("float32"))
print(sum(observation.observe.stats.cache_hits.values()))
"""


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The processes that are started, on an empty cache and two cores."""
    started: list[Any] = []

    def start(*arguments: Any, **options: Any) -> Any:
        started.append(subprocess.Popen(*arguments, **options))
        return started[-1]

    monkeypatch.setenv("LOOPBP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(ahead, "subprocess", _Subprocess(start))
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    return started


class _Subprocess:
    """The module `subprocess`, with another Popen."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self, popen: Any) -> None:
        self.Popen = popen


@compiled
def test_the_statistics_are_found_on_disk(children: list[Any]) -> None:
    assert cache.is_empty()
    with ahead.statistics_compiled_ahead("auto", "float32"):
        children[0].wait(120)
    assert children[0].returncode == 0
    assert not cache.is_empty()
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
    with ahead.statistics_compiled_ahead("auto", "float32"):
        assert len(children) == 1  # something is kept now


@compiled
def test_nobody_waits_for_it(children: list[Any]) -> None:
    started = time.perf_counter()
    with (
        pytest.raises(KeyboardInterrupt),
        ahead.statistics_compiled_ahead("tiled", "float64"),
    ):
        raise KeyboardInterrupt
    assert time.perf_counter() - started < 5
    assert children[0].returncode is not None


@pytest.mark.parametrize("engine", ["textbook", "python", "numpy"])
def test_other_engines_need_none(children: list[Any], engine: str) -> None:
    with ahead.statistics_compiled_ahead(engine, "float64"):
        assert not children


def test_none_without_a_cache_or_a_second_core(
    children: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with ahead.statistics_compiled_ahead("auto", "float64"):
        assert not children
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setenv("LOOPBP_CACHE_DIR", "off")
    with ahead.statistics_compiled_ahead("auto", "float64"):
        assert not children
