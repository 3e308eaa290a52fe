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
    "one list": [W, B, V, C],
    "one dict with numbers": {"W1": W, "W2": V, "b1": B, "b2": C},
    "one dict with underscores and ten before nine": {"w_10": V, "w_9": W, "b_10": C, "b_9": B},
    "lists under names": {"weights": [W, V], "biases": [B, C]},
    "one wrapped dict": {"params": {"kernel0": W, "bias0": B, "kernel1": V, "bias1": C}},
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
    for tree in ([W, V, C], {"W1": W, "W2": V, "b2": C}):
        first, second = layers_of(tree, "p")
        assert first.bias is None and first.weight.tolist() == W.tolist()
        assert second.bias is not None and second.bias.tolist() == C.tolist()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([B, W, C, V], r"p\[0\]: expected a layer"),
        ([W, B, C, V], r"p\[2\]: expected a layer"),
        ({"W1": W, "b1": B, "b2": C}, r"p\['W1'\]: expected a layer"),
        ({"W": [W, V], "b": [B]}, r"p\['b'\]: expected 2 vectors, as there are matrices"),
        ({"W1": W, "w2": V}, r"p\['W1'\]: expected a layer"),
        ({"W1": W, "W_1": V}, r"p\['W1'\]: expected a layer"),
        ([(W, B), {"weight": V, "bias": C}], r"p\[1\]\['bias'\]: expected a layer"),
        ([(W, "b")], r"p\[0\]\[1\]: expected a layer"),
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


def square(value: float) -> tuple[Any, Any]:
    """A layer of 2 inputs and 2 outputs."""
    return np.full((2, 2), value), np.full(2, value)


def test_what_differs_in_numbers_alone_keeps_its_order_among_other_names() -> None:
    tree = {"hidden10": square(10), "hidden9": square(9), "last": (V, C), "first": (W, B)}
    found = layers_of(tree, "p")
    assert [layer.weight[0, 0] for layer in found] == [1, 9, 10, 9]
    with pytest.raises(ValueError, match="in several orders, the layers first .3 to 2., last"):
        layers_of({"right": square(1), "left": square(2), "last": (V, C), "first": (W, B)}, "p")


def test_the_order_ends_with_as_many_outputs_as_there_are_targets() -> None:
    # 2 to 1 and 1 to 2: either may be the last, unless the targets have one column
    tree = {"one": (V, C), "two": (V.T, np.ones(2)), "three": square(1)}
    with pytest.raises(ValueError, match="in several orders"):
        layers_of(tree, "p", (2, None))
    tree.pop("three")
    assert layers_of(tree, "p", (None, 1))[0].weight.shape == (1, 2)
    assert layers_of(tree, "p", (None, 2))[0].weight.shape == (2, 1)


def test_an_order_is_not_taken_for_the_only_one_before_all_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = {"decoder": (V, C), "encoder": (W, B)}
    monkeypatch.setattr("loopbp.interop.layers.MOST_TRIES", 4)  # the last one finds it
    with pytest.raises(ValueError, match="fit one after the other"):
        layers_of(tree, "p")
    monkeypatch.setattr("loopbp.interop.layers.MOST_TRIES", 5)
    assert layers_of(tree, "p")[0].weight.shape == (3, 2)
