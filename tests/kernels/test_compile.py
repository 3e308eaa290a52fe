"""What `kernel`, `scalar` and `bind` make of a function, and what options they refuse."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
import pytest

from loopbp.kernels import compile

JIT = not vars(numba.config)["DISABLE_JIT"]


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
