"""Mistakes in the derivative of the loss."""

from __future__ import annotations

from .case import on_last
from .mistake import BACKWARD, Mistake

LOSS: tuple[Mistake, ...] = (
    Mistake(
        name="error-swapped",
        title="target and output are swapped in the derivative of the loss",
        wrong="∂f/∂x_j ∝ y_j − x_j",
        right="∂f/∂x_j ∝ x_j − y_j",
        explanation="The loss grows as the output moves away from the target: every δ and every "
        "gradient has the wrong sign.",
        hint="It is output minus target; or, if your δ is minus ∂f/∂S, the step has to add it.",
        stage=BACKWARD,
        line="sign of the error",
        layers=on_last(lambda case: True),
        by_layer=False,
    ),
    Mistake(
        name="second-half-left-out",
        title="the second half of the binary cross-entropy is left out",
        wrong="f = −Σ_j y_j ln x_j,  δ_j = −y_j (1 − x_j)",
        right="f = −Σ_j (y_j ln x_j + (1 − y_j) ln (1 − x_j)),  δ_j = x_j − y_j",
        explanation="Without it an output whose target is 0 has no gradient at all.",
        hint="Add (1 − y) ln (1 − x); with several classes of which one is right, use softmax.",
        stage=BACKWARD,
        line="error",
        layers=on_last(lambda case: case.loss == "binary_cross_entropy"),
        by_layer=False,
    ),
    Mistake(
        name="factor-2-left-out",
        title="the factor 2 of the loss's derivative is left out",
        wrong="∂f/∂x_j = x_j − y_j",
        right="∂f/∂x_j = 2 (x_j − y_j)",
        explanation="The derivative of a square is twice its base; only ½ (x − y)² has none.",
        hint="Either the loss has a ½ or its derivative has a 2.",
        stage=BACKWARD,
        line="factor of the loss",
        layers=on_last(lambda case: case.loss in ("sse", "mse")),
        by_layer=False,
    ),
    Mistake(
        name="factor-2-too-many",
        title="the loss's derivative has a factor 2 too many",
        wrong="∂f/∂x_j = 2 (x_j − y_j)",
        right="∂f/∂x_j = x_j − y_j",
        explanation="The ½ of the loss cancels the 2 of its derivative; cross-entropy has no 2.",
        hint="Either the loss has a ½ or its derivative has a 2.",
        stage=BACKWARD,
        line="factor of the loss",
        layers=on_last(lambda case: case.loss not in ("sse", "mse")),
        by_layer=False,
    ),
    Mistake(
        name="mean-over-outputs",
        title="the loss is averaged over the outputs too",
        wrong="∂f/∂x_j is divided by n_L",
        right="∂f/∂x_j is not divided: f = Σ_j …",
        explanation="This loss adds up the outputs of an example; a mean over all entries of the "
        "batch divides by their number as well.",
        hint="Divide by the number of examples, not of entries.",
        stage=BACKWARD,
        line="outputs",
        layers=on_last(lambda case: case.loss != "mse" and case.sizes[-1] > 1),
        by_layer=False,
    ),
    Mistake(
        name="not-mean-over-outputs",
        title="the loss is not averaged over the outputs",
        wrong="∂f/∂x_j = 2 (x_j − y_j)",
        right="∂f/∂x_j = 2 (x_j − y_j) / n_L",
        explanation="mse is the mean over the outputs of an example.",
        hint="Divide by the number of outputs.",
        stage=BACKWARD,
        line="outputs",
        layers=on_last(lambda case: case.loss == "mse" and case.sizes[-1] > 1),
        by_layer=False,
    ),
)
