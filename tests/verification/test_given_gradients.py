"""`loopbp.verify` on gradients from anywhere: nothing but NumPy is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from architectures import two_two_one

import loopbp
from loopbp.rounding import gradient_bounds

X = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
Y = np.array([[0.5], [-1.0], [2.0]])


def gradients(engine: str = "numpy") -> list[Any]:
    """Those of the independent twin."""
    grad = two_two_one().backprop(X, Y, engine=engine).grad
    assert grad is not None
    return [part.copy() for part in grad]


def test_every_form_of_a_gradient_is_taken() -> None:
    matrices = gradients()
    flat = np.concatenate([part.ravel() for part in matrices])
    pairs = [(part[1:], part[0]) for part in matrices]
    named = {f"l{l}": {"w": part[1:], "b": part[0]} for l, part in enumerate(matrices)}
    for given in (matrices, tuple(matrices), flat, pairs, named):
        found = loopbp.verify(given, X, Y, net=two_two_one())
        assert found.passed and found.entries == 9


def test_the_exact_engine_agrees_with_itself_to_the_last_bit() -> None:
    found = loopbp.verify(gradients("textbook"), X, Y, net=two_two_one())
    assert found.frame["max_ulps"].tolist() == [0] * 4
    assert found.frame["max_error"].tolist() == [0] * 4


def test_the_reduction_is_compared_as_it_was_said() -> None:
    summed = [3 * part for part in gradients()]
    assert loopbp.verify(summed, X, Y, net=two_two_one(), reduction="sum").passed
    found = loopbp.verify(summed, X, Y, net=two_two_one())
    assert found.explanations == (
        "3 · ours: their loss is the sum over the 3 examples, ours the mean",
    )


STORIES = [
    # 5 examples, 3 outputs. cross_entropy has neither a ½ nor a mean over the outputs
    ("cross_entropy", "mean", 3, "3 · ours throughout: a constant factor in the loss"),
    ("cross_entropy", "mean", 2, "2 · ours throughout: a constant factor in the loss"),
    ("cross_entropy", "mean", 0.5, "0.5 · ours throughout: a constant factor in the loss"),
    ("cross_entropy", "mean", 5, "5 · ours: their loss is the sum over the 5 examples, ours the"),
    ("cross_entropy", "mean", -1, "-1 · ours: the opposite sign"),
    # BCELoss of PyTorch is a mean over examples and outputs
    ("binary_cross_entropy", "mean", 1 / 3, "1/3 · ours: their loss is a mean over the 3 outputs"),
    ("binary_cross_entropy", "mean", 2, "2 · ours throughout"),
    # sse is the sum, without a ½
    ("sse", "mean", 3, "3 · ours throughout"),
    ("sse", "mean", 2, "2 · ours throughout"),
    ("sse", "mean", 0.5, "1/2 · ours: their loss has a ½ that ours has not"),
    ("half_sse", "mean", 2, "2 · ours: ours has a ½ that theirs has not"),
    ("half_sse", "mean", 0.5, "0.5 · ours throughout"),
    ("mse", "mean", 3, "3 · ours: their loss is a sum over the 3 outputs, ours is not"),
    ("mse", "mean", 1 / 3, "0.333333 · ours throughout"),
    # what is summed already cannot be summed over once more
    ("sse", "sum", 5, "5 · ours throughout"),
    ("sse", "sum", 1 / 5, "1/5 · ours: their loss is the mean over the 5 examples, ours the sum"),
]


@pytest.mark.parametrize(("loss", "reduction", "factor", "story"), STORIES)
def test_a_factor_is_explained_by_what_the_loss_can_have(
    loss: str, reduction: str, factor: float, story: str
) -> None:
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "tanh")
    net = loopbp.Network([2, 4, 3], output=output, loss=loss, seed=1)
    inputs = np.random.default_rng(0).standard_normal((5, 2))
    targets = np.eye(3)[[0, 1, 2, 1, 0]]
    grad = net.backprop(inputs, targets, reduction=reduction).grad
    assert grad is not None
    theirs = [factor * part for part in grad]
    found = loopbp.verify(theirs, inputs, targets, net=net, reduction=reduction)
    (explanation,) = found.explanations
    assert explanation.startswith(story)


def test_almost_a_factor_is_not_taken_for_one() -> None:
    nearly = [2 * part for part in gradients()]
    nearly[1][0, 0] *= 1 + 1e-6
    assert loopbp.verify(nearly, X, Y, net=two_two_one()).explanations == ()
    nearly[1][0, 0] /= 1 + 1e-6
    assert len(loopbp.verify(nearly, X, Y, net=two_two_one()).explanations) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_what_is_not_a_number_differs(value: float) -> None:
    wrong = gradients()
    wrong[1][2, 0] = value
    found = loopbp.verify(wrong, X, Y, net=two_two_one())
    assert found.verdict == "differ" and found.beyond == 1
    assert (found.worst.layer, found.worst.i, found.worst.j) == (1, 2, 1)
    assert "beyond rounding" in str(found)


def test_one_entry_beyond_its_bound_is_enough_and_one_within_is_none() -> None:
    found = loopbp.verify(gradients("textbook"), X, Y, net=two_two_one())
    bound = float(found.tensors[1].bound[1, 0])
    for share, beyond in ((0.9, 0), (1.1, 1)):
        moved = gradients("textbook")
        moved[0][2, 0] += share * bound
        again = loopbp.verify(moved, X, Y, net=two_two_one())
        assert again.beyond == beyond
        assert again.worst.bound == pytest.approx(bound)
        assert again.frame["of_bound"].max() == pytest.approx(share, rel=0.05)


def test_the_bound_is_that_of_two_careful_computations() -> None:
    found = loopbp.verify(gradients(), X, Y, net=two_two_one())
    for l, E in enumerate(gradient_bounds(found.trace).grad):
        biases, weights = found.tensors[2 * l : 2 * l + 2]
        assert np.vstack([biases.bound, weights.bound]).tolist() == (2 * E).tolist()


def test_a_network_whose_gradient_is_all_zero() -> None:
    net = loopbp.Network([2, 2, 2], "relu", "identity", "sse", init="zeros")
    net.W[0][0] = -1  # every relu is off
    grad = net.backprop(X, X, engine="textbook").grad
    assert grad is not None
    assert loopbp.verify(list(grad), X, X, net=net).passed
    wrong = [part.copy() for part in grad]
    wrong[0][0, 0] = 1e-30
    assert not loopbp.verify(wrong, X, X, net=net).passed


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (gradients(), {}, "net: expected the loopbp.Network whose gradients these are; got None"),
    (gradients(), {"net": two_two_one(), "hidden": "tanh"}, "hidden: not with this kind"),
    (gradients()[:1], {"net": two_two_one()}, "gradients: expected 2 layers; got 1"),
    (np.zeros(8), {"net": two_two_one()}, "gradients: expected 9 derivatives; got 8"),
    (
        [part.astype(np.float32) for part in gradients()],
        {"net": two_two_one()},
        r"gradients\[0\]: expected float64.*got float32",
    ),
    (
        [part.T for part in gradients()],
        {"net": two_two_one()},
        r"gradients\[0\]: expected shape",
    ),
    ("gradients", {"net": two_two_one()}, "gradients: expected a layer"),
    (object(), {}, "is no PyTorch model"),
]


@pytest.mark.parametrize(("given", "options", "message"), REFUSED)
def test_what_does_not_fit_is_refused(given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        loopbp.verify(given, X, Y, **options)


def test_the_number_of_arguments() -> None:
    with pytest.raises(TypeError, match=r"expected \(model, X, Y\).*; got 2 arguments"):
        loopbp.verify(gradients(), X)
    with pytest.raises(TypeError, match="expected a function of"):
        loopbp.verify(gradients(), gradients(), X, Y, loss="mse")
