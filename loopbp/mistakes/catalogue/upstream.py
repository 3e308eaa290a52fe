"""Mistakes in Σ_k δ_k w_jk, the factor of δ that comes from the layer above."""

from __future__ import annotations

from .case import same_size, square
from .mistake import BACKWARD, Mistake

UPSTREAM: tuple[Mistake, ...] = (
    Mistake(
        name="transposed-backward",
        title="the weights are transposed in the backward pass",
        wrong="δ_j = (Σ_k δ_k w_kj) g′(S_j)",
        right="δ_j = (Σ_k δ_k w_jk) g′(S_j)",
        explanation="Going back, the sum is over the other index than going forward; of a square "
        "matrix the wrong product has a shape that fits.",
        hint="If forward is x @ W, backward is δ @ W.T.",
        stage=BACKWARD,
        line="weights of δ",
        layers=lambda case: [l for l in case.hidden if square(case, l + 1)],
    ),
    Mistake(
        name="bias-row-in-delta",
        title="the row of the biases is taken for that of node 1",
        wrong="δ_j = (Σ_k δ_k w_{j−1,k}) g′(S_j)",
        right="δ_j = (Σ_k δ_k w_jk) g′(S_j)",
        explanation="Row 0 of W holds the biases, and the constant node has no δ.",
        hint="Leave row 0 out: δ @ W[1:].T.",
        stage=BACKWARD,
        line="weights of δ",
        layers=lambda case: case.hidden,
    ),
    Mistake(
        name="weights-of-wrong-layer",
        title="δ comes back through the weights of the wrong layer",
        wrong="δ_j^(l) = (Σ_k δ_k^(l+1) w_jk^(l)) g′(S_j^(l))",
        right="δ_j^(l) = (Σ_k δ_k^(l+1) w_jk^(l+1)) g′(S_j^(l))",
        explanation="S^(l) acts on S^(l+1) through the weights above it.",
        hint="Count the layers once more: δ and w have the same layer, l + 1.",
        stage=BACKWARD,
        line="weights of δ",
        layers=lambda case: [
            l for l in case.hidden if same_size(case, l, l + 1) and same_size(case, l + 1, l + 2)
        ],
    ),
    Mistake(
        name="updated-while-going-back",
        title="weights are updated while going back",
        wrong="w^(l+1) ← w^(l+1) − η ∂f/∂w^(l+1), then δ^(l) with the new w^(l+1)",
        right="all δ with the old w, then w ← w − η ∂f/∂w everywhere",
        explanation="The gradient is taken at one point: all of it with the weights that the "
        "forward pass used.",
        hint="Go back through all layers first, then update all of them.",
        stage=BACKWARD,
        line="time of the update",
        layers=lambda case: case.hidden if case.has_eta else [],
        by_layer=False,
    ),
)
