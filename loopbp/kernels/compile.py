"""The one place that compiles: how a function of this package becomes machine code.

Four ways, and no fifth:

- `scalar`: a function of numbers, such as g or exp. It stays an ordinary Python function; a
  compiled loop that calls it compiles it in.
- `part`: a piece of a kernel, compiled together with it, that the kernel calls.
- `kernel`: a loop nest over arrays, compiled when it is first called with arrays of a dtype, or
  loaded from the cache on disk (see `cache`).
- `bind(kernel, g)`: the kernel with its last argument, a scalar function, fixed.

`uncompiled(kernel)` is the same loop nest as plain Python, which `bind` takes as well. With
NUMBA_DISABLE_JIT=1 nothing is compiled: kernels are plain functions from the start.

The flags are the exactness contract's: IEEE division (`error_model="numpy"`), no fastmath of
any kind, and every sum in the order in which it is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
from numba.extending import is_jitted, register_jitable

try:
    from .cache import DiskCache
except ImportError:  # a numba without the private names that the cache stands on
    DiskCache = None  # type: ignore[assignment,misc]

# Always inlined: a loop that calls a function for each number is not vectorised.
scalar = register_jitable(error_model="numpy", forceinline=True)

part = register_jitable(error_model="numpy")


def kernel(function: Callable[..., Any] | None = None, /, *, parallel: bool = False) -> Any:
    """`function` as a compiled kernel; used as `@kernel` or as `@kernel(parallel=True)`.

    `parallel` runs the loops over `numba.prange` on several threads. Any other option of Numba
    is refused with `TypeError`: it could change the bits of a result.
    """
    if function is None:
        return functools.partial(kernel, parallel=parallel)
    return _compiled(function, (function,), parallel)


@functools.cache
def bind(loops: Any, g: Callable[..., Any]) -> Any:
    """The kernel `loops(..., g)` with its last argument fixed; compiled if `loops` is."""

    def bound(*arrays: Any) -> Any:
        return loops(*arrays, g)

    if not is_jitted(loops):
        return bound
    source = uncompiled(loops)
    bound.__qualname__ = f"{source.__qualname__}[{g.__module__}.{g.__qualname__}]"
    return _compiled(bound, (source, g))


def uncompiled(loops: Any) -> Any:
    """The plain Python function of a kernel; for a bound one, `bind(uncompiled(kernel), g)`."""
    return getattr(loops, "py_func", loops)


def _compiled(
    function: Callable[..., Any], made_of: tuple[Callable[..., Any], ...], parallel: bool = False
) -> Any:
    """`function`, which consists of the functions `made_of`, compiled by way of the cache."""
    compiled: Any = numba.njit(error_model="numpy", nogil=True, parallel=parallel)(function)
    if DiskCache is not None and compiled is not function:  # it is with NUMBA_DISABLE_JIT
        compiled._cache = DiskCache(made_of, compiled.targetoptions)
    return compiled
