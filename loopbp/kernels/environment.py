"""How this processor is set, where the bits of a result depend on it.

Two settings of a thread change what + and × give: the mode that flushes subnormal numbers to
zero (FTZ and DAZ in x86's MXCSR, FZ in ARM's FPCR), and the direction of rounding. Libraries
that were compiled with -ffast-math switch the first one on when they are loaded, and so does
`torch.set_flush_denormal(True)`; `fesetround` of C changes the second.

Every thread has settings of its own, which it inherits from the thread that starts it.
"""

import numba
import numpy as np
from llvmlite import binding

from .compile import kernel, scalar

#: The smallest normal number of float64, and the distance from 1 to the next number.
TINY, ULP = 2.0**-1022, 2.0**-52

FLUSHES, ROUNDS = 1, 2

_MESSAGES = {
    FLUSHES: "subnormal numbers are flushed to zero {where}, so that no result would be exact: "
    "expected gradual underflow. A library compiled with -ffast-math, or "
    "torch.set_flush_denormal(True), has changed the processor's mode (FTZ, DAZ); undo that, or "
    "use engine='numpy'",
    ROUNDS: "numbers are not rounded to nearest {where}, so that no result would be exact: "
    "something has changed the processor's direction of rounding (fesetround); undo that, or use "
    "engine='numpy'",
}


@scalar
def fault(tiny, ulp):
    """What is wrong in the thread that runs this: 0, `FLUSHES` or `ROUNDS`.

    With `TINY` and `ULP` as arguments: a constant would be computed by the compiler.
    """
    if tiny * 0.5 * 2.0 != tiny:  # FTZ loses the first product, DAZ the second
        return FLUSHES
    if 1.0 + ulp * 0.25 != 1.0 or 1.0 + ulp * 0.75 == 1.0:
        return ROUNDS
    return 0


@kernel(parallel=True)
def _faults(faults, tiny, ulp):
    """`fault` in each thread. Modified in place: faults (threads,) int64."""
    for t in numba.prange(faults.shape[0]):
        faults[t] = fault(tiny, ulp)


def check() -> None:
    """Raises `FloatingPointError` unless this thread computes as IEEE 754 says.

    It takes some 0.1 µs.
    """
    found = fault(TINY, ULP)
    if found:
        raise FloatingPointError(_MESSAGES[found].format(where="in this thread"))


def check_threads(threads: int) -> None:
    """The same for the threads that compiled loops are divided among; some 20 µs."""
    faults = np.zeros(threads, np.int64)
    _faults(faults, TINY, ULP)
    for found in faults[faults > 0][:1]:
        raise FloatingPointError(_MESSAGES[found].format(where="in a thread of Numba's"))


def processor() -> str:
    """LLVM's name of this processor, such as znver4."""
    name: str = binding.get_host_cpu_name()
    return name


def lacking(features: str) -> list[str]:
    """Which of LLVM's features, as in "+avx,+fma", this processor does not have."""
    present = binding.get_host_cpu_features()
    names = (part.removeprefix("+") for part in features.split(",") if part)
    return [name for name in names if not present.get(name)]
