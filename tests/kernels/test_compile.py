"""What is compiled, what is kept on disk, and that no stale or foreign entry is ever run.

A process has its own compiled code, so most tests run small programs in processes of their own,
on a copy of `compile.py` and `cache.py` beside three small files of kernels. The expected values
are the kernels' arithmetic by hand. Each program prints its results and, per kernel, how many
signatures were loaded from disk ("hits") and how many were compiled ("misses").
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest

from loopbp.kernels import cache, compile

KERNELS = Path(compile.__file__).parent
JIT = not vars(numba.config)["DISABLE_JIT"]
posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX")

INNER = """
from .compile import scalar

@scalar
def factor(s):
    return type(s)(2) * s

@scalar
def shift(s):
    return s + type(s)(1)
"""

LOOPS = """
from . import inner
from .compile import bind, kernel

@kernel
def scale(y, x):
    for n in range(x.shape[0]):
        y[n] = inner.factor(x[n])

@kernel
def apply(y, x, g):
    for n in range(x.shape[0]):
        y[n] = g(x[n])

@kernel
def last(x, n):
    return x[n]

scaled = bind(apply, inner.factor)
shifted = bind(apply, inner.shift)

@kernel
def both(y, z, x):
    scaled(y, x)
    shifted(z, x)
"""

THREADED = """
import numba
from . import inner
from .compile import kernel

@kernel(parallel=True)
def scale(y, x):
    for n in numba.prange(x.shape[0]):
        y[n] = inner.factor(x[n])

@kernel(parallel=True)
def shift(y, x):
    for n in numba.prange(x.shape[0]):
        y[n] = inner.shift(x[n])
"""

PRELUDE = """
import json, sys
import numpy as np
from loopbp.kernels import compile, inner, loops

def call(kernel, dtype="float64"):
    x = np.array([1, 2, 3], dtype)
    y = np.zeros_like(x)
    kernel(y, x)
    return y.tolist()

def report(*kernels, **results):
    hits = [sum(k.stats.cache_hits.values()) for k in kernels]
    misses = [sum(k.stats.cache_misses.values()) for k in kernels]
    print(json.dumps({"hits": hits, "misses": misses, **results}))
"""

SCALE = "y = call(loops.scale); report(loops.scale, y=y)"
COMPILED = {"hits": [0], "misses": [1], "y": [2.0, 4.0, 6.0]}
LOADED = {"hits": [1], "misses": [0], "y": [2.0, 4.0, 6.0]}


class Install:
    """A copy of the package, a cache folder of its own, and programs that use them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.kernels = folder / "loopbp" / "kernels"
        self.cache = folder / "cache"

    @classmethod
    def new(cls, folder: Path) -> Install:
        install = cls(folder)
        install.kernels.mkdir(parents=True)
        (folder / "loopbp" / "__init__.py").touch()
        (install.kernels / "__init__.py").touch()
        for name in ("compile.py", "cache.py"):
            shutil.copy(KERNELS / name, install.kernels)
        for name, text in (("inner", INNER), ("loops", LOOPS), ("threaded", THREADED)):
            (install.kernels / f"{name}.py").write_text(text)
        return install

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.kernels / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def entries(self) -> list[Path]:
        return sorted(self.cache.glob("kernels-*/*"))

    def start(self, program: str, **variables: str | None) -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        # Without bytecode files: Python itself takes two edits within a second for one.
        environment |= {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        settings = {"LOOPBP_CACHE_DIR": str(self.cache), **variables}
        environment |= {k: v for k, v in settings.items() if v is not None}
        for name in [k for k, v in settings.items() if v is None]:
            environment.pop(name, None)
        return subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program],
            cwd=self.root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str = SCALE, **variables: str | None) -> dict[str, Any]:
        """What the program printed."""
        return result_of(self.start(program, **variables))


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate("go\n", timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Nothing in the cache yet."""
    return Install.new(tmp_path / "install")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Install:
    install = Install.new(tmp_path_factory.mktemp("used") / "install")
    assert install.run() == COMPILED
    return install


@pytest.fixture
def warm(used: Install, tmp_path: Path) -> Install:
    """`scale` for float64 is in the cache. Each test has its own copy, in another place."""
    shutil.copytree(used.root, tmp_path / "install")
    return Install(tmp_path / "install")


# ---------------------------------------------------------------- what is loaded, what is not


def test_second_process_compiles_nothing(install: Install) -> None:
    program = """
from loopbp.kernels import threaded
kernels = (loops.scale, loops.scaled, loops.shifted, threaded.scale)
ys = [call(k, dtype) for dtype in ("float32", "float64") for k in kernels]
report(*kernels, ys=ys)
"""
    ys = 2 * [[2.0, 4.0, 6.0], [2.0, 4.0, 6.0], [2.0, 3.0, 4.0], [2.0, 4.0, 6.0]]
    assert install.run(program) == {"hits": [0] * 4, "misses": [2] * 4, "ys": ys}
    assert install.run(program) == {"hits": [2] * 4, "misses": [0] * 4, "ys": ys}
    assert len(install.entries()) == 8


def test_package_kernels_are_loaded_with_their_activations(install: Install) -> None:
    shutil.copytree(KERNELS, install.kernels, dirs_exist_ok=True)
    program = """
from loopbp.kernels import activation, textbook
relu = compile.bind(textbook.output, activation.relu)
x, S = np.zeros((1, 3)), np.array([[-1.0, 0.0, 2.0]])
relu(x, S)
report(relu, x=x.tolist())
"""
    assert install.run(program) == {"hits": [0], "misses": [1], "x": [[0.0, 0.0, 2.0]]}
    assert install.run(program) == {"hits": [1], "misses": [0], "x": [[0.0, 0.0, 2.0]]}


def test_editing_a_callee_in_another_file_changes_what_runs(warm: Install) -> None:
    warm.edit("inner.py", "(2) * s", "(3) * s")
    assert warm.run() == {"hits": [0], "misses": [1], "y": [3.0, 6.0, 9.0]}
    warm.edit("inner.py", "(3) * s", "(2) * s")
    assert warm.run() == LOADED


def test_adding_or_renaming_a_file_is_an_edit(warm: Install) -> None:
    extra = warm.kernels / "tables" / "extra.py"
    extra.parent.mkdir()
    extra.write_text("")
    assert warm.run() == COMPILED
    extra.rename(extra.with_name("other.py"))
    assert warm.run() == COMPILED


def test_editing_during_a_run_neither_loads_nor_saves(warm: Install) -> None:
    # The process has imported factor = 2 s; what it compiles must not be kept as the new text's.
    edited = """
from pathlib import Path
file = Path(inner.__file__)
file.write_text(file.read_text().replace("(2) * s", "(3) * s"))
"""
    assert warm.run(edited + SCALE) == COMPILED
    assert len(warm.entries()) == 1
    assert warm.run() == {"hits": [0], "misses": [1], "y": [3.0, 6.0, 9.0]}


@pytest.mark.parametrize(
    "setting",
    [
        {"NUMBA_CPU_NAME": "generic"},
        {"NUMBA_OPT": "1"},
        {"NUMBA_LOOP_VECTORIZE": "0"},
    ],
    ids=lambda setting: "=".join(*setting.items()),
)
def test_setting_that_changes_code_has_its_own_entry(
    warm: Install, setting: dict[str, str]
) -> None:
    result = warm.run(**setting)
    assert (result["hits"], result["misses"]) == ([0], [1])
    assert len(warm.entries()) == 2


def test_setting_that_does_not_change_code_shares_the_entry(warm: Install) -> None:
    theirs = warm.root / "numba-cache"
    program = SCALE.replace("y=y", "y=y, folder=compile.numba.config.CACHE_DIR")
    result = warm.run(
        program,
        NUMBA_NUM_THREADS="1",
        NUMBA_THREADING_LAYER="workqueue",
        NUMBA_CACHE_DIR=str(theirs),
    )
    assert result == LOADED | {"folder": str(theirs)}
    assert not theirs.exists()


def test_bounds_are_checked_when_asked_whatever_is_in_the_cache(install: Install) -> None:
    program = """
x = np.arange(3.0)
try:
    found = loops.last(x, 0)
    loops.last(x[:2], 2)
    outcome = "unchecked"
except IndexError:
    outcome = "IndexError"
report(loops.last, found=found, outcome=outcome)
"""
    for hits in (0, 1):
        for check, outcome in ((None, "unchecked"), ("1", "IndexError")):
            assert install.run(program, NUMBA_BOUNDSCHECK=check) == {
                "hits": [hits],
                "misses": [1 - hits],
                "found": 0.0,
                "outcome": outcome,
            }


def test_loaded_and_compiled_bound_kernels_keep_apart(install: Install) -> None:
    # `scaled` and `shifted` are both the first function that their process compiles: numbered and
    # named alike, they would be one symbol to the linker when a third kernel calls both. (`both`
    # has each compiled once more: within a kernel *arrays is a tuple of another type.)
    assert install.run("call(loops.scaled); report(loops.scaled)")["misses"] == [1]
    program = """
call(loops.scaled); call(loops.shifted)
x = np.array([1.0, 5.0]); y, z = np.zeros(2), np.zeros(2)
loops.both(y, z, x)
report(loops.scaled, loops.shifted, y=y.tolist(), z=z.tolist(), again=call(loops.scaled))
"""
    values = {"y": [2.0, 10.0], "z": [2.0, 6.0], "again": [2.0, 4.0, 6.0]}
    assert install.run(program) == {"hits": [1, 0], "misses": [1, 2], **values}


def test_parallel_kernels_of_two_processes_keep_apart(install: Install) -> None:
    # Numba names the body of a parallel loop after an address; here all have the same one.
    same_address = """
from numba.parfors.parfor import Parfor
Parfor.__hash__ = lambda loop: 77
from loopbp.kernels import threaded
"""
    doubled = same_address + "y = call(threaded.scale); report(threaded.scale, y=y)"
    assert install.run(doubled) == COMPILED
    both = """
y, z = call(threaded.scale), call(threaded.shift)
report(threaded.scale, threaded.shift, y=y, z=z, again=call(threaded.scale))
"""
    values = {"y": [2.0, 4.0, 6.0], "z": [2.0, 3.0, 4.0], "again": [2.0, 4.0, 6.0]}
    assert install.run(same_address + both) == {"hits": [1, 0], "misses": [0, 1], **values}


def test_functions_from_elsewhere_are_not_kept(warm: Install) -> None:
    # Their text is in no key: a kernel of a program, a scalar function of a program, and one that
    # bears the name of a function of the package.
    program = """
import functools
@compile.kernel
def mine(y, x):
    for n in range(x.shape[0]):
        y[n] = FACTOR * x[n]
@compile.scalar
def g(s):
    return FACTOR * s
@compile.scalar
@functools.wraps(inner.factor)
def impostor(s):
    return FACTOR * s
kernels = (mine, compile.bind(loops.apply, g), compile.bind(loops.apply, impostor))
report(*kernels, ys=[call(k) for k in kernels])
"""
    for factor in (5.0, 7.0):
        assert warm.run(program.replace("FACTOR", str(factor))) == {
            "hits": [0, 0, 0],
            "misses": [1, 1, 1],
            "ys": 3 * [[factor, 2 * factor, 3 * factor]],
        }
    assert len(warm.entries()) == 1


def test_recompiling_does_not_load(warm: Install) -> None:
    program = """
before = call(loops.scale)
inner.factor = inner.shift
loops.scale.recompile()
report(loops.scale, before=before, after=call(loops.scale))
"""
    values = {"before": [2.0, 4.0, 6.0], "after": [2.0, 3.0, 4.0]}
    assert warm.run(program) == {"hits": [1], "misses": [1], **values}
    assert warm.run() == LOADED


# ---------------------------------------------------------------- where nothing can be kept


@pytest.mark.parametrize("chosen", ["", "off"])
def test_cache_can_be_turned_off(warm: Install, chosen: str) -> None:
    assert warm.run(LOOPBP_CACHE_DIR=chosen) == COMPILED


def test_folder_that_cannot_be_written(install: Install) -> None:
    # Below a regular file no folder can be made, not even by root; the install stays untouched.
    (install.root / "file").touch()
    before = sorted(install.root.rglob("*"))
    assert install.run(LOOPBP_CACHE_DIR=str(install.root / "file" / "cache")) == COMPILED
    assert sorted(install.root.rglob("*")) == before


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG is not used here")
def test_home_that_does_not_exist(install: Install) -> None:
    nowhere = install.root / "nowhere"
    result = install.run(LOOPBP_CACHE_DIR=None, XDG_CACHE_HOME=None, HOME=str(nowhere))
    assert result == COMPILED
    assert not nowhere.exists()


def test_full_disk_leaves_nothing_behind(warm: Install) -> None:
    program = """
import errno, os
def full(source, target):
    raise OSError(errno.ENOSPC, "No space left on device")
os.replace = full
y = call(loops.scaled); report(loops.scaled, y=y)
"""
    assert warm.run(program) == COMPILED
    assert len(warm.entries()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "compile.numba.core.compiler.CompileResult._reduce = None",
        "compile.numba.core.compiler.CompileResult._rebuild = None",
        "compile.numba.core.codegen.JITCPUCodegen.magic_tuple = None",
    ],
)
def test_another_numba_inside_means_compiling(warm: Install, damage: str) -> None:
    program = "import numba.core.codegen\n" + damage + "\ny = call(loops.scale, 'float32')\n"
    assert warm.run(program + "report(loops.scale, y=y)") == COMPILED


def test_names_of_numba_that_are_gone_mean_compiling(warm: Install) -> None:
    warm.edit("cache.py", "import NullCache", "import Renamed as NullCache")
    for _ in range(2):
        assert warm.run() == COMPILED


def test_private_names_of_numba_that_the_cache_stands_on() -> None:
    from numba.core import bytecode, caching, codegen, compiler, registry, serialize

    assert {"load_overload", "save_overload", "flush", "cache_path"} <= set(dir(caching.NullCache))
    assert {"_reduce", "_rebuild", "library"} <= set(dir(compiler.CompileResult))
    assert hasattr(codegen.CodeLibrary, "has_dynamic_globals")
    assert hasattr(codegen.JITCPUCodegen, "magic_tuple")
    assert callable(serialize.dumps)
    assert next(bytecode.FunctionIdentity._unique_ids) >= 1
    made: Any = registry.CPUDispatcher(lambda x: x)
    assert isinstance(made._cache, caching.NullCache)
    assert isinstance(made.targetoptions, dict)


# ---------------------------------------------------------------- races


def test_two_processes_at_once(install: Install) -> None:
    # Both wait until both have imported everything; then they compile and save together.
    program = """
print("ready", flush=True)
sys.stdin.readline()
y = call(loops.scale, "DTYPE"); report(loops.scale, y=y)
"""
    for dtypes in (("float32", "float64"), ("float64", "float64"), ("float32", "float64")):
        shutil.rmtree(install.cache, ignore_errors=True)
        pair = [install.start(program.replace("DTYPE", dtype)) for dtype in dtypes]
        for process in pair:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in pair:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in pair:
            assert result_of(process)["y"] == [2.0, 4.0, 6.0]
        assert len(install.entries()) == len(set(dtypes))
        for dtype in set(dtypes):
            assert install.run(SCALE.replace("scale)", f"scale, '{dtype}')", 1)) == LOADED


# ---------------------------------------------------------------- damaged and foreign entries


def test_damaged_entry_is_replaced(warm: Install) -> None:
    (entry,) = warm.entries()
    entry.write_bytes(entry.read_bytes()[:-100])
    assert warm.run() == COMPILED
    assert warm.run() == LOADED


def test_entry_that_cannot_be_rebuilt_is_replaced(install: Install) -> None:
    junk = "from loopbp.kernels import cache\ncache.dumps = lambda parts: b'whole, but no pickle'\n"
    assert install.run(junk + SCALE) == COMPILED
    assert install.run() == COMPILED
    assert install.run() == LOADED


@posix
def test_folder_that_others_can_write_is_not_read(warm: Install) -> None:
    (entry,) = warm.entries()
    entry.parent.chmod(0o770)
    assert warm.run() == COMPILED
    entry.parent.chmod(0o700)
    assert warm.run() == LOADED


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


# ---------------------------------------------------------------- scalar, kernel, bind


@compile.kernel
def affine(y, x, slope):  # type: ignore[no-untyped-def]
    for n in range(x.shape[0]):
        y[n] = slope(x[n]) + x[n]


@compile.kernel(parallel=True)
def doubled(y, x):  # type: ignore[no-untyped-def]
    for n in numba.prange(x.shape[0]):
        y[n] = x[n] + x[n]


@compile.scalar
def half(s: Any) -> Any:
    return type(s)(0.5) * s


def test_scalar_stays_a_python_function() -> None:
    assert half(3.0) == 1.5
    assert type(half(np.float32(3))) is np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_compiled_or_not(dtype: type) -> None:
    x: Any = np.array([2, -4, 8], dtype)
    bound = compile.bind(affine, half)
    plain = compile.bind(compile.uncompiled(affine), half)
    for loops, expected in ((bound, [3, -6, 12]), (plain, [3, -6, 12]), (doubled, [4, -8, 16])):
        y = np.zeros_like(x)
        loops(y, x)
        assert y.tolist() == expected
    assert hasattr(bound, "py_func") == JIT
    assert not JIT or bound.py_func.__qualname__ == f"affine[{__name__}.half]"
    assert not hasattr(plain, "py_func")
    assert compile.bind(affine, half) is bound


def test_uncompiled_is_the_function_itself() -> None:
    def loops() -> None: ...

    assert compile.uncompiled(compile.kernel(loops)) is loops
    assert compile.uncompiled(loops) is loops


@pytest.mark.parametrize("option", ["fastmath", "error_model", "cache", "boundscheck"])
def test_options_that_could_change_bits_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=option):
        functools.partial(compile.kernel, **{option: True})()
