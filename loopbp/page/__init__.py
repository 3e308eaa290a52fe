"""One HTML page of a small network that can be played with: every number, and why it is that."""

from .build import MOST_LAYERS, MOST_NODES, render, write

__all__ = ["MOST_LAYERS", "MOST_NODES", "render", "write"]
