"""The command `loopbp`, run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopbp.cli import app

COMMAND = [sys.executable, "-m", "loopbp"]
ROOT = Path(__file__).parents[2]

#: Loops that are not compiled warn of the overflow that these tests bring about.
overflows = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NOT_COMPILED = os.environ.get("NUMBA_DISABLE_JIT") == "1"

needs_compiled_loops = pytest.mark.skipif(
    NOT_COMPILED,
    reason="fifty epochs on the digits take hours where nothing is compiled",
)


def run(*arguments: object, code: int = 0) -> Any:
    """The command in this process; its exit code must be `code`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="loopbp")
    unexpected = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not unexpected, result.exception
    assert result.exit_code == code, result.output
    return result


def spawn(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
    )


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
