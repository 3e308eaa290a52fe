"""Errors name what was typed, an option, where the library names the argument that it became."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

#: The examples are what --data names, whatever part of them an argument holds.
FROM_DATA = dict.fromkeys(("X", "Y", "validation X", "validation Y"), "data")

#: The name of an argument, and a place in it, at the beginning of a message.
_ARGUMENT = re.compile(r"([\w ]+)((?:\[\w+\])*): ")


@contextmanager
def named(**options: str) -> Iterator[None]:
    """Within the block, an error on one of these arguments names its option.

    options : by argument, as n="example": `n: expected …` becomes `example: expected …`.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as problem:
        found = _ARGUMENT.match(str(problem))
        if found is not None and found[1] in options:
            problem.args = (f"{options[found[1]]}{found[2]}: {str(problem)[found.end() :]}",)
        raise
