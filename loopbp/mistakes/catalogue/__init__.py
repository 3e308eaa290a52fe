"""The classic wrong backprops, as data: each is one changed line of the derivation.

A mistake acts on a line (`line`) in some layers. Two mistakes go together unless they change the
same line in the same layer. `layers` says in which layers of a given case the line could be wrong
so that it could run at all: a transposed matrix, for one, has to be square.
"""

from .case import BY_X, Case
from .decay import DECAY
from .forward import FORWARD_PASS
from .gradient import GRADIENTS
from .loss import LOSS
from .mistake import BACKWARD, FORWARD, GRADIENT, UPDATE, Atom, Mistake
from .slope import SLOPE
from .step import STEP
from .upstream import UPSTREAM

__all__ = [
    "BACKWARD", "BY_NAME", "BY_X", "CATALOGUE", "DECAY", "FORWARD", "GRADIENT", "UPDATE", "Atom",
    "Case", "Mistake",
]  # fmt: skip

CATALOGUE: tuple[Mistake, ...] = (
    *FORWARD_PASS, *LOSS, *SLOPE, *UPSTREAM, *GRADIENTS, *DECAY, *STEP,
)  # fmt: skip

BY_NAME = {mistake.name: mistake for mistake in CATALOGUE}
