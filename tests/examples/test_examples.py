"""The worked examples: every row is there, runs, is checked, and notices a wrong number."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from typer.testing import CliRunner

from loopbp import examples
from loopbp.cli import app, terminal
from loopbp.examples import EXAMPLES, ExampleFailedError, composite, graphs, registry
from loopbp.examples.result import Result
from loopbp.network import Network

ROOT = Path(__file__).parents[2]
ROWS = [f"{part}{k}" for part, last in zip("ABCDE", (5, 7, 4, 6, 2), strict=True)
        for k in range(1, last + 1)]  # fmt: skip
FIGURES = {
    "A3": "three-levers.png",
    "A5": "two-walks.png",
    "B1": "apple.svg",
    "B3": "gates.svg",
    "D1": "toy-composite.svg",
    "D5": "memory.png",
    "D6": "seeds.png",
    "E1": "learning-rate.png",
}

#: Trainings, or a batch of hundreds of images: minutes where nothing is compiled.
SLOW = {"A1", "A2", "A3", "B6", "D4", "D6"}
NOT_COMPILED = bool(numba.config.DISABLE_JIT)


def rows(wanted: list[str]) -> list[object]:
    """The rows as parameters; the slow ones are skipped where nothing is compiled."""
    slow = pytest.mark.skipif(NOT_COMPILED, reason="too much work for loops that are not compiled")
    return [pytest.param(row, marks=slow if row in SLOW else (), id=row) for row in wanted]


@pytest.fixture(autouse=True)
def shipped_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPBP_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `loopbp example …`."""
    run = CliRunner().invoke(app, ["example", *arguments])
    return run.exit_code, run.output


def test_every_row_is_there_once() -> None:
    assert [example.row for example in EXAMPLES] == ROWS
    assert len({example.name for example in EXAMPLES}) == len(ROWS) == 24


@pytest.mark.parametrize("row", rows(ROWS))
def test_example(row: str) -> None:
    """Runs, its checks pass, it is wide enough for a terminal, and it comes out the same again."""
    result = examples.run(row)
    assert result.passed and len(result.checks) >= 3
    assert all(str(check).startswith("ok ") for check in result.checks)
    assert max(map(len, result.text.splitlines())) <= 80
    assert "Beware: " in result.text
    assert list(result.figures) == ([FIGURES[row]] if row in FIGURES else [])
    assert examples.run(row).text == result.text


@pytest.mark.parametrize("row", rows(list(FIGURES)))
def test_figures(row: str, tmp_path: Path) -> None:
    result = examples.run(row)
    (path,) = result.write(tmp_path / "new" / "folder")
    content = path.read_bytes()
    assert path.name == FIGURES[row]
    assert len(content) > 2000
    assert content.startswith(b"<svg" if path.suffix == ".svg" else b"\x89PNG")
    assert result.write(tmp_path)[0].read_bytes() == content


def test_a_name_and_its_row_are_the_same() -> None:
    assert examples.run("apple").text == examples.run("B1").text == examples.run("b1").text


def test_the_apple_says_what_it_computes() -> None:
    text = examples.run("apple").text
    for number in ("∂L/∂x: 2.2\n", "∂L/∂m: 110\n", "∂L/∂t: 200\n", "∂L/∂t with y = 200: 4000\n"):
        assert number in text


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match=r"two-paths.*did you mean 'apple'\?"):
        examples.run("aple")
    with pytest.raises(ValueError, match="expected one of digits, mnist"):
        examples.run("apple", data="letters")
    with pytest.raises(TypeError, match="example: expected one of"):
        examples.run(3)  # type: ignore[arg-type]


# A number that is wrong


def wrong_apple(result: Result, options: object) -> None:
    result.check("∂L/∂t", 1.1, 200)
    result.check("∂L/∂f", 1, 1)


def test_a_wrong_number_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = registry.Example("apple", "B1", "wrong", wrong_apple)  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "find", lambda name: broken)
    with pytest.raises(ExampleFailedError, match=r"∂L/∂t: expected 200; got 1\.1") as failure:
        examples.run("apple")
    assert [check.passed for check in failure.value.result.checks] == [False, True]
    code, output = command("apple")
    assert code == 1
    assert "1 of 2 checks failed:\n  WRONG  ∂L/∂t: expected 200; got 1.1" in output
    assert "Error: apple: a number is not what it has to be" in output


def test_an_example_without_checks_fails() -> None:
    assert not Result("empty", "B1", "nothing").passed


@pytest.mark.parametrize(
    ("got", "expected", "passed"),
    [
        (1 + 1e-13, 1, True),
        (1 + 1e-11, 1, False),
        (float("nan"), float("nan"), False),
        ([1, 2], [1, 2], True),
        ([1, 2], [[1, 2]], False),
        ([1, 2], 1, False),
        (0.0, 0, True),
        (1e-300, 0, False),
    ],
)
def test_check(got: object, expected: object, passed: bool) -> None:
    result = Result("name", "B1", "title")
    result.check("number", got, expected)
    assert result.passed is passed


def test_same_bits_means_same_bits() -> None:
    result = Result("name", "B1", "title")
    result.check("one bit", np.nextafter(1, 2), 1, rtol=0)
    assert not result.passed


def test_a_wrong_gradient_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """δ of the last layer with the wrong sign, as in a loss whose derivative lost its minus."""
    right = Network.backprop

    def wrong(net, *arguments, **options):
        trace = right(net, *arguments, **options)
        for gradient in trace.grad:
            gradient *= -1
        return trace

    monkeypatch.setattr(Network, "backprop", wrong)
    for row in ("B4", "B5", "B7", "C3", "D1", "D2", "E2"):
        assert not examples.run(row, check=False).passed, row


def test_a_graph_that_confuses_its_gates_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = graphs._apple

    def wrong(y: float = 219):
        nodes = right(y)
        nodes["x"], nodes["m"] = nodes["m"], nodes["x"]
        return nodes

    monkeypatch.setattr(graphs, "_apple", wrong)
    assert not examples.run("apple", check=False).passed
    assert not examples.run("one-step", check=False).passed


def test_the_toy_model_notices_a_lost_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(composite.BACKWARD, "f2", -composite.BACKWARD["f2"])
    wrong = [check for check in examples.run("D1", check=False).checks if not check.passed]
    assert [check.what for check in wrong] == ["modules backward", "∂ℓ/∂β"]


# The command


def test_list() -> None:
    code, output = command()
    assert code == 0
    assert re.findall(r"^  ([A-E]\d)  \S+  +\S", output, re.MULTILINE) == ROWS
    assert max(map(len, output.splitlines())) <= 80


def test_command(tmp_path: Path) -> None:
    code, output = command("apple", "--out", str(tmp_path))
    assert code == 0
    assert "│" in output and "ok     ∂L/∂t: 200" in output
    assert (tmp_path / "apple.svg").read_text().startswith("<svg")
    assert command("one-step", "--out", str(tmp_path))[1].endswith("nothing was written.\n")
    assert max(map(len, command("apple")[1].splitlines())) <= 80


def test_command_with_an_unknown_name() -> None:
    code, output = command("aple")
    assert code == 2
    assert "did you mean 'apple'?" in " ".join(output.split())


def test_mnist_without_its_folder() -> None:
    code, output = command("digit-cost", "--data", "mnist")
    assert code == 2
    assert "LOOPBP_DATA" in output


class Ascii:
    """As much of a stream as `printable` looks at."""

    encoding = "ascii"


@pytest.mark.parametrize("row", rows(ROWS))
def test_every_character_can_be_spelled(row: str) -> None:
    text = examples.run(row).text
    assert "?" not in terminal.printable(text, Ascii())  # type: ignore[arg-type]


def test_a_terminal_without_greek_letters() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "loopbp", "example", "apple"],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)},
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.isascii()
    assert b"dL/dt = dL/df" in run.stdout and b"?" not in run.stdout
