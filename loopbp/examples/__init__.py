"""Worked examples of the literature on backpropagation, each to be run, checked and read.

    >>> from loopbp import examples
    >>> result = examples.run("apple")
    >>> all(check.passed for check in result.checks)
    True

`result.text` says what the numbers mean, `result.write(folder)` draws its figures.
"""

from .options import Options
from .registry import EXAMPLES, Example, ExampleFailedError, find, run
from .result import Check, Result

__all__ = [
    "EXAMPLES",
    "Check",
    "Example",
    "ExampleFailedError",
    "Options",
    "Result",
    "find",
    "run",
]
