"""The command `bench.py`: a whole small run in processes of their own, and how it fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmark.samples import MACHINE, cell, entry, record
from typer.testing import CliRunner

from loopbp.benchmark import machine, process, run
from loopbp.benchmark.record import Record, read, write
from loopbp.benchmark.timing import Method

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench.py"


@pytest.fixture(scope="module")
def bench() -> Any:
    """bench.py as a module."""
    spec = importlib.util.spec_from_file_location("bench", BENCH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(bench: Any, *arguments: object, code: int = 0) -> str:
    """The output of the command in this process; its exit code must be `code`."""
    result = CliRunner().invoke(bench.app, [str(a) for a in arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def test_a_run_in_processes_of_its_own(tmp_path: Path) -> None:
    """One thread is asked for and confirmed by NumPy's BLAS and Numba; every sample is kept."""
    words = "run -w 64-32-10 --task forward --peers numpy --threads 1 --out".split()
    done = subprocess.run(
        [sys.executable, BENCH, *words, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stderr
    assert "64-32-10" in done.stdout and "written" in done.stdout
    found = read(tmp_path / "benchmark.json")
    assert found.complete and found.machine == machine.machine()
    (only,) = found.cells
    assert only.key == ("64-32-10", "float32", 1, "forward")
    assert only.effective["numba"] == 1
    assert all(pool.endswith(" 1") for pool in only.effective.get("pools", []))
    ours, numpy = only.entries
    assert ours.digest == only.digest and len(ours.samples) == len(numpy.samples) == 10
    assert numpy.ratio is not None and numpy.ratio.value is not None
    assert {path.name for path in tmp_path.iterdir()} == {
        "benchmark.json",
        "benchmark.md",
        "forward.png",
    }


def test_a_process_that_breaks_down_says_why() -> None:
    with pytest.raises(process.BrokenDownError, match=r"ended with code 1: .*KeyError"):
        list(process.answers({"threads": 1}, lambda kind, value: None))


def test_the_plan() -> None:
    """8 networks, single gradients of two, a product; 2 dtypes, 2 numbers of threads."""
    from loopbp.benchmark.workloads import DTYPES, TASKS, WORKLOADS

    names = run.default_contenders(full=True)
    assert {"jax", "torch", "torch.compile", "sklearn", "numpy", "textbook"} <= set(names)
    assert {"torch.func", "torch.func.compile"} <= set(names)
    plan = run.Plan(tuple(WORKLOADS), tuple(TASKS), DTYPES, (1, 2), names, Method(), True)
    jobs = plan.jobs()
    assert len(jobs) == 9 * 2 * 2 and all(len(job.workloads) == 1 for job in jobs)
    assert sum(len(job.cells) for job in jobs) == (8 * 3 + 2 * 2 + 1) * 4
    assert jobs[-1].samples == 10 * 2  # a product on two threads: tiled and NumPy
    one_thread, two_threads = jobs[0], jobs[1]
    assert (one_thread.threads, two_threads.threads) == (1, 2)
    assert set(one_thread.contenders) - set(two_threads.contenders) == {"textbook"}


def test_a_run_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two cells one is there already, and only the other is measured; none twice."""
    plan = run.Plan(("64-32-10",), ("gradients", "forward"), ("float32",), (1,), ("tiled",),
                    Method(rounds=1, seconds=0.001), False)  # fmt: skip
    monkeypatch.setattr(machine, "git", lambda folder: machine.Git("abc", dirty=False))
    kept: list[Record] = []

    def go(plan: run.Plan, earlier: Record | None) -> Record:
        return run.run(plan, command="", folder=tmp_path, keep=kept.append,
                       report=lambda state: None, earlier=earlier)  # fmt: skip

    first = go(dataclasses.replace(plan, tasks=("forward",)), None)
    whole = go(plan, first)
    assert [cell.task for cell in whole.cells] == ["gradients", "forward"]
    again = go(plan, whole)
    assert again.cells == whole.cells
    assert len(kept) == 2 + 2 + 1
    with pytest.raises(ValueError, match="resume: expected a record with the method of now"):
        go(dataclasses.replace(plan, method=Method(rounds=2)), whole)
    stale = dataclasses.replace(whole, git=machine.Git("abd", dirty=False))
    with pytest.raises(ValueError, match="the git of now"):
        go(plan, stale)


def test_threads_are_told_to_every_library() -> None:
    variables = machine.environment(1)
    for name in ("NUMBA", "OMP", "OPENBLAS", "MKL"):
        assert variables[f"{name}_NUM_THREADS"] == "1"
    assert variables["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false"
    assert "XLA_FLAGS" not in machine.environment(2)


def test_no_library_is_told_which_kernels_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A BLAS that is held to old instructions would make a good opponent; caches may stay."""
    wrong = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "AVX512F"}
    for name, value in {**wrong, "NUMBA_CACHE_DIR": "here", "HOME": "there"}.items():
        monkeypatch.setenv(name, value)
    variables = machine.environment(2)
    assert not wrong.keys() & variables.keys() and wrong.items() <= machine.overrides().items()
    assert (variables["NUMBA_CACHE_DIR"], variables["HOME"]) == ("here", "there")
    assert variables["OPENBLAS_NUM_THREADS"] == "2"


def test_list(bench: Any) -> None:
    output = command(bench, "list")
    for name in ("784-1024-1024-1024-10", "64-[64]x20-10", "torch.compile", "sklearn"):
        assert name in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-w", "784-30"], "did you mean '784-30-10'?"),
        (["--peers", "jaxx"], "did you mean 'jax'?"),
        (["--dtype", "float16"], "dtype: expected one of float32, float64"),
        (["--threads", "many"], "threads: expected a number or all; got 'many'"),
        (["--threads", "0"], "threads: expected an integer from 1 to"),
        (["--rounds", "0"], "rounds: expected an integer ≥ 1"),
        (["-w", "64-32-10", "--task", "product"], "none of product belongs to 64-32-10"),
    ],
)
def test_errors_come_before_anything_is_measured(
    bench: Any, arguments: list[str], message: str, tmp_path: Path
) -> None:
    output = command(bench, "run", "--out", tmp_path / "new", *arguments, code=2)
    assert message in output and "Traceback" not in output
    assert not (tmp_path / "new").exists()


def test_compare(bench: Any, tmp_path: Path) -> None:
    times = [0.01 + 0.001 * (k % 3) for k in range(10)]
    a = record(cell(entry("ours", times)))
    b = record(cell(entry("ours", [t / 2 for t in times])))
    here, other = tmp_path / "a.json", tmp_path / "b.json"
    write(here, a)
    write(other, b)
    assert "0.50 [" in command(bench, "compare", here, other)
    machine_b = machine.Machine(**{**vars(MACHINE), "processor": "Another"})
    write(other, record(*b.cells, machine=machine_b))
    output = command(bench, "compare", here, other, code=2)
    assert "two machines" in output and "A processor and Another" in output
    assert "0.50 [" in command(bench, "compare", here, other, "--across-machines")
