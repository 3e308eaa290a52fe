"""A network small enough for the blackboard: two inputs, two hidden layers, two outputs.

All its numbers are short binary fractions, so that with identity every result is exact.
"""

from __future__ import annotations

from ..network import Network

INPUT = ((1.0, 2.0),)
TARGET = ((1.0, 0.0),)
WEIGHTS = (
    ((-0.5, -1.0), (1.0, 0.5), (-0.5, 1.0)),
    ((0.0, 1.0), (2.0, -1.0), (1.0, 2.0)),
    ((1.0, -1.0), (2.0, 1.0), (-0.5, 0.5)),
)


def worked_network(
    hidden: str = "identity",
    output: str = "identity",
    loss: str = "sse",
    dtype: str = "float64",
) -> Network:
    """The network 2-2-2-2 of `INPUT`, `TARGET` and `WEIGHTS`."""
    return Network([2, 2, 2, 2], hidden, output, loss, WEIGHTS, dtype=dtype)
