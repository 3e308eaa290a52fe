"""Mistakes in g′, the factor of δ that belongs to the layer's own activation."""

from __future__ import annotations

from .case import Case, called, on_last, same_size
from .mistake import BACKWARD, Mistake


def _left_out(case: Case) -> list[int]:
    """Layers where leaving g′ out changes the line; of a softmax it is the Jacobian."""
    layers = case.sloped("identity")
    return [*layers, case.last] if case.softmax and not case.absorbed else layers


def _foreign_slope(name: str, activation: str, formula: str, factor: str, by: str = "") -> Mistake:
    """g′ of this activation in the place of a layer's own; formula and factor say the same."""
    whose = called(activation)
    return Mistake(
        name=name,
        title=f"g′ is {whose}'s{by and f' ({by})'}",
        wrong=f"δ_j = (…) {factor}",
        right="δ_j = (…) g′(S_j)",
        explanation=f"{formula} is g′ of {whose} alone; every activation has a derivative of its "
        "own.",
        hint="Use g′ of the activation that the forward pass used in this layer.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: case.sloped(activation),
    )


SLOPE: tuple[Mistake, ...] = (
    Mistake(
        name="slope-left-out",
        title="g′ is left out",
        wrong="δ_j = Σ_k δ_k w_jk  (last layer: δ_j = ∂f/∂x_j)",
        right="δ_j = (Σ_k δ_k w_jk) g′(S_j)  (∂f/∂x_j g′(S_j))",
        explanation="δ is the derivative by S, before the activation: the chain rule goes through "
        "g.",
        hint="Multiply by g′(S_j), entry by entry; of softmax by its Jacobian.",
        stage=BACKWARD,
        line="slope",
        layers=_left_out,
    ),
    Mistake(
        name="slope-of-x",
        title="g′ is taken of x instead of S",
        wrong="δ_j = (…) g′(x_j)",
        right="δ_j = (…) g′(S_j)",
        explanation="x = g(S) already; a function that computes g′ from S applies g once more.",
        hint="Pass the weighted sum, or write g′ by x, as x (1 − x).",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: case.sloped("identity", "relu", "leaky_relu"),
    ),
    Mistake(
        name="slope-formula-on-S",
        title="the formula of g′ by x is applied to S",
        wrong="δ_j = (…) S_j (1 − S_j), or (…) (1 − S_j²) of tanh",
        right="δ_j = (…) x_j (1 − x_j), or (…) (1 − x_j²) of tanh",
        explanation="g′ = x (1 − x) of the sigmoid, 1 − x² of tanh and x of exp hold for the "
        "output x.",
        hint="Pass the output to it, or write g′ by S.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: case.sloped_by_x(),
    ),
    Mistake(
        name="slope-of-wrong-layer",
        title="g′ is taken of the sums of the layer above",
        wrong="δ_j^(l) = (…) g′(S_j^(l+1))",
        right="δ_j^(l) = (…) g′(S_j^(l))",
        explanation="δ^(l) belongs to S^(l): its slope is that of the same layer.",
        hint="Count the layers once more: g′ goes with the layer that δ is computed for.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: [
            l
            for l in case.hidden
            if same_size(case, l + 1, l + 2) and case.activations[l] != "identity"
        ],
    ),
    Mistake(
        name="relu-of-gradient",
        title="ReLU′ is taken of the gradient that comes back",
        wrong="δ_j = d_j [d_j > 0],  d_j = Σ_k δ_k w_jk",
        right="δ_j = d_j [S_j > 0]",
        explanation="Whether ReLU lets a gradient through was decided on the way forward, by S.",
        hint="Keep S (or the mask S > 0) from the forward pass.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: [
            l for l in case.sloped() if case.activations[l] in ("relu", "leaky_relu")
        ],
    ),
    _foreign_slope("sigmoid-slope", "sigmoid", "x (1 − x)", "x_j (1 − x_j)", "by x"),
    _foreign_slope("sigmoid-slope-of-S", "sigmoid", "σ′", "σ(S_j) (1 − σ(S_j))", "by S"),
    _foreign_slope("tanh-slope", "tanh", "1 − x²", "(1 − x_j²)", "by x"),
    _foreign_slope("tanh-slope-of-S", "tanh", "tanh′", "(1 − tanh² S_j)", "by S"),
    _foreign_slope("relu-slope", "relu", "[S > 0]", "[S_j > 0]"),
    Mistake(
        name="softmax-diagonal",
        title="of softmax's Jacobian only the diagonal is used",
        wrong="δ_j = ∂f/∂x_j x_j (1 − x_j)",
        right="δ_j = Σ_k ∂f/∂x_k x_k ([j = k] − x_j)",
        explanation="Every output of a softmax depends on every sum of its layer.",
        hint="Add the terms with k ≠ j; with cross-entropy all of it is x_j − y_j.",
        stage=BACKWARD,
        line="slope",
        layers=on_last(lambda case: case.softmax),
        by_layer=False,
    ),
    Mistake(
        name="slope-twice",
        title="g′ of the last layer is used with a loss that has absorbed it",
        wrong="δ_j = (x_j − y_j) x_j (1 − x_j)",
        right="δ_j = x_j − y_j",
        explanation="In both cross-entropies g′ cancels against ∂f/∂x: x − y is δ already.",
        hint="Leave g′ out of the last layer, and of the last layer only.",
        stage=BACKWARD,
        line="slope",
        layers=on_last(lambda case: case.absorbed),
        by_layer=False,
    ),
    Mistake(
        name="jacobian-twice",
        title="softmax's Jacobian is used with a loss that has absorbed it",
        wrong="δ_j = Σ_k (x_k − y_k) x_k ([j = k] − x_j)",
        right="δ_j = x_j − y_j",
        explanation="x − y is δ, the derivative by S, not the derivative by x, which is −y / x.",
        hint="Leave the Jacobian out, or start from −y / x.",
        stage=BACKWARD,
        line="slope",
        layers=on_last(lambda case: case.loss == "cross_entropy"),
        by_layer=False,
    ),
    Mistake(
        name="softmax-twice",
        title="the loss takes the softmax of the softmax",
        wrong="f = −Σ_j y_j ln softmax(x)_j,  x = softmax(S)",
        right="f = −Σ_j y_j ln x_j",
        explanation="A library's cross-entropy takes S and applies softmax itself.",
        hint="Give it the sums of the last layer, without softmax.",
        stage=BACKWARD,
        line="slope",
        layers=on_last(lambda case: case.loss == "cross_entropy"),
        by_layer=False,
    ),
)
