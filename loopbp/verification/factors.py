"""A constant factor between two gradients, and which losses it may come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

import numpy as np

from .tensor import Tensor, eps, gap_between, ratio_of


def explanations(
    tensors: Sequence[Tensor], examples: int, outputs: int, reduction: str
) -> Iterator[str]:
    """Sentences on the factor c ≠ 1 that makes theirs = c · ours within the bounds, if any."""
    if all(tensor.beyond == 0 for tensor in tensors):
        return
    ratio = ratio_of(tensors)
    if not np.isfinite(ratio) or ratio == 0:
        return
    near = [
        (value, words)
        for value, words in _factors(examples, outputs, reduction)
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


def _factors(N: int, outputs: int, reduction: str) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Factors that losses differ by, and in words what theirs would have that ours has not."""
    examples = (
        (float(N), f"their loss is the sum over the {N} examples, ours the mean")
        if reduction == "mean"
        else (1 / N, f"their loss is the mean over the {N} examples, ours the sum")
    )
    choices: list[list[tuple[float, str]]] = [
        [examples, (1 / examples[0], "the examples are averaged twice over")],
        [
            (1 / outputs, f"their loss is a mean over the {outputs} outputs, ours is not"),
            (float(outputs), f"their loss is a sum over the {outputs} outputs, ours is not"),
        ],
        [(0.5, "their loss has a ½ that ours has not"), (2.0, "ours has a ½ that theirs has not")],
        [(-1.0, "the opposite sign: −∂f/∂w, or a loss to be maximised")],
    ]
    if N == 1:
        choices[0] = []
    if outputs == 1:
        choices[1] = []
    for combination in product(*([None, *group] for group in choices)):
        chosen = [part for part in combination if part is not None]
        if chosen:
            value = float(np.prod([value for value, _ in chosen]))
            yield value, tuple(words for _, words in chosen)
