"""Where gradients differ: whether the forward pass and the loss differed before them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..interop.layers import Computed
from ..rounding import EVALUATION, Bounds, forward_bounds, loss_bound
from ..trace import Trace
from .tensor import RESOLVED

#: What to look at where another network was described than the model computes.
DESCRIPTION = "check hidden=, output=, and that every layer is used once, in this order"


def before_the_gradients(computed: Computed, trace: Trace, factor: float) -> str:
    """A sentence on the forward pass and the loss, as far as the library's are known; else "".

    `factor`, what their loss is expected to be times ours.
    """
    outputs = _outputs_agree(computed.outputs, trace)
    if outputs is False:
        return (
            "the outputs differ before any gradient does: the model does not compute the network "
            f"described; {DESCRIPTION}"
        )
    loss = _loss_agrees(computed.loss, trace, factor)
    if loss is False:
        what = "the loss is" if outputs else "the forward pass or the loss is"
        advice = "check loss= and reduction=" if outputs else f"{DESCRIPTION}, and loss="
        return f"the losses differ before any gradient does: {what} not the one described; {advice}"
    if outputs and loss:
        return "outputs and loss agree: the difference arises on the way back"
    return ""


def _outputs_agree(theirs: NDArray[Any] | None, trace: Trace) -> bool | None:
    """Whether theirs are x, S or ln x of the last layer; None where nobody can tell."""
    S, x = trace.S[-1].astype(np.float64), trace.x[-1].astype(np.float64)
    if theirs is None or theirs.size != x.size or theirs.dtype != trace.x[-1].dtype:
        return None
    values = theirs.reshape(x.shape).astype(np.float64)
    for likely in (False, True):
        E = forward_bounds(trace, likely=likely)
        if _typical(E.S[-1], S) <= RESOLVED:
            kinds = [(S, E.S[-1]), (x, E.x[-1])]
            if trace.architecture.activations[-1] in ("softmax", "sigmoid"):
                kinds.append(_logarithm(x, E.x[-1], float(np.finfo(theirs.dtype).eps)))
            return any(bool((np.abs(values - ours) <= 2 * bound).all()) for ours, bound in kinds)
    return None


def _logarithm(x: Bounds, E: Bounds, eps: float) -> tuple[Bounds, Bounds]:
    """ln x and its E."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(x)
        moved = -np.log1p(-np.minimum(2 * E / x, 1))
        bound = moved + EVALUATION * eps * (1 + np.abs(value))
    return value, np.where(np.isnan(bound), np.inf, bound)


def _typical(bound: Bounds, values: Bounds) -> float:
    """The median of bound / |value| over the values that are not 0; 0 if there are none."""
    known = values != 0
    return float(np.median(bound[known] / np.abs(values[known]))) if known.any() else 0.0


def _loss_agrees(theirs: float | None, trace: Trace, factor: float) -> bool | None:
    """Whether the losses are within rounding; None where nobody can tell."""
    if theirs is None or trace.loss is None:
        return None
    ours = factor * float(trace.loss)
    for likely in (False, True):
        bound = 2 * abs(factor) * loss_bound(trace, likely=likely)
        bound += abs(ours) * float(np.finfo(trace.architecture.dtype).eps)
        if bound <= RESOLVED * abs(ours) or bound == 0:
            return abs(theirs - ours) <= bound
    return None
