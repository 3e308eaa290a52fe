"""Notes on a task or sizes that may have been meant otherwise, and none where they fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .command import run


def table_with(targets: list[object], folder: Path) -> str:
    """A table of two features with these values in its last column."""
    path = folder / "table.csv"
    rows = [f"{n / 7:.3f},{n % 5},{value}" for n, value in enumerate(targets)]
    path.write_text("\n".join(["a,b,y", *rows]) + "\n")
    return str(path)


def notes_of(*arguments: object) -> list[str]:
    """The notes that a short training prints, lines joined."""
    output = run("train", *arguments, "--epochs", 1).stdout
    found = re.findall(r"^note: .*(?:\n(?!note|epoch|network| ).+)*", output, re.MULTILINE)
    return [" ".join(note.split()) for note in found]


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        (list(range(10)), "the 10 different integers in the target of 10 examples are taken for"),
        ([n * 5 // 8 for n in range(354)], "the 221 different integers .* --task regression"),
        ([-n // 4 for n in range(40)], "the 11 different integers"),
        ([f"{n % 2}.0" for n in range(4)], "only 0, 1 and .* --task classification"),
        ([f"{n % 3 - 1}.0" for n in range(15)], "only -1, 0, 1 and"),
    ],
)
def test_a_target_that_looks_like_the_other_task(
    tmp_path: Path, targets: list[object], words: str
) -> None:
    table = table_with(targets, tmp_path)
    (note,) = notes_of("--data", table)
    assert re.search(words, note)
    advised = re.search(r"--task \w+", note)
    assert advised
    assert notes_of("--data", table, *advised[0].split()) == []


@pytest.mark.parametrize(
    "targets",
    [
        [n % 2 for n in range(4)],
        [n % 10 for n in range(50)],
        [f"word {n % 20}" for n in range(40)],
        [f"{n % 3}.5" for n in range(40)],
        [f"{n % 12}.0" for n in range(120)],
        [f"{n % 3}.0" for n in range(14)],
    ],
)
def test_a_target_that_is_what_it_looks_like(tmp_path: Path, targets: list[object]) -> None:
    assert notes_of("--data", table_with(targets, tmp_path)) == []


@pytest.mark.parametrize("sizes", ["2,3", "2,5,3", "2,5,4,3"])
def test_hidden_sizes_that_look_like_all_layers(flowers: str, sizes: str) -> None:
    (note,) = notes_of("--data", flowers, "--sizes", sizes)
    assert f"--sizes {sizes} are the hidden layers between 2 features and 3 outputs;" in note
    advised = sizes.replace(",", "-")
    assert note.endswith(f"--sizes {advised} means all layers")
    assert notes_of("--data", flowers, "--sizes", advised) == []


@pytest.mark.parametrize("sizes", ["2", "3", "5,3", "2,5", "12,5,3", "2,13", "2,5,33"])
def test_hidden_sizes_that_are_just_these(flowers: str, sizes: str) -> None:
    assert notes_of("--data", flowers, "--sizes", sizes) == []


def test_report_has_the_notes_too(flowers: str) -> None:
    output = run("report", "--data", flowers, "--sizes", "2,5,3", "--epochs", 1).stdout
    assert "note: --sizes 2,5,3 are the hidden layers" in " ".join(output.split())
