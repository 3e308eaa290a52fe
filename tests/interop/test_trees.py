"""Weights and biases in nested lists and dicts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from loopbp.interop.trees import layers_of

W, B = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([7.0, 8.0])
V, C = np.array([[9.0], [10.0]]), np.array([11.0])


class Pair(NamedTuple):
    w: Any
    b: Any


TREES: dict[str, Any] = {
    "pairs": [(W, B), (V, C)],
    "lists": [[W, B], [V, C]],
    "named tuples": (Pair(W, B), Pair(V, C)),
    "empty tuples between": [(W, B), (), (V, C), ()],
    "w and b": [{"w": W, "b": B}, {"b": C, "w": V}],
    "weights and biases": [{"weights": W, "biases": B}, {"weights": V, "biases": C}],
    "kernel and bias": {"Dense_0": {"kernel": W, "bias": B}, "Dense_1": {"bias": C, "kernel": V}},
    "wrapped": {
        "params": {"Dense_1": {"kernel": V, "bias": C}, "Dense_0": {"kernel": W, "bias": B}}
    },
    "numbers of two digits": {"l10": {"W": V, "b": C}, "l9": {"W": W, "b": B}},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_layers_are_found_in_their_order(tree: Any) -> None:
    first, second = layers_of(tree, "parameters")
    assert first.bias is not None and second.bias is not None
    assert (first.weight.tolist(), first.bias.tolist()) == (W.tolist(), B.tolist())
    assert (second.weight.tolist(), second.bias.tolist()) == (V.tolist(), C.tolist())


def test_the_place_in_the_tree_is_the_name() -> None:
    assert layers_of(TREES["pairs"], "p")[1][2:] == ("p[1][0]", "p[1][1]")
    assert layers_of(TREES["kernel and bias"], "p")[0].bias_name == "p['Dense_0']['bias']"


def test_biases_may_be_missing() -> None:
    (layer,) = layers_of({"w": W}, "p")
    assert layer.bias is None


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([W, V], r"p\[0\]: expected a layer"),
        ([(W, B), {"weight": V, "bias": C}], r"p\[1\]\['bias'\]: expected a layer"),
        ([(W, "b")], r"p\[0\]\[0\]: expected a layer"),
        ({0: (W, B)}, "p: expected names as keys"),
        (None, "p: expected a layer.*got None"),
        ([(W.astype(complex), B)], r"p\[0\]\[0\]: expected an array of real numbers"),
    ],
)
def test_what_is_no_layer_is_refused_by_its_place(tree: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        layers_of(tree, "p")


def test_names_without_numbers_come_in_the_order_that_fits() -> None:
    found = layers_of({"decoder": (V, C), "encoder": (W, B)}, "p")
    assert [layer.weight.shape for layer in found] == [(3, 2), (2, 1)]


def test_the_examples_may_decide_the_order_and_otherwise_it_is_refused() -> None:
    tree = {"decoder": (W.T, np.ones(3)), "encoder": (W, B)}
    assert layers_of(tree, "p", (3, 3))[0].weight.shape == (3, 2)
    with pytest.raises(ValueError, match=r"p: in several orders.*decoder.*encoder.*list"):
        layers_of(tree, "p")
