"""What the README quotes is what is there."""

import inspect
import re
from pathlib import Path

import pytest

import loopbp.kernels.textbook as textbook
from loopbp.kernels.compile import uncompiled

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text(encoding="utf-8")


def test_the_quoted_kernel_is_the_kernel(readme: str) -> None:
    quoted = re.search(r"<!-- from \S+: hidden_delta -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert quoted is not None
    assert quoted.group(1) == inspect.getsource(uncompiled(textbook.hidden_delta))


def test_every_linked_file_exists(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme)
    assert len(links) >= 5
    missing = [link for link in links if not (README.parent / link).exists()]
    assert missing == []


def test_the_python_example_runs(readme: str, tmp_path: Path, monkeypatch) -> None:
    import numpy as np

    block = re.search(r"## From Python.*?```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    X, held_out = random.standard_normal((30, 4)), random.standard_normal((9, 4))
    names = {
        "X": X,
        "Y": random.integers(0, 3, 30),
        "X_held_out": held_out,
        "Y_held_out": random.integers(0, 3, 9),
    }
    exec(compile(block.group(1), "README.md", "exec"), names)
    assert len(names["history"].frame) == 20
    assert (tmp_path / "my-report" / "report.html").stat().st_size > 1000
    assert names["net"].sizes == (4, 8, 3)


def test_the_scikit_learn_example_runs(readme: str) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    block = re.search(r"## In scikit-learn.*?```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    random = np.random.default_rng(0)
    X, y = random.standard_normal((8, 3)), np.arange(8) % 2
    names = {"make_pipeline": make_pipeline, "StandardScaler": StandardScaler}
    names |= {"X_train": X, "y_train": y, "X_test": X, "y_test": y}
    # as it stands, but for a network and a run of a size for loops that are not compiled
    example = block.group(1).replace("(100,)", "(3,), max_iter=2")
    with pytest.warns(UserWarning, match="max_iter: 2 epochs are done"):
        exec(compile(example, "README.md", "exec"), names)
    assert names["model"][-1].gradient_report_.examples == 8


def test_the_graph_example_gives_the_numbers_beside_it(readme: str) -> None:
    block = re.search(r"## Computational graphs.*?```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    names: dict[str, object] = {}
    exec(compile(block.group(1), "README.md", "exec"), names)
    grads = [names[name].grad for name in ("x", "m", "t")]  # type: ignore[attr-defined]
    # ∂L/∂f = f − y = 1 up to the rounding of 1.1 · 200, so about 1e-12 of each.
    assert grads == pytest.approx([2.2, 110, 200], rel=1e-12)


def test_the_lines_on_single_examples_run(readme: str) -> None:
    import numpy as np

    import loopbp

    block = re.search(r"## Single examples.*?```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    random = np.random.default_rng(0)
    X, Y = random.random((9, 4)), random.integers(0, 3, 9)
    names = {"loopbp": loopbp, "net": loopbp.Network([4, 5, 3]), "X": X, "Y": Y}
    exec(compile(block.group(1), "README.md", "exec"), names)
    assert isinstance(names["found"], loopbp.Sensitivity)
