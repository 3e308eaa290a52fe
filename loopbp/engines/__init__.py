"""Engines: who computes the equations. A name, and the object that does the work.

| name | what it is | exact |
|---|---|---|
| `python` | the textbook functions, not compiled: for the debugger and for proof | yes |
| `textbook` | the same functions, compiled | yes, by definition |
| `tiled` | the same sums in the same order, tiled for registers and cache, threaded | yes |
| `numpy` | the vectorised twin in `reference.py` | within tolerance |
| `auto` | the fastest exact engine: `tiled` | yes |
"""

from __future__ import annotations

from ..checks import choice
from ..kernels import environment
from .base import Engine, are_sound
from .loops import LoopEngine
from .tables import ACTIVATIONS, OUTPUT_LOSSES, SUM_LOSSES
from .tiled import TiledEngine
from .twin import NumpyEngine

__all__ = ["ACTIVATIONS", "ENGINES", "OUTPUT_LOSSES", "SUM_LOSSES", "Engine", "are_sound", "find"]

ENGINES: dict[str, Engine] = {
    "python": LoopEngine("python", compiled=False),
    "textbook": LoopEngine("textbook", compiled=True),
    "tiled": TiledEngine(),
    "numpy": NumpyEngine(),
}
ENGINES["auto"] = ENGINES["tiled"]


def find(name: object) -> Engine:
    """The engine of that name.

    Raises `TypeError` or `ValueError` for anything else, and `FloatingPointError` where an exact
    engine could not be exact, because this thread flushes subnormal numbers to zero or does not
    round to nearest.
    """
    engine = ENGINES[choice("engine", name, ENGINES)]
    if engine.exact:
        environment.check()
    return engine
