"""What the loss is sensitive to: weights by |∂f/∂w|, and the three levers on a neuron.

Nothing here loads pandas or matplotlib until a frame or a picture is asked for.
"""

from .ranking import Sensitivity, sensitivity

__all__ = ["Sensitivity", "sensitivity"]
