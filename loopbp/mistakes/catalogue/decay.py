"""Mistakes in the term of the gradient that weight decay adds.

The loss is f + λ/2 Σ w², with f the mean or the sum over the examples and with no bias in Σ w², as
in `loopbp.optimizers`: λ w_ij for i ≥ 1 is added once to the gradient of either.
"""

from __future__ import annotations

from .case import on_every
from .mistake import GRADIENT, Mistake

_RIGHT = "∂f/∂w_ij = δ_j x_i + λ w_ij,  i ≥ 1"

DECAY: tuple[Mistake, ...] = (
    Mistake(
        name="decay-left-out",
        title="the decay term is left out of the gradient",
        wrong="∂f/∂w_ij = δ_j x_i",
        right=_RIGHT,
        explanation="With weight decay the loss is f + λ/2 Σ w², and λ w_ij is the derivative of "
        "what was added.",
        hint="Add λ w to the gradient of the weights.",
        stage=GRADIENT,
        line="decay",
        layers=on_every(lambda case: case.has_decay),
    ),
    Mistake(
        name="decay-doubled",
        title="the decay term is twice what it should be",
        wrong="∂f/∂w_ij = δ_j x_i + 2 λ w_ij",
        right=_RIGHT,
        explanation="The ½ of λ/2 Σ w² cancels the 2 of its derivative; only λ Σ w² has none.",
        hint="Either the loss has a ½ or the term of the gradient has a 2.",
        stage=GRADIENT,
        line="factor of the decay",
        layers=on_every(lambda case: case.has_decay),
        by_layer=False,
    ),
    Mistake(
        name="decay-divided",
        title="the decay term is divided by the number of examples",
        wrong="∂f/∂w_ij = δ_j x_i + λ w_ij / N",
        right=_RIGHT,
        explanation="The term belongs to the weights and not to the examples: it is added as it "
        "is to what their mean, or sum, gives.",
        hint="Divide first, then add λ w.",
        stage=GRADIENT,
        line="examples of the decay",
        layers=on_every(lambda case: case.has_decay and case.N > 1),
        by_layer=False,
    ),
    Mistake(
        name="decay-per-example",
        title="the decay term is added once for each example",
        wrong="∂f/∂w_ij = δ_j x_i + N λ w_ij",
        right=_RIGHT,
        explanation="The term belongs to the weights and not to the examples: however many there "
        "are, it is added once.",
        hint="Add λ w after the loop over the examples.",
        stage=GRADIENT,
        line="examples of the decay",
        layers=on_every(lambda case: case.has_decay and case.N > 1),
        by_layer=False,
    ),
    Mistake(
        name="decay-sign",
        title="the decay term is subtracted from the gradient",
        wrong="∂f/∂w_ij = δ_j x_i − λ w_ij",
        right=_RIGHT,
        explanation="The term has the sign of its weight, so that the step against it makes the "
        "weight smaller.",
        hint="Add λ w to the gradient; the minus is that of the step.",
        stage=GRADIENT,
        line="sign of the decay",
        layers=on_every(lambda case: case.has_decay),
    ),
    Mistake(
        name="decay-of-biases",
        title="the biases decay as the weights do",
        wrong="∂f/∂w_0j = δ_j + λ w_0j",
        right="∂f/∂w_0j = δ_j",
        explanation="Σ w² is the sum over the weights, without the biases.",
        hint="Add λ w to the gradient of the weights only: leave row 0 of W out.",
        stage=GRADIENT,
        line="biases of the decay",
        layers=on_every(lambda case: case.has_decay),
    ),
    Mistake(
        name="decay-in-step-only",
        title="the decay term is in the step but not in the gradient",
        wrong="∂f/∂w_ij = δ_j x_i,  w ← w − η (∂f/∂w + λ w)",
        right=f"{_RIGHT},  w ← w − η ∂f/∂w",
        explanation="The step is right; but the gradient of f + λ/2 Σ w² has the term in it. That "
        "of f alone is what a library shows whose optimiser adds the term.",
        hint="Add λ w where the gradient is computed.",
        stage=GRADIENT,
        line="decay",
        layers=on_every(lambda case: case.has_decay and case.has_eta),
        by_layer=False,
    ),
    Mistake(
        name="decay-without-eta",
        title="the decay term of the step is not multiplied by the learning rate",
        wrong="∂f/∂w_ij = δ_j x_i,  w ← w − η ∂f/∂w − λ w",
        right=f"{_RIGHT},  w ← w − η ∂f/∂w",
        explanation="The term is a part of the gradient, and the step is η times all of it.",
        hint="Add λ w to the gradient, before η multiplies it.",
        stage=GRADIENT,
        line="decay",
        layers=on_every(lambda case: case.has_decay and case.has_eta),
        by_layer=False,
    ),
)
