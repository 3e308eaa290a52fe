"""Where a measurement was made: the machine, the software, the state of the sources."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

#: Packages that a result depends on; those that are not installed are recorded as null.
PACKAGES = (
    "loopbp", "numba", "llvmlite", "numpy", "scipy", "jax", "jaxlib", "torch", "scikit-learn",
    "threadpoolctl",
)  # fmt: skip

#: Features of a processor that a numerical kernel may use.
_VECTORS = re.compile(r"(sse|ssse|avx|fma|f16c|bmi|amx|neon|asimd|sve|fp16|fphp|popcnt)\w*")


#: Variables that decide for a library which instructions it uses, or how it blocks.
_KERNELS = re.compile(
    r"(OPENBLAS|GOTO|MKL|BLIS|NVPL_BLAS|ONEDNN|DNNL|ATEN|NPY|XLA|JAX|TORCH|TORCHINDUCTOR|KMP|OMP"
    r"|NUMBA)_(?!CACHE|COMPILATION_CACHE)\w+"
)


@dataclass(frozen=True)
class Machine:
    """The hardware and its operating system; two records are of one machine if all is equal."""

    system: str
    architecture: str
    processor: str
    features: tuple[str, ...]
    cores: int
    memory: int | None


@dataclass(frozen=True)
class Git:
    """The commit (None: there is none yet), and whether files differ from it."""

    commit: str | None
    dirty: bool


def machine() -> Machine:
    """This machine."""
    processor, features = _processor()
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        processor=processor,
        features=tuple(sorted(features)),
        cores=cores(),
        memory=_memory(),
    )


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def software() -> dict[str, str | None]:
    """Versions by package, with Python, the system's release and NumPy's BLAS."""
    versions: dict[str, str | None] = {
        "python": platform.python_version(),
        "release": platform.release(),
    }
    for package in PACKAGES:
        versions[package] = version(package)
    versions["numpy blas"] = _blas()
    return versions


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    if package == "loopbp":
        from .. import __version__

        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git(folder: Path) -> Git | None:
    """The state of the sources in this folder; None where it is no repository, or has no git."""

    def ask(*words: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, check=False
            )
        except OSError:
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    state = ask("status", "--porcelain")
    return None if state is None else Git(ask("rev-parse", "--verify", "HEAD"), bool(state))


def overrides() -> dict[str, str]:
    """The variables set here by which a library takes other kernels than it would by itself."""
    return {name: value for name, value in sorted(os.environ.items()) if _KERNELS.fullmatch(name)}


def environment(threads: int) -> dict[str, str]:
    """The environment of a process that measures, on so many threads.

    The number is told to NumPy's and PyTorch's BLAS and OpenMP, to Numba, and to XLA's thread
    pools. `overrides` are left out: each library is to take the kernels that it thinks best.
    """
    number = str(threads)
    names = (
        "NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC",
    )  # fmt: skip
    variables = {k: v for k, v in os.environ.items() if not _KERNELS.fullmatch(k)}
    variables |= dict.fromkeys(names, number)
    if threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return variables


def confine(threads: int) -> None:
    """Lets this process, which must not have begun to compute, run on so many processors only."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def effective_threads() -> dict[str, Any]:
    """What the libraries that this process has loaded say themselves.

    Processors, Numba's threads and its threading layer (None: not started), every BLAS and
    OpenMP (with threadpoolctl), PyTorch's threads. JAX does not tell; it takes the processors.
    """
    from ..kernels import threads

    found: dict[str, Any] = {
        "processors": cores(),
        "numba": threads.present(),
        "numba layer": threads.layer(),
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = torch.get_num_threads()
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return found
    pools = (
        (pool["prefix"], pool.get("version"), pool.get("architecture"), pool["num_threads"])
        for pool in threadpool_info()
    )
    found["pools"] = sorted(" ".join(str(part) for part in pool if part) for pool in pools)
    return found


def _processor() -> tuple[str, Iterable[str]]:
    """The processor's name and the features that matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine(), ()
    fields = dict(re.findall(r"^([^\t:]+?)\s*:\s*(.*)$", text, re.MULTILINE))
    name = fields.get("model name") or platform.machine()
    detail = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    full = f"{name} ({', '.join(detail)})" if detail else name
    return full, [flag for flag in flags if _VECTORS.fullmatch(flag)]


def _memory() -> int | None:
    """Main memory in GiB, rounded: what is left of it differs a little from start to start."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return None


def _blas() -> str | None:
    """The BLAS that NumPy was built with."""
    import numpy as np

    built = np.show_config(mode="dicts")
    blas = (built or {}).get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name')} {blas.get('version')}" if blas else None
