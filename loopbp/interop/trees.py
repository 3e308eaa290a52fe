"""Weights and biases in nested lists and dicts, as hand-written JAX programs keep them.

A layer is a pair (W, b), or a dict with the keys of one of `KEYS`, the biases perhaps left out; W
is (n_l, n_{l+1}), (in, out). Layers lie in lists or tuples, in their order, or in dicts, in the
order of the numbers in their keys (`Dense_10` after `Dense_2`), or else in the only one in which
their sizes fit; nesting such as {"params": …} does not matter, nor do the empty tuples that some
libraries leave for activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..checks import describe, numeric
from .layers import Layer, arranged, in_order, refuse

#: What helps where a dict does not say the order of its layers.
REMEDY = "keep them in a list, or number their names (JAX itself sorts the keys of a dict)"

#: The names of weights and biases; all with W (in, out).
KEYS = (("w", "b"), ("W", "b"), ("weights", "biases"), ("kernel", "bias"))


def layers_of(
    tree: Any, argument: str, ends: tuple[int | None, int | None] = (None, None)
) -> list[Layer]:
    """The layers in the tree; `argument` names it in messages, `ends` are n_0 and n_L if known.

    Raises `ValueError` or `TypeError` for anything that is not a layer, by its place in the tree.

    >>> import numpy as np
    >>> W, b = np.ones((3, 2)), np.zeros(2)
    >>> layers_of({"params": {"Dense_0": {"kernel": W, "bias": b}}}, "parameters")[0].weight_name
    "parameters['params']['Dense_0']['kernel']"
    """
    return list(_layers(argument, tree, ends))


def _layers(
    path: str, node: Any, ends: tuple[int | None, int | None] = (None, None)
) -> Iterator[Layer]:
    """The layers below a place in the tree."""
    if isinstance(node, Mapping):
        for weight, bias in KEYS:
            if weight in node and set(node) <= {weight, bias}:
                yield _layer(
                    f"{path}[{weight!r}]", node[weight], f"{path}[{bias!r}]", node.get(bias)
                )
                return
        if not all(isinstance(key, str) for key in node):
            raise refuse(path, "expected names as keys")
        inner = ends if len(node) == 1 else (None, None)
        groups = {
            key: list(_layers(f"{path}[{key!r}]", node[key], inner)) for key in in_order(node)
        }
        groups = {key: group for key, group in groups.items() if group}
        for key in arranged(groups, path, REMEDY, ends):
            yield from groups[key]
    elif isinstance(node, list | tuple):
        if len(node) == 2 and [_rank(part) for part in node] == [2, 1]:
            yield _layer(f"{path}[0]", node[0], f"{path}[1]", node[1])
            return
        for k, child in enumerate(node):
            yield from _layers(f"{path}[{k}]", child)
    else:
        keys = ", ".join(f"{{{weight!r}, {bias!r}}}" for weight, bias in KEYS)
        raise refuse(
            path, f"expected a layer, (W, b) or a dict {keys}, W (in, out); got {describe(node)}"
        )


def _rank(node: Any) -> int | None:
    """The number of an array's axes; None for what is not an array."""
    return len(node.shape) if hasattr(node, "shape") and hasattr(node, "dtype") else None


def _layer(weight_name: str, weight: Any, bias_name: str, bias: Any) -> Layer:
    """The layer, as NumPy arrays."""
    biases = None if bias is None else numeric(bias_name, bias)
    return Layer(numeric(weight_name, weight), biases, weight_name, bias_name)
