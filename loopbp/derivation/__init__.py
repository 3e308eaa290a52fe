"""One weight's derivation: formula, numbers, paths."""

from .explanation import Derivation, explain
from .names import parse
from .notation import NOTATIONS
from .paths import Path, Paths, Work
from .worked import INPUT, TARGET, worked_network

__all__ = [
    "INPUT",
    "NOTATIONS",
    "TARGET",
    "Derivation",
    "Path",
    "Paths",
    "Work",
    "explain",
    "parse",
    "worked_network",
]
