"""Compiled kernels on disk: later runs load machine code that an earlier run compiled.

A stale or foreign entry is never run. An entry's key holds everything that its code follows
from: the text of *all* files of this folder (a kernel calls functions of other files), the
versions of Python, NumPy, Numba and llvmlite, the processor, Numba's settings, the kernel's
options and the types of its arguments. One file holds one entry; its name is the hash of the
key, its first bytes are a digest of key and content, and it is written beside its place and
then moved there, so that processes may race. Whatever goes wrong, the kernel is compiled again.

The folder is `loopbp` in the user's cache directory ($XDG_CACHE_HOME or ~/.cache; macOS
~/Library/Caches; Windows %LOCALAPPDATA%), or the one that LOOPBP_CACHE_DIR names; empty or "off"
turns the cache off. Numba's own NUMBA_CACHE_DIR plays no part. Entries are pickles, which are
code, so only files and folders are read that belong to the user and that nobody else can write.

Functions outside this folder are compiled anew by every process: their text is in no key. A
module-level name that a kernel reads must not be assigned again while the program runs.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

# The private parts of Numba that this module stands on: these four names, Dispatcher._cache and
# .targetoptions, CompileResult._reduce, ._rebuild and .library.has_dynamic_globals,
# codegen().magic_tuple() and FunctionIdentity._unique_ids.
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

KEPT_VERSIONS = 8  # folders of entries, one per version of the sources, the latest used are kept

# Settings that differ between runs and do not change what is generated.
_NOT_IN_CODE = {
    "CACHE_DIR",
    "CACHE_LOCATOR_CLASSES",
    "NUMBA_DEFAULT_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "THREADING_LAYER",
    "THREADING_LAYER_PRIORITY",
}


def cache_folder() -> Path | None:
    """The folder that holds the cache, which need not exist yet; None for no cache on disk."""
    chosen = os.environ.get("LOOPBP_CACHE_DIR")
    if chosen is not None:
        return None if chosen in ("", "off") else Path(chosen).absolute()
    if sys.platform == "win32":
        user_cache = os.environ.get("LOCALAPPDATA", "")
    else:
        user_cache = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(user_cache):
        return Path(user_cache) / "loopbp"
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and no such user
        return None
    if sys.platform == "win32" or not home.is_dir():
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "loopbp"


def is_empty() -> bool:
    """Whether compiled loops are kept on disk, and none are there yet of the version that runs."""
    folder = None if vars(numba.config)["DISABLE_JIT"] else _version_folder()
    return folder is not None and not folder.exists()


def sources_digest() -> str | None:
    """SHA-256 over the names and contents of all Python files of this folder; None without any."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    try:
        files = sorted(folder.rglob("*.py"))
        for file in files:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    except OSError:
        return None
    return digest.hexdigest() if files else None  # no files: an archive, or bytecode only


# Taken before any kernel's module is imported. Files that have changed since then, while this
# process runs, may or may not be what it has imported: it then neither loads nor saves.
_SOURCES = sources_digest()


class DiskCache(NullCache):
    """The entries of one kernel, one per signature; Numba's dispatcher asks it and fills it."""

    def __init__(self, made_of: tuple[Callable[..., Any], ...], options: Mapping[str, Any]):
        self._made_of = made_of
        self._options = sorted(options.items())
        self._flushed = False

    @property
    def cache_path(self) -> str | None:
        """The folder of this version's entries."""
        folder = _version_folder()
        return None if folder is None else str(folder)

    def flush(self) -> None:
        """Called when something outside the sources has changed: no entry is right any more."""
        self._flushed = True

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled result for a signature, or None where there is no sound entry."""
        result = self._load(signature, target_context)
        if result is None:
            _number_functions_anew()
        return result

    def _load(self, signature: Any, target_context: Any) -> Any:
        try:
            target_context.refresh()
            key, folder = self._place(signature, target_context.codegen())
            content = None if key is None or folder is None else _read(folder, key)
            if content is None:
                return None
            rebuild: Any = CompileResult._rebuild  # Any: Numba gives it no types
            return rebuild(target_context, *pickle.loads(content))
        except Exception:  # unpickling can raise anything; the kernel is compiled instead
            return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled result; without effect where that is not possible."""
        try:
            key, folder = self._place(signature, result.codegen)
            if key is None or folder is None or result.library.has_dynamic_globals:
                return
            to_bytes: Any = dumps
            _write(folder, key, to_bytes(result._reduce()))
        except Exception:  # so can pickling; the result is in use already and only not kept
            return

    def _place(self, signature: Any, codegen: Any) -> tuple[bytes | None, Path | None]:
        """Key and folder of an entry; no key for code that does not follow from the key."""
        names = [_name(function) for function in self._made_of]
        arguments = getattr(signature, "args", signature)  # bare, or with the type returned
        if self._flushed or None in names or not all(_is_plain(kind) for kind in arguments):
            return None, None
        # One by one: within the text of a signature *args look like any other tuple.
        types = [str(kind) for kind in arguments]
        settings = {
            name: value
            for name, value in sorted(vars(numba.config).items())
            if name.isupper() and name not in _NOT_IN_CODE
        }
        parts = (names, types, str(signature), self._options, codegen.magic_tuple(), settings)
        return repr(parts).encode(), _version_folder()


def _number_functions_anew() -> None:
    """Let Numba number the functions that it compiles next from a random number upwards.

    The number is a part of a symbol's name. Numba counts from 1 in every process, and the parts
    of a parallel kernel are told apart by an address besides: code from two processes could meet
    under one name, and one kernel would then run the other's.
    """
    FunctionIdentity._unique_ids = itertools.count(int.from_bytes(os.urandom(6), "big"))


def _name(function: Callable[..., Any]) -> str | None:
    """module.name of a function that is found there, in this package; None for any other."""
    module, name = function.__module__, function.__qualname__
    if not module.startswith(f"{__package__}."):
        return None
    found = getattr(sys.modules.get(module), name, None)
    return f"{module}.{name}" if getattr(found, "py_func", found) is function else None


def _is_plain(kind: Any) -> bool:
    """Whether a type is a number, an array of numbers or a tuple of these.

    Its name says all about it. The name of another type, such as a function's, may hold an
    address, which means nothing in the next process.
    """
    if isinstance(kind, (numba.types.Tuple, numba.types.UniTuple)):
        return all(_is_plain(part) for part in kind.types)
    if isinstance(kind, numba.types.Array):
        kind = kind.dtype
    return isinstance(kind, (numba.types.Number, numba.types.Boolean))


def _version_folder() -> Path | None:
    """The folder for the sources and versions that this process runs; None for no cache."""
    base = cache_folder()
    if base is None or _SOURCES is None or sources_digest() != _SOURCES:
        return None
    versions = (_SOURCES, sys.version, np.__version__, numba.__version__, llvmlite.__version__)
    return base / f"kernels-{hashlib.sha256(repr(versions).encode()).hexdigest()[:32]}"


def _file(folder: Path, key: bytes) -> Path:
    return folder / hashlib.sha256(key).hexdigest()[:32]


def _digest(key: bytes, content: bytes) -> bytes:
    """What an entry begins with; it holds for this content under this key only."""
    return hashlib.sha256(hashlib.sha256(key).digest() + content).digest()


def _is_private(status: os.stat_result) -> bool:
    """Whether the user owns a file or folder and nobody else may write it (POSIX only)."""
    if os.name != "posix":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _read(folder: Path, key: bytes) -> bytes | None:
    """The content of an entry, if there is one, it is whole and nobody else can have written it."""
    if not _is_private(folder.stat()):
        return None
    with open(_file(folder, key), "rb") as file:
        if not _is_private(os.fstat(file.fileno())):
            return None
        data = file.read()
    digest, content = data[:32], data[32:]
    if digest != _digest(key, content):
        return None
    os.utime(folder)  # used: kept when old versions are removed
    return content


def _write(folder: Path, key: bytes, content: bytes) -> None:
    """Put an entry in its place in one step, and remove old versions before a new one's first."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_old_versions(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(folder.stat()):
        return
    handle, temporary = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_digest(key, content) + content)
        os.replace(temporary, _file(folder, key))
    except BaseException:
        os.unlink(temporary)
        raise


def _remove_old_versions(base: Path) -> None:
    """Leave only the latest used folders of entries; a process that still uses another compiles."""
    ours = re.compile(r"kernels-[0-9a-f]{32}")
    with os.scandir(base) as entries:
        folders = [
            (entry.stat().st_mtime, entry.path)
            for entry in entries
            if ours.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    for _, path in sorted(folders, reverse=True)[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
