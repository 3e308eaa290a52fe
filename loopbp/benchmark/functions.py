"""The elementary functions beside NumPy's: nanoseconds per number, in cache, on one thread.

Ours run in the loop that the engine runs g in (`tiled.output`), NumPy's as a ufunc that writes into
an array of the caller's; where NumPy has no such function, what its users write instead. Before
anything is timed the results are compared: both are within a few units of the last place of the
exact value, so that they cannot be further from each other than `ULPS`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import draws
from ..checks import FloatArray
from ..kernels import compile, elementary, tiled
from ..npz import replacing
from ..progress import Progress
from ..rounding import ulps
from . import machine, timing
from .contender import Contender, nothing, timed
from .statistics import Ratio, ratio, summarise
from .table import NONE, Table
from .table import ratio as in_words
from .timing import Method
from .workloads import DTYPES

FORMAT, VERSION = "loopbp benchmark of elementary functions", 1

#: Numbers of a call: with what comes out, 64 KiB in float64.
NUMBERS = 4096

#: The largest distance that passes, where NumPy has the function and where its users write it.
ULPS, ULPS_BY_HAND = 4.0, 16.0

#: A ufunc, or what stands for one: called with an array and where the result goes.
Ufunc = Callable[[FloatArray, FloatArray], object]


@dataclass(frozen=True)
class Function:
    """A function of `kernels.elementary`, NumPy's for it, and the range of its arguments."""

    name: str
    numpy: Ufunc
    low: float
    high: float
    by_hand: bool = False


def _sigmoid(x: FloatArray, out: FloatArray) -> None:
    """1 / (1 + e**-x) without a temporary array."""
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, 1, out)
    np.divide(1, out, out)


def _softplus(x: FloatArray, out: FloatArray) -> None:
    np.logaddexp(0, x, out)


FUNCTIONS = (
    Function("exp", np.exp, -5, 5),
    Function("log", np.log, 0.1, 5),
    Function("log1p", np.log1p, -0.5, 5),
    Function("expm1", np.expm1, -5, 5),
    Function("tanh", np.tanh, -5, 5),
    Function("sigmoid", _sigmoid, -5, 5, by_hand=True),
    Function("softplus", _softplus, -5, 5, by_hand=True),
    Function("sin", np.sin, -5, 5),
    Function("cos", np.cos, -5, 5),
)


@dataclass(frozen=True)
class Timed:
    """A function in one dtype: seconds per number in every round, ours and NumPy's."""

    name: str
    dtype: str
    ours: tuple[float, ...]
    numpy: tuple[float, ...]

    @property
    def ratio(self) -> Ratio:
        """NumPy's time over ours."""
        return ratio(self.numpy, self.ours, paired=True)


def measure(
    method: Method, report: Callable[[Progress], None] = lambda state: None
) -> tuple[Timed, ...]:
    """All functions in both dtypes, in this process. Raises `ArithmeticError` if one is wrong."""
    cases = [(function, dtype) for dtype in DTYPES for function in FUNCTIONS]
    found = []
    for done, (function, dtype) in enumerate(cases):
        report(Progress(f"{function.name} in {dtype}", done, len(cases)))
        found.append(_measure(function, dtype, method))
    report(Progress("done", len(cases), len(cases)))
    return tuple(found)


def _measure(function: Function, dtype: str, method: Method) -> Timed:
    """Interleaved rounds of both, once their results have been compared."""
    spread = draws.uniform(draws.source(0), (1, NUMBERS)) * (function.high - function.low)
    x = (spread + function.low).astype(dtype)
    ours, theirs = np.empty_like(x), np.empty_like(x)
    loop = compile.bind(tiled.output, getattr(elementary, function.name))
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: loop(ours, x),
        "numpy": lambda: function.numpy(x, theirs),
    }
    for call in calls.values():
        call()
    furthest = float(ulps(ours, theirs).max())
    if not furthest <= (ULPS_BY_HAND if function.by_hand else ULPS):
        raise ArithmeticError(
            f"{function.name} in {dtype}: NumPy's result is {furthest:g} ulps from ours"
        )
    contenders = {
        name: Contender(reset=nothing, run=timed(call), result=lambda: ours)
        for name, call in calls.items()
    }
    warm = {name: timing.warm_up(one, method).calls for name, one in contenders.items()}
    samples = timing.rounds(contenders, warm, method)
    per_number = {
        name: tuple(second / NUMBERS for second in seconds) for name, seconds in samples.items()
    }
    return Timed(function.name, dtype, per_number["ours"], per_number["numpy"])


def table(results: tuple[Timed, ...], *, interval: bool = True) -> Table:
    """A row per function: the nanoseconds per number, and NumPy's time over ours, per dtype."""
    headings = [""]
    for dtype in DTYPES:
        headings += [f"{dtype}, ns", "NumPy's by it"]
    rows = []
    for function in FUNCTIONS:
        row = [function.name + (" (by hand)" if function.by_hand else "")]
        for dtype in DTYPES:
            one = next((r for r in results if (r.name, r.dtype) == (function.name, dtype)), None)
            row += [NONE, NONE] if one is None else [
                f"{1e9 * summarise(one.ours).median:.2f}",
                in_words(one.ratio, interval=interval),
            ]  # fmt: skip
        rows.append(tuple(row))
    return Table("Elementary functions, per number", tuple(headings), tuple(rows))


def write(results: tuple[Timed, ...], folder: Path) -> None:
    """functions.json, every sample, and functions.md, the table; each whole or not at all."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dataclasses.asdict(machine.machine()),
        "software": machine.software(),
        "numbers": NUMBERS,
        "results": [dataclasses.asdict(result) for result in results],
    }
    with replacing(folder / "functions.json") as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    with replacing(folder / "functions.md") as file:
        file.write(_markdown(results).encode())


def _markdown(results: tuple[Timed, ...]) -> str:
    """The page: how, and the table."""
    found, rounds = table(results), len(results[0].ours)
    lines = [
        f"# {found.title}", "",
        f"{NUMBERS:,} numbers in the cache; one thread; {machine.machine().processor}; NumPy "
        f"{np.__version__}; the median of {rounds} interleaved rounds, and a bootstrap interval of "
        "the ratio. By hand: sigmoid is four ufuncs, softplus is `logaddexp(0, x)`.", "",
    ]  # fmt: skip
    lines += ["| " + " | ".join(found.headings) + " |", "|---" * len(found.headings) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in found.rows]
    return "\n".join(lines) + "\n"
