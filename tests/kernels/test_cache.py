"""What is compiled, what is kept on disk, and that no stale or foreign entry is ever run.

A process has its own compiled code, so most tests run small programs in processes of their own,
on a copy of `compile.py` and `cache.py` beside three small files of kernels. The expected values
are the kernels' arithmetic by hand. Each program prints its results and, per kernel, how many
signatures were loaded from disk ("hits") and how many were compiled ("misses").
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loopbp.kernels import compile

KERNELS = Path(compile.__file__).parent
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
