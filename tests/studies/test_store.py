"""Pieces on disk: the same bits, whole or not at all, and never anybody else's."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopbp.studies import store
from loopbp.studies.store import DamagedError, Store


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_keep_their_bits(values: list[float]) -> None:
    again = store.decode(store.encode([{"v": v, "n": None} for v in values]))
    packed = [struct.pack("d", row["v"]) for row in again]
    assert packed == [struct.pack("d", v) for v in values]
    assert all(row["n"] is None for row in again)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_json_lacks_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        store.encode([{"v": value}])


def test_a_row_without_a_column_is_refused() -> None:
    with pytest.raises(KeyError):
        store.encode([{"a": 1, "b": 2}, {"a": 1}])


def identity(**changes: Any) -> dict[str, Any]:
    return {
        "study": "squares",
        "version": 1,
        "parameters": {"k": 2, "data": "digits", "digest": "00ff"},
        "made_by": {"loopbp": "0.1", "sources": "ab", "numpy": "2"},
        **changes,
    }


ROWS = [{"x": 0.1, "n": 3}, {"x": 1e-320, "n": 4}]


def test_written_and_read(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    assert kept.read(identity()) is None
    kept.write(identity(), store.encode(ROWS))
    assert Store(tmp_path).read(identity()) == ROWS
    assert (tmp_path / "pieces" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "other",
    [
        identity(study="cubes"),
        identity(version=2),
        identity(parameters={"k": 3, "data": "digits", "digest": "00ff"}),
        identity(parameters={"k": 2, "data": "digits", "digest": "00fe"}),
        identity(parameters={"k": 2.0, "data": "digits", "digest": "00ff"}),
        identity(made_by={"loopbp": "0.2", "sources": "ab", "numpy": "2"}),
        identity(made_by={"loopbp": "0.1", "sources": "ac", "numpy": "2"}),
        identity(made_by={"loopbp": "0.1", "sources": "ab", "numpy": "3"}),
    ],
)
def test_a_piece_is_read_under_its_own_identity_only(tmp_path: Path, other: Any) -> None:
    kept = Store(tmp_path)
    kept.write(identity(), store.encode(ROWS))
    assert kept.read(other) is None
    path, wrong = kept.path(identity()), kept.path(other)
    assert path is not None and wrong is not None
    path.rename(wrong)  # under a wrong name it is not taken either
    with pytest.raises(DamagedError):
        kept.read(other)


def test_the_order_of_the_parameters_does_not_matter(tmp_path: Path) -> None:
    kept = Store(tmp_path)
    kept.write(identity(), store.encode(ROWS))
    parameters = {"digest": "00ff", "k": 2, "data": "digits"}
    assert kept.read(identity(parameters=parameters)) == ROWS


def damages() -> dict[str, Any]:
    """What can have happened to the text of a file."""
    return {
        "empty": lambda text: "",
        "cut": lambda text: text[: len(text) // 2],
        "last brace": lambda text: text.rstrip()[:-1],
        "a digit": lambda text: text.replace("0.1", "0.2"),
        "no rows": lambda text: json.dumps({**json.loads(text), "rows": "{}"}),
        "not an object": lambda text: "[1, 2]",
        "null": lambda text: "null",
        "binary": lambda text: "\0\ud800".encode("utf-8", "surrogatepass"),
    }


@pytest.mark.parametrize("name", damages())
def test_damage_is_noticed(tmp_path: Path, name: str) -> None:
    kept = Store(tmp_path)
    kept.write(identity(), store.encode(ROWS))
    path = kept.path(identity())
    assert path is not None
    broken = damages()[name](path.read_text())
    path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    with pytest.raises(DamagedError, match=path.name):
        kept.read(identity())


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    kept = Store(None)
    kept.write(identity(), store.encode(ROWS))
    assert kept.read(identity()) is None
    assert list(tmp_path.iterdir()) == []


def test_the_text_of_the_package_is_part_of_what_made_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy of the package, a changed line anywhere gives other pieces."""
    for name in ("studies/store.py", "kernels/loops.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(store, "__file__", str(tmp_path / "studies" / "store.py"))
    before = store._sources()
    assert store._sources() == before
    (tmp_path / "kernels" / "loops.py").write_text("x = 2\n")
    changed = store._sources()
    (tmp_path / "kernels" / "loops.py").rename(tmp_path / "kernels" / "others.py")
    assert len({before, changed, store._sources()}) == 3
