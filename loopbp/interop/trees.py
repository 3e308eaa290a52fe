"""Weights and biases in nested lists and dicts, as hand-written JAX programs keep them.

A layer is a pair (W, b), or a dict with the keys of one of `KEYS`, the biases perhaps left out; W
is (n_l, n_{l+1}), (in, out). Layers lie in lists or tuples, in their order, or in dicts, in the
order of the numbers in their keys (`Dense_10` after `Dense_2`), or else in the only one in which
their sizes fit; nesting such as {"params": …} does not matter, nor do the empty tuples that some
libraries leave for activations. They may also lie in one list, [W, b, W, b], or in one dict, with
numbers behind the keys, {"W1", "b1", "W2", "b2"}, or lists under them, {"W": […], "b": […]}.
"""

from __future__ import annotations

import re
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
                yield from _layers_of(path, node, weight, bias)
                return
        if not all(isinstance(key, str) for key in node):
            raise refuse(path, "expected names as keys")
        numbered = _numbered(node)
        if numbered:
            for weight, bias in numbered:
                yield _layer_of(path, node, weight, bias)
            return
        inner = ends if len(node) == 1 else (None, None)
        groups = {
            key: list(_layers(f"{path}[{key!r}]", node[key], inner)) for key in in_order(node)
        }
        groups = {key: group for key, group in groups.items() if group}
        for key in arranged(groups, path, REMEDY, ends):
            yield from groups[key]
    elif isinstance(node, list | tuple):
        ranks = [_rank(part) for part in node]
        for k, child in enumerate(node):
            if ranks[k] == 2:
                biases = node[k + 1] if ranks[k + 1 : k + 2] == [1] else None
                yield _layer(f"{path}[{k}]", child, f"{path}[{k + 1}]", biases)
            elif ranks[k] != 1 or ranks[k - 1 : k] != [2]:
                yield from _layers(f"{path}[{k}]", child)
    else:
        keys = ", ".join(f"{{{weight!r}, {bias!r}}}" for weight, bias in KEYS)
        raise refuse(
            path, f"expected a layer, (W, b) or a dict {keys}, W (in, out); got {describe(node)}"
        )


def _layers_of(path: str, node: Mapping[str, Any], weight: str, bias: str) -> Iterator[Layer]:
    """The layer with these keys, or the layers if there are lists under them."""
    parts, biases = node[weight], node.get(bias)
    if not isinstance(parts, list | tuple) or not all(_rank(part) == 2 for part in parts):
        yield _layer_of(path, node, weight, bias)
        return
    if biases is not None and (not isinstance(biases, list | tuple) or len(biases) != len(parts)):
        raise refuse(f"{path}[{bias!r}]", f"expected {len(parts)} vectors, as there are matrices")
    for k, part in enumerate(parts):
        names = f"{path}[{weight!r}][{k}]", f"{path}[{bias!r}][{k}]"
        yield _layer(names[0], part, names[1], None if biases is None else biases[k])


def _numbered(node: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys of the layers' W and b, where all are those of one of `KEYS` with a number each."""
    for weight, bias in KEYS:
        numbers: dict[int, dict[str, str]] = {}
        for key in node:
            found = re.fullmatch(rf"({weight}|{bias})(_?)([0-9]{{1,9}})", key)
            if found is None or found[1] in numbers.setdefault(int(found[3]), {}):
                break
            numbers[int(found[3])][found[1]] = key
        else:
            if all(weight in keys for keys in numbers.values()):
                return [
                    (keys[weight], keys.get(bias, f"{bias}{number}"))
                    for number, keys in sorted(numbers.items())
                ]
    return []


def _layer_of(path: str, node: Mapping[str, Any], weight: str, bias: str) -> Layer:
    """The layer with these keys; the biases may be missing."""
    return _layer(f"{path}[{weight!r}]", node[weight], f"{path}[{bias!r}]", node.get(bias))


def _rank(node: Any) -> int | None:
    """The number of an array's axes; None for what is not an array."""
    return len(node.shape) if hasattr(node, "shape") and hasattr(node, "dtype") else None


def _layer(weight_name: str, weight: Any, bias_name: str, bias: Any) -> Layer:
    """The layer, as NumPy arrays."""
    biases = None if bias is None else numeric(bias_name, bias)
    return Layer(numeric(weight_name, weight), biases, weight_name, bias_name)
