"""Each example's own gradient: how hard it pulls, which way, and how much the examples agree.

Nothing here loads pandas or matplotlib until a frame or a picture is asked for.
"""

from .gradients import Block, PerExampleGradients, per_example_gradients
from .noise import Noise

__all__ = ["Block", "Noise", "PerExampleGradients", "per_example_gradients"]
