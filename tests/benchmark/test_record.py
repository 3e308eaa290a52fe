"""The record: written and read back, compared, and as tables and pictures."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmark.samples import MACHINE, absent, cell, entry, record

from loopbp.benchmark import compare, machine, plot, statistics, table
from loopbp.benchmark.record import Record, read, write

OURS = [0.040, 0.041, 0.042, 0.040, 0.041, 0.042, 0.040, 0.041, 0.042, 0.041]
SLOWER = [2 * seconds for seconds in OURS]
FASTER = [seconds / 2 for seconds in OURS]


@pytest.fixture
def full() -> Record:
    """Two cells: one peer slower, one faster, one absent."""
    return record(
        cell(
            entry("ours", OURS),
            entry("numpy", SLOWER, "bb"),
            entry("torch", FASTER, "cc"),
            absent("jax", "not installed (No module named 'jax')"),
        ),
        cell(entry("ours", OURS), entry("numpy", OURS, "bb"), task="forward", dtype="float64"),
    )


def test_what_is_written_is_read_back(full: Record, tmp_path: Path) -> None:
    write(tmp_path / "a.json", full)
    assert read(tmp_path / "a.json") == full
    document = json.loads((tmp_path / "a.json").read_text())
    assert (document["format"], document["version"]) == ("loopbp benchmark", 1)
    assert document["cells"][0]["entries"][0]["samples"] == OURS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=2), "expected version 1 of the record; got 2"),
        (lambda d: d.update(format="other"), "not a benchmark record"),
        (lambda d: d.pop("machine"), "missing field 'machine'"),
        (lambda d: d.update(extra=1), "unknown field 'extra'"),
        (lambda d: d["machine"].update(cores="2"), r"machine.cores: expected int; got str"),
        (lambda d: d["machine"].update(cores=True), r"machine.cores: expected int; got bool"),
        (
            lambda d: d["cells"][0]["entries"][1]["samples"].__setitem__(3, float("nan")),
            r"cells\[0\].entries\[1\].samples\[3\]: expected a finite number",
        ),
    ],
)
def test_another_document_is_refused(
    full: Record, tmp_path: Path, change: Any, message: str
) -> None:
    path = tmp_path / "a.json"
    write(path, full)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        read(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"a.json: not a benchmark record"):
        read(path)


def test_a_later_run_that_takes_half_as_long_is_faster() -> None:
    a = record(cell(entry("ours", OURS), entry("numpy", OURS, "bb")))
    b = record(cell(entry("ours", FASTER), entry("numpy", SLOWER, "dd")))
    ours, numpy = compare.compare(a, b)
    assert ours.change.value == pytest.approx(0.5)
    assert ours.same_bits and not numpy.same_bits
    rows = compare.table([ours, numpy], "a", "b").rows
    assert [row[8] for row in rows] == [statistics.FASTER, statistics.SLOWER]
    assert rows[0][5:7] == ("41.0 ms", "20.5 ms")


def test_two_machines_are_not_compared_without_being_told_to() -> None:
    a = record(cell(entry("ours", OURS)))
    b = replace(a, machine=replace(MACHINE, features=("avx2", "avx512f", "fma")))
    with pytest.raises(ValueError, match=r"two machines \(features: \[\] and \['avx512f'\]\)"):
        compare.compare(a, b)
    (difference,) = compare.compare(a, b, across_machines=True)
    assert difference.change.value == 1.0


def test_what_only_one_run_has_is_not_compared() -> None:
    a = record(cell(entry("ours", OURS), absent("jax", "not installed")))
    b = record(cell(entry("ours", OURS), entry("jax", OURS), entry("torch", OURS)))
    ours, jax = compare.compare(a, b)
    assert (ours.name, jax.name) == ("ours", "jax")
    assert jax.change.verdict == statistics.NOT_COMPUTED
    assert jax.change.reason == "absent: not installed"
    other = record(cell(entry("ours", OURS), threads=2))
    with pytest.raises(ValueError, match="in common"):
        compare.compare(a, other)


def test_the_page_says_what_was_found(full: Record) -> None:
    page = table.markdown(replace(full, failures=("784-30-10: code -9",)), ["epoch.png"])
    for line in (
        "| 64-32-10 | 32 | 41.0 ms (1.50 ms) | 2.00 [2.00, 2.00] | 0.50 [0.50, 0.50] | absent |",
        "- ours against numpy, 2 cells: faster in 1, slower in 0, no difference shown in 1.",
        "- Slower: 64-32-10, one epoch of SGD, float32, 1 thread: torch takes 0.50 [0.50, 0.50] "
        "of the time.",
        "- Not computed: jax (64-32-10, one epoch of SGD, float32, 1 thread): absent: not "
        "installed (No module named 'jax').",
        "- No start: jax: not installed.",
        "- Broke down: 784-30-10: code -9.",
        "![](epoch.png)",
        "| ours | 300 ms | 100 ms | 2.50 s | 50.0 ms | 40.0 ms |",
        "- commit (none yet), with changes that are not committed",
    ):
        assert line in page
    assert "significant" not in page and "not complete" not in page
    assert "not complete" in table.markdown(replace(full, complete=False), [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.345, "12.3 s"),
        (1.0, "1.00 s"),
        (0.0999, "99.9 ms"),
        (123.4, "123 s"),
        (3.4e-5, "34.0 µs"),
    ],
)
def test_times_have_three_digits(value: float, text: str) -> None:
    assert table.seconds(value) == text


def test_the_picture(full: Record) -> None:
    """A PNG of the width that the panels ask for, at 160 dots per inch."""
    data = plot.save(plot.draw(full, "epoch"))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, _ = struct.unpack(">II", data[16:24])
    assert width == round(160 * (1.85 + 3.6 + 0.25))


def test_git_state(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert machine.git(tmp_path) is None
    git("init")
    assert machine.git(tmp_path) == machine.Git(None, False)
    (tmp_path / "a").touch()
    git("add", "a")
    assert machine.git(tmp_path) == machine.Git(None, True)
    git("commit", "-m", "a")
    clean = machine.git(tmp_path)
    assert clean is not None and len(clean.commit or "") == 40 and not clean.dirty
