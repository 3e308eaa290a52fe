"""The cache on disk by itself: its entries, its folder, and what they are told apart by."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import pytest

from loopbp.kernels import cache

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the entry b"content" under the key b"key"."""
    folder = tmp_path / f"kernels-{'0' * 32}"
    cache._write(folder, b"key", b"content")
    yield folder


def test_entry_is_read_under_its_own_key_only(folder: Path) -> None:
    assert cache._read(folder, b"key") == b"content"
    shutil.copy(cache._file(folder, b"key"), cache._file(folder, b"other"))
    assert cache._read(folder, b"other") is None
    with pytest.raises(FileNotFoundError):
        cache._read(folder, b"third")
    cache._write(folder, b"key", b"new")
    assert cache._read(folder, b"key") == b"new"


def test_any_changed_or_missing_byte_is_noticed(folder: Path) -> None:
    file = cache._file(folder, b"key")
    whole = file.read_bytes()
    assert len(whole) == 32 + len(b"content")
    for n in range(len(whole)):
        file.write_bytes(whole[:n])
        assert cache._read(folder, b"key") is None
        file.write_bytes(whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :])
        assert cache._read(folder, b"key") is None


def test_foreign_pickle_is_not_unpickled(folder: Path) -> None:
    cache._file(folder, b"key").write_bytes(pickle.dumps("anything"))
    assert cache._read(folder, b"key") is None


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_what_others_can_write_is_neither_read_nor_written(folder: Path, mode: int) -> None:
    file = cache._file(folder, b"key")
    folder.chmod(mode)
    assert cache._read(folder, b"key") is None
    cache._write(folder, b"second", b"content")
    assert not cache._file(folder, b"second").exists()
    folder.chmod(0o700)
    file.chmod(mode & 0o666)
    assert cache._read(folder, b"key") is None
    file.chmod(0o644)
    assert cache._read(folder, b"key") == b"content"


@posix
def test_what_belongs_to_somebody_else_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert cache._read(folder, b"key") is None


@posix
def test_new_entries_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / f"kernels-{'0' * 32}"
        cache._write(folder, b"key", b"content")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache._file(folder, b"key").stat().st_mode & 0o777 == 0o600


def test_failed_write_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        cache._write(folder, b"second", b"content")
    assert list(folder.iterdir()) == [cache._file(folder, b"key")]


def test_only_the_latest_used_versions_are_kept(tmp_path: Path) -> None:
    versions = [tmp_path / f"kernels-{age:032x}" for age in range(12)]
    cache._write(versions[11], b"key", b"content")
    for age, version in enumerate(versions):
        version.mkdir(exist_ok=True)
        os.utime(version, (1e9 - age, 1e9 - age))
    others = [tmp_path / "kernels-mine", tmp_path / "data", tmp_path / f"kernels-{'f' * 40}"]
    for other in others:
        other.mkdir()
    assert cache._read(versions[11], b"key") == b"content"  # the oldest is the latest used now
    new = tmp_path / f"kernels-{'e' * 32}"
    cache._write(new, b"key", b"content")
    left = {path for path in tmp_path.iterdir() if path not in others}
    assert left == {new, versions[11], *versions[: cache.KEPT_VERSIONS - 2]}
    assert all(other.exists() for other in others)


# ---------------------------------------------------------------- where the cache lies


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"LOOPBP_CACHE_DIR": "/chosen", "XDG_CACHE_HOME": "/xdg"}, "/chosen"),
        ("linux", {"LOOPBP_CACHE_DIR": ""}, None),
        ("linux", {"LOOPBP_CACHE_DIR": "off"}, None),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/loopbp"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "HOME/.cache/loopbp"),
        ("linux", {}, "HOME/.cache/loopbp"),
        ("darwin", {}, "HOME/Library/Caches/loopbp"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/loopbp"),
        ("win32", {}, None),
    ],
)
@posix
def test_cache_folder(
    platform: str,
    variables: dict[str, str],
    expected: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("LOOPBP_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = cache.cache_folder()
    assert (None if found is None else found.as_posix()) == (
        None if expected is None else expected.replace("HOME", tmp_path.as_posix())
    )


def test_no_cache_folder_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("LOOPBP_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    assert cache.cache_folder() is None
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "nowhere")
    assert cache.cache_folder() is None


# ---------------------------------------------------------------- the cache without a compiler


class Parts:
    """Stands in for Numba's context, code generator and compiled result."""

    library = SimpleNamespace(has_dynamic_globals=False)

    def refresh(self) -> None: ...

    def codegen(self) -> Any:
        return SimpleNamespace(magic_tuple=lambda: ("triple", "processor", "+features"))

    def result(self, *parts: Any) -> Any:
        return SimpleNamespace(codegen=self.codegen(), library=self.library, _reduce=lambda: parts)


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., cache.DiskCache]:
    """A cache whose results are the tuples that were saved."""
    monkeypatch.setenv("LOOPBP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(
        cache, "CompileResult", SimpleNamespace(_rebuild=lambda context, *parts: parts)
    )
    # Any function that its module holds under its name will do.
    monkeypatch.setattr(cache, "__package__", "loopbp")
    monkeypatch.setattr(cache, "_SOURCES", cache.sources_digest())
    return lambda function=cache.cache_folder, **options: cache.DiskCache((function,), options)


F4, F8 = numba.types.float32[:, :], numba.types.float64[:, :]


def test_entries_differ_by_function_options_and_types(
    entries: Callable[..., cache.DiskCache],
) -> None:
    entries().save_overload((F8,), Parts().result("the", "result"))
    assert entries().load_overload((F8,), Parts()) == ("the", "result")
    assert entries().load_overload((F4,), Parts()) is None
    assert entries().load_overload((F8, F8), Parts()) is None
    assert entries(parallel=True).load_overload((F8,), Parts()) is None
    assert entries(cache.sources_digest).load_overload((F8,), Parts()) is None


def test_only_types_whose_names_say_all_are_kept(entries: Callable[..., cache.DiskCache]) -> None:
    t: Any = numba.types
    for kept in (t.int64, t.boolean, t.Tuple((F4, F8)), t.UniTuple(F8, 2), t.void(F8)):
        signature = kept if hasattr(kept, "args") else (kept,)
        entries().save_overload(signature, Parts().result("kept"))
        assert entries().load_overload(signature, Parts()) == ("kept",)
    for refused in (t.Dummy("at 0x7f00"), t.Tuple((F8, t.pyobject)), t.Array(t.pyobject, 1, "C")):
        entries().save_overload((refused,), Parts().result("refused"))
        assert entries().load_overload((refused,), Parts()) is None


def test_results_that_cannot_be_kept(
    entries: Callable[..., cache.DiskCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries().save_overload((F8,), Parts().result(n for n in "no generator can be pickled"))
    monkeypatch.setattr(Parts.library, "has_dynamic_globals", True)
    entries().save_overload((F8,), Parts().result("holds addresses of this process"))
    assert entries().load_overload((F8,), Parts()) is None


def test_nothing_is_loaded_or_saved_once_flushed(entries: Callable[..., cache.DiskCache]) -> None:
    kept, flushed = entries(), entries()
    kept.save_overload((F8,), Parts().result("old"))
    flushed.flush()
    flushed.save_overload((F8,), Parts().result("new"))
    assert flushed.load_overload((F8,), Parts()) is None
    assert kept.load_overload((F8,), Parts()) == ("old",)


def test_cache_path(
    entries: Callable[..., cache.DiskCache], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = entries().cache_path
    assert path is not None
    assert Path(path).parent == tmp_path
    monkeypatch.setenv("LOOPBP_CACHE_DIR", "off")
    assert entries().cache_path is None


def test_sources_that_cannot_be_read_mean_no_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "archive.zip" / "cache.py"))
    assert cache.sources_digest() is None
    (tmp_path / "archive.zip").mkdir()
    (tmp_path / "archive.zip" / "gone.py").symlink_to(tmp_path / "nothing")
    assert cache.sources_digest() is None
