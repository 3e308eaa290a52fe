"""The examples in docstrings, and in the README, give what they say."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"

#: The modules with examples, and the library that they need.
MODULES = {
    "interop.coefs": None,
    "interop.onnx": "onnx",
    "interop.torch": "torch",
    "interop.trees": None,
    "verification.comparison": None,
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name: str) -> None:
    library = MODULES[name]
    if library is not None:
        pytest.importorskip(library, reason=f"needs {library}: pip install loopbp[{library}]")
    result = doctest.testmod(importlib.import_module(f"loopbp.{name}"))
    assert result.attempted > 0 and result.failed == 0


def test_the_readme_s_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install loopbp[torch]")
    text = README.read_text(encoding="utf-8")
    block = re.search(r"## Your own model.*?```python\n(.*?)```", text, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    names = {
        "model": torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)),
        "X": torch.randn(20, 4, generator=generator),
        "Y": torch.randint(0, 3, (20,), generator=generator),
    }
    exec(compile(block.group(1), "README.md", "exec"), names)
    assert names["net"].sizes == (4, 8, 3)
