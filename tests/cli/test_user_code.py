"""What somebody's own module raises, told in one message with its place."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopbp.cli import app

torch = pytest.importorskip("torch", reason="needs torch: pip install loopbp[torch]")

MODULE = """\
import torch
from torch import nn
model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
def making():
    return {}["nothing"]
def mismatched(outputs, targets):
    return nn.functional.mse_loss(outputs, torch.zeros(5, 1))
def missing(outputs, targets):
    weight = 2
    return (outputs - targets.nothing) * weight
class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
    def forward(self, x):
        return self.layer(x[:, :1])
narrow = Narrow()
library = nn.CosineEmbeddingLoss()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.py").write_text(MODULE)
    (tmp_path / "unfinished.py").write_text("model = (\n")
    ending = "import sys, torch\nmodel = torch.nn.Linear(2, 1)\nsys.exit()\n"
    (tmp_path / "ending.py").write_text(ending)
    (tmp_path / "early.py").write_text("import torch\n\nmodel = nothing\n")
    (tmp_path / "data.csv").write_text("a,b,y\n0.5,1,0.1\n-1,2,0.7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--data", "data.csv", "--loss", "mse"])


RAISING: list[tuple[str, str]] = [
    ("theirs.py:making", "theirs.py, line 5, in making: KeyError: 'nothing'"),
    ("theirs.py:model --criterion missing", "theirs.py, line 10, in missing: AttributeError: 'Te"),
    ("theirs.py:model --criterion mismatched", "theirs.py, line 7, in mismatched: "),
    ("theirs.py:model --criterion library", "MODULE:OBJECT: TypeError: "),
    (
        "theirs.py:narrow --criterion missing --output identity",
        "theirs.py, line 16, in forward: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    ("unfinished.py:model", "MODULE:OBJECT: SyntaxError: '(' was never closed (unfinished.py"),
    (
        "theirs.py:model --criterion theirs:missing",
        "criterion: expected a name in theirs; got 'theirs:missing'",
    ),
    ("ending.py:model", "MODULE:OBJECT: the module ended the program (sys.exit(None)); keep that"),
    ("early.py:model", "early.py, line 3, in <module>: NameError: name 'nothing' is not defined"),
]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("arguments", "message"), RAISING)
def test_the_line_of_theirs_is_named(arguments: str, message: str) -> None:
    result = command("verify", *arguments.split())
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_debug_keeps_what_they_raised() -> None:
    result = command("--debug", "verify", "theirs.py:making")
    assert result.exception is not None
    assert "KeyError" in "".join(traceback.format_exception(result.exception))


def test_what_this_project_refuses_stays_its_own_message() -> None:
    result = command("verify", "theirs.py:model", "--engine", "none")
    assert result.stderr.startswith("Error: engine: expected one of")
