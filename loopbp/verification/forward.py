"""Where gradients differ: whether the forward pass and the loss differed before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..interop.layers import Computed
from ..rounding import EVALUATION, Bounds, forward_bounds, loss_bound
from ..trace import Trace
from .tensor import RESOLVED, Tensor

#: How much better outputs and loss are known than the error in the gradients, where that is said
#: to arise on the way back.
TIGHT = 0.01
#: What a model may give out.
KINDS = {
    "S": "the weighted sums of the last layer",
    "x": "the outputs of the last activation",
    "ln x": "the logarithms of the outputs",
}
#: What to look at where another network was described than the model computes.
DESCRIPTION = "check hidden=, output=, and that every layer is used once, in this order"


class Before(NamedTuple):
    """What comes before the gradients.

    sentence: what differs there, or that nothing does; empty where nobody can tell. right: outputs
    and loss are right, and known so well that a difference of the gradients arises after them.
    """

    sentence: str = ""
    right: bool = False


def before_the_gradients(
    computed: Computed, trace: Trace, factor: float, tensors: Sequence[Tensor]
) -> Before:
    """The forward pass and the loss, as far as the library's are known.

    `factor`, what their loss is expected to be times ours; the tensors of gradients differ.
    """
    fits = _fitting(computed.outputs, trace)
    if fits == ():
        return Before(
            "the outputs differ before any gradient does: the model does not compute the network "
            f"described; {DESCRIPTION}"
        )
    takes = computed.takes
    if fits and takes and not set(fits) & set(takes):
        wanted = " or ".join(KINDS[kind] for kind in takes)
        return Before(
            f"the model gives {KINDS[fits[0]]}, and the loss takes {wanted}: the last activation "
            "is missing, or is there twice"
        )
    error = max(tensor.distance for tensor in tensors)
    losses = _losses_agree(computed, trace, factor, error)
    if losses is False:
        what = "the loss is" if fits else "the forward pass or the loss is"
        advice = "check loss= and reduction=" if fits else f"{DESCRIPTION}, and loss="
        return Before(
            f"the losses differ before any gradient does: {what} not the one described; {advice}"
        )
    if fits and losses and _told_by_outputs(trace) and _is_tight(computed.outputs, trace, error):
        return Before("outputs and loss agree: the difference arises on the way back", True)
    return Before()


def other_loss(computed: Computed, trace: Trace, factor: float) -> tuple[str, ...]:
    """A note where gradients agree and losses do not."""
    if _losses_agree(computed, trace, factor, np.inf) is not False:
        return ()
    return ("the losses differ, by something that has no gradient here: a constant, perhaps",)


# --- Outputs. -----------------------------------------------------------------------------------


def _fitting(theirs: NDArray[Any] | None, trace: Trace) -> tuple[str, ...] | None:
    """Which of `KINDS` theirs are, within rounding; None where nobody can tell."""
    for likely in (False, True):
        kinds = _kinds(theirs, trace, likely)
        if kinds is not None and kinds["S"].resolution <= RESOLVED:
            return tuple(name for name, kind in kinds.items() if kind.within)
    return None


def _is_tight(theirs: NDArray[Any] | None, trace: Trace, error: float) -> bool:
    """Whether theirs are one of `KINDS` up to a small share of this relative error."""
    kinds = _kinds(theirs, trace, True) or {}
    return any(kind.within and kind.resolution <= TIGHT * error for kind in kinds.values())


def _told_by_outputs(trace: Trace) -> bool:
    """Whether the outputs depend on what the layers below give."""
    return all(bool(W[1:].any()) for W in trace.W[1:])


class _Kind(NamedTuple):
    """|theirs − ours| ≤ 2 E everywhere; and the median of E / |ours|."""

    within: bool
    resolution: float


def _kinds(theirs: NDArray[Any] | None, trace: Trace, likely: bool) -> dict[str, _Kind] | None:
    """Theirs beside S, x and ln x of the last layer, with E; None if they are something else."""
    S, x = trace.S[-1].astype(np.float64), trace.x[-1].astype(np.float64)
    shapes = (x.shape, x.shape[:1]) if x.shape[1] == 1 else (x.shape,)
    if theirs is None or theirs.shape not in shapes or theirs.dtype != trace.x[-1].dtype:
        return None
    values = theirs.reshape(x.shape).astype(np.float64)
    E = forward_bounds(trace, likely=likely)
    kinds = {"S": (S, E.S[-1]), "x": (x, E.x[-1])}
    if trace.architecture.activations[-1] in ("softmax", "sigmoid"):
        kinds["ln x"] = _logarithm(x, E.x[-1], float(np.finfo(theirs.dtype).eps))
    with np.errstate(invalid="ignore", over="ignore"):
        return {
            name: _Kind(bool((np.abs(values - ours) <= 2 * bound).all()), _typical(bound, ours))
            for name, (ours, bound) in kinds.items()
        }


def _logarithm(x: Bounds, E: Bounds, eps: float) -> tuple[Bounds, Bounds]:
    """ln x and its E."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.log(x)
        moved = -np.log1p(-np.minimum(2 * E / x, 1))
        bound = moved + EVALUATION * eps * (1 + np.abs(value))
    return value, np.where(np.isnan(bound), np.inf, bound)


def _typical(bound: Bounds, values: Bounds) -> float:
    """The median of bound / |value| over the values that are not 0; 0 if there are none."""
    known = values != 0
    with np.errstate(over="ignore", invalid="ignore"):
        share = bound[known] / np.abs(values[known])
    return float(np.median(share)) if known.any() else 0.0


# --- The loss. ----------------------------------------------------------------------------------


def _losses_agree(computed: Computed, trace: Trace, factor: float, error: float) -> bool | None:
    """Whether the losses are within rounding; None where nobody can tell.

    They may have the factor that gradients are expected to have, or only the library's own. That
    they agree is said where they are known to a small share of this relative error.
    """
    theirs = computed.loss
    if theirs is None or trace.loss is None:
        return None
    ours, eps = float(trace.loss), float(np.finfo(trace.architecture.dtype).eps)
    guaranteed, likely = (loss_bound(trace, likely=k) + eps * abs(ours) for k in (False, True))

    def within(E: float) -> bool:
        factors = (factor, computed.factor)
        return any(abs(theirs - c * ours) <= 2 * abs(c) * E for c in factors)

    if not within(guaranteed if guaranteed <= RESOLVED * abs(ours) else likely):
        return False
    known = likely <= TIGHT * error * abs(ours) and within(likely)
    return True if known else None
