"""Mistakes of the forward pass."""

from __future__ import annotations

from .case import on_every, on_last, square
from .mistake import FORWARD, Mistake

FORWARD_PASS: tuple[Mistake, ...] = (
    Mistake(
        name="bias-left-out",
        title="the bias is left out of the weighted sum",
        wrong="S_j = Σ_{i≥1} w_ij x_i",
        right="S_j = w_0j + Σ_{i≥1} w_ij x_i",
        explanation="Node 0 of every layer is the constant 1, and its weight is the bias.",
        hint="Add the bias, or give x a column of ones.",
        stage=FORWARD,
        line="bias of the sum",
        layers=on_every(),
    ),
    Mistake(
        name="transposed-forward",
        title="the weights are transposed in the forward pass",
        wrong="S_j = w_0j + Σ_i w_ji x_i",
        right="S_j = w_0j + Σ_i w_ij x_i",
        explanation="w_ij leads from i to j; of a square matrix the wrong product has a shape "
        "that fits.",
        hint="Check x @ W against x @ W.T for the way your weights are stored.",
        stage=FORWARD,
        line="weights of the sum",
        layers=lambda case: [l for l in case.every if square(case, l)],
    ),
    Mistake(
        name="softmax-over-batch",
        title="softmax is taken over the batch instead of the classes",
        wrong="x_nj = e^S_nj / Σ_m e^S_mj",
        right="x_nj = e^S_nj / Σ_k e^S_nk",
        explanation="The outputs of one example have to sum to 1, not those of one class.",
        hint="Sum along the axis of the classes, and keep its dimension.",
        stage=FORWARD,
        line="softmax",
        layers=on_last(lambda case: case.softmax),
        by_layer=False,
    ),
)
