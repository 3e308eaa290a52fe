"""Mistakes in the step."""

from __future__ import annotations

from .case import on_every
from .mistake import UPDATE, Mistake

STEP: tuple[Mistake, ...] = (
    Mistake(
        name="ascent",
        title="the step goes up the gradient",
        wrong="w ← w + η ∂f/∂w",
        right="w ← w − η ∂f/∂w",
        explanation="The gradient points to where the loss grows.",
        hint="Subtract.",
        stage=UPDATE,
        line="sign of the step",
        layers=on_every(lambda case: case.has_eta),
        by_layer=False,
    ),
    Mistake(
        name="eta-left-out",
        title="the learning rate is left out of the step",
        wrong="w ← w − ∂f/∂w",
        right="w ← w − η ∂f/∂w",
        explanation="The step is η times the gradient.",
        hint="Multiply by η.",
        stage=UPDATE,
        line="size of the step",
        layers=on_every(lambda case: case.has_eta),
        by_layer=False,
    ),
    Mistake(
        name="old-weights-left-out",
        title="the old weights are left out of the step",
        wrong="w ← −η ∂f/∂w",
        right="w ← w − η ∂f/∂w",
        explanation="The step leads on from the old weights: it is what they change by, not what "
        "they become.",
        hint="Subtract from w, as with −=.",
        stage=UPDATE,
        line="old weights",
        layers=on_every(lambda case: case.has_eta),
    ),
    Mistake(
        name="layer-not-updated",
        title="nothing is updated",
        wrong="w_ij stays,  i ≥ 0",
        right="w_ij ← w_ij − η ∂f/∂w_ij",
        explanation="The step was not taken here, or its result was not kept.",
        hint="Take the step in every layer of weights, and keep the new ones.",
        stage=UPDATE,
        line="whether there is a step",
        layers=on_every(lambda case: case.has_eta),
    ),
    Mistake(
        name="weights-not-updated",
        title="the biases are updated and the weights are not",
        wrong="w_ij stays,  i ≥ 1",
        right="w_ij ← w_ij − η ∂f/∂w_ij",
        explanation="Both are learnt, by the same rule.",
        hint="Update weights and biases in the same place.",
        stage=UPDATE,
        line="weights of the step",
        layers=on_every(lambda case: case.has_eta),
    ),
    Mistake(
        name="bias-not-updated",
        title="the biases are never updated",
        wrong="w_0j stays",
        right="w_0j ← w_0j − η ∂f/∂w_0j",
        explanation="Biases are weights of the constant 1 and are learnt like the others.",
        hint="Update them in the same place as the weights.",
        stage=UPDATE,
        line="bias of the step",
        layers=on_every(lambda case: case.has_eta),
    ),
)
