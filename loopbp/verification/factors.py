"""A constant factor between two gradients, and which losses it may come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from .tensor import Tensor, eps, gap_between, ratio_of

#: Losses that are squares, and those of them that have a ½.
SQUARES, HALVED = {"sse", "half_sse", "mse"}, {"half_sse"}
#: Losses that are a sum over the outputs where others take a mean, and those that are the mean.
#: cross_entropy is neither: its sum over the classes has one term where there is a label.
SUMMED, AVERAGED = {"sse", "half_sse", "binary_cross_entropy"}, {"mse"}


def explanations(
    tensors: Sequence[Tensor], loss: str, examples: int, outputs: int, reduction: str
) -> Iterator[str]:
    """Sentences on the factor c ≠ 1 that makes theirs = c · ours within the bounds, if any."""
    if all(tensor.beyond == 0 for tensor in tensors):
        return
    ratio = ratio_of(tensors)
    if not np.isfinite(ratio) or ratio == 0:
        return
    near = [
        (value, words)
        for value, words in _factors(loss, examples, outputs, reduction)
        if abs(value / ratio - 1) < 0.01 and _fits(tensors, value)
    ]
    simplest = min((len(words) for _, words in near), default=0)
    for value, words in near:
        if len(words) == simplest:
            shown = Fraction(value).limit_denominator(10**6)
            yield f"{shown} · ours: {', and '.join(words)}"
    if not near and _fits(tensors, ratio):
        yield f"{ratio:.6g} · ours throughout: a constant factor in the loss"


def _fits(tensors: Sequence[Tensor], c: float) -> bool:
    """Whether theirs = c · ours within |c| times the bounds, rounded once more."""
    return all(
        bool(
            (
                gap_between(tensor.theirs, tensor.ours, c)
                <= abs(c) * (tensor.bound + eps(tensor.ours) * np.abs(tensor.ours))
            ).all()
        )
        for tensor in tensors
    )


def _factors(
    loss: str, N: int, outputs: int, reduction: str
) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Factors that this loss may be off by, and in words what theirs has that ours has not."""
    groups = (_of_examples(N, reduction), _of_outputs(loss, outputs), _of_halves(loss))
    sign = [(-1.0, "the opposite sign: −∂f/∂w, or a loss to be maximised")]
    for combination in product(*([None, *group] for group in (*groups, sign))):
        chosen = [part for part in combination if part is not None]
        if chosen:
            value = float(np.prod([value for value, _ in chosen]))
            yield value, tuple(words for _, words in chosen)


def _of_examples(N: int, reduction: str) -> list[tuple[float, str]]:
    """N and 1/N where ours is the mean; 1/N where it is the sum."""
    if N == 1:
        return []
    if reduction == "sum":
        return [(1 / N, f"their loss is the mean over the {N} examples, ours the sum")]
    return [
        (float(N), f"their loss is the sum over the {N} examples, ours the mean"),
        (1 / N, "the examples are averaged twice over"),
    ]


def _of_outputs(loss: str, outputs: int) -> list[tuple[float, str]]:
    """n_L where ours is a mean over the outputs, 1/n_L where it is a sum that may be one."""
    if outputs == 1 or loss not in SUMMED | AVERAGED:
        return []
    if loss in AVERAGED:
        return [(float(outputs), f"their loss is a sum over the {outputs} outputs, ours is not")]
    return [(1 / outputs, f"their loss is a mean over the {outputs} outputs, ours is not")]


def _of_halves(loss: str) -> list[tuple[float, str]]:
    """2 where ours has a ½, ½ where it is a square without one."""
    if loss in HALVED:
        return [(2.0, "ours has a ½ that theirs has not")]
    return [(0.5, "their loss has a ½ that ours has not")] if loss in SQUARES else []
