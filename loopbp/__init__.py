"""Backpropagation as the textbook writes it: explicit loops, compiled, bit for bit."""

import lazy_loader

__version__ = "0.1.0"

# Names are imported when they are first used, so that `import loopbp` stays light.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
