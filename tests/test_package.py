"""The package as a whole: what importing it costs, what it offers, which way imports run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loopbp

ROOT = Path(__file__).parent.parent


def loaded_by(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_is_light() -> None:
    assert not {"pandas", "matplotlib", "numba", "numpy"} & loaded_by("import loopbp")


def test_computing_needs_neither_frames_nor_plots() -> None:
    program = "import loopbp\nloopbp.Network([2, 3, 2]).backprop([[1, 2]], [0], engine='numpy')"
    modules = loaded_by(program)
    assert "loopbp.network" in modules
    assert not {"pandas", "matplotlib", "jinja2", "rich"} & modules


def test_every_public_name_is_there() -> None:
    names = set(loopbp.__all__)
    assert {"Network", "SGD", "Adam", "gradcheck", "gradient_report", "load"} <= names
    missing = [name for name in names if not hasattr(loopbp, name)]
    assert missing == []
    undocumented = [name for name in names if not getattr(loopbp, name).__doc__]
    assert undocumented == []


@pytest.mark.skipif(shutil.which("lint-imports") is None, reason="import-linter is not installed")
def test_imports_run_downward() -> None:
    run = subprocess.run(["lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
