"""Several vectors of numbers side by side: the same number in each place, for any length."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from loopbp.kernels import activation, textbook, tiled
from loopbp.kernels.compile import bind

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["identity", "relu", "tanh", "softplus"])
def test_every_number_has_its_own_g(name: str, dtype: str) -> None:
    """Lengths on both sides of each number of vectors; what stands behind is left alone."""
    g = getattr(activation, name)
    one_by_one, at_once = bind(textbook.output, g), bind(tiled.output, g)
    numbers = np.linspace(-9, 9, 150).astype(dtype)[::-1].copy()
    for length in (0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 127, 128, 150):
        S = numbers[:length].reshape(1, length)
        expected, room = np.empty_like(S), np.full(length + 16, 7, dtype)
        one_by_one(expected, S)
        at_once(room[:length].reshape(1, length), S)
        assert room[:length].tobytes() == expected.tobytes()
        assert (room[length:] == 7).all()


def test_relu_by_hand() -> None:
    S = np.array([[-2.0, 0.0, 3.0], [np.inf, -np.inf, 0.5]])
    x = np.empty_like(S)
    bind(tiled.output, activation.relu)(x, S)
    np.testing.assert_array_equal(x, [[0, 0, 3], [np.inf, 0, 0.5]])


_WIDTHS = """
import re

import numba

from loopbp.kernels import elementary
from loopbp.kernels.elementwise import each

loops = numba.njit(error_model="numpy")(lambda x, S: each(x, S, elementary.tanh))
for number in (numba.float32, numba.float64):
    loops.compile((number[::1], number[::1]))
code = "".join(loops.inspect_asm().values())
print(*(size for size in "xyz" if re.search(rf"\\bv?mulp[sd]\\b.*%{size}mm", code)))
"""


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="about machine code")
@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="registers of x86"
)
@pytest.mark.parametrize(
    "processor, features, width",
    [
        # for this one LLVM itself would choose vectors of half the registers' length
        ("sapphirerapids", "+avx512f,+avx512dq,+avx512vl,+avx512bw,+avx2,+avx", "z"),
        ("haswell", "+avx2,+avx", "y"),
        ("generic", "+sse2", "x"),
    ],
)
def test_vectors_are_as_long_as_the_registers(processor, features, width):
    """Of the code for three processors, which need not be this one: it is not run."""
    settings = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "LOOPBP_CACHE_DIR": "off",
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": features,
    }
    result = subprocess.run(
        [sys.executable, "-c", _WIDTHS],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [width]
