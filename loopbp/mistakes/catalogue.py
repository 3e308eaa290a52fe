"""The classic wrong backprops, as data: each is one changed line of the derivation.

A mistake acts on a line (`line`) in some layers. Two mistakes go together unless they change the
same line in the same layer. `layers` says in which layers of a given case the line could be wrong
so that it could run at all: a transposed matrix, for one, has to be square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..reference import MATCHING_OUTPUT

#: Whether a mistake shows from the forward pass on, from δ on, in the gradient or in the update.
FORWARD, BACKWARD, GRADIENT, UPDATE = range(4)


@dataclass(frozen=True)
class Case:
    """What decides which mistakes are possible: the network, the batch, and what is known."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    reduction: str
    N: int
    has_eta: bool

    @property
    def L(self) -> int:
        """The number of layers of weights."""
        return len(self.sizes) - 1

    @property
    def last(self) -> int:
        """The last layer of weights."""
        return self.L - 1

    @property
    def absorbed(self) -> bool:
        """Whether the loss has absorbed the last layer's g′, so that δ = x − y."""
        return self.loss in MATCHING_OUTPUT

    @property
    def softmax(self) -> bool:
        """Whether the outputs are a softmax."""
        return self.activations[-1] == "softmax"

    @property
    def every(self) -> range:
        """All layers of weights."""
        return range(self.L)

    @property
    def hidden(self) -> range:
        """The layers whose δ is a sum over the layer above."""
        return range(self.L - 1)

    def sloped(self, *without: str) -> list[int]:
        """Layers in which δ is multiplied by g′ of one number, but for these activations."""
        layers = self.hidden if self.absorbed or self.softmax else self.every
        return [l for l in layers if self.activations[l] not in without]


@dataclass(frozen=True)
class Mistake:
    """A wrong line beside the right one, what is wrong with it, and a hint.

    `name` identifies it; `title` is a sentence's beginning; `stage` is one of FORWARD, BACKWARD,
    GRADIENT and UPDATE; `by_layer`, whether it can be made in a single layer only.
    """

    name: str
    title: str
    wrong: str
    right: str
    explanation: str
    hint: str
    stage: int
    line: str
    layers: Callable[[Case], Iterable[int]]
    by_layer: bool = True


class Atom(NamedTuple):
    """A mistake made in one layer."""

    name: str
    layer: int


def _same_size(case: Case, l: int, other: int) -> bool:
    """Whether two layers of nodes have one size."""
    sizes = case.sizes
    return 0 <= l < len(sizes) and 0 <= other < len(sizes) and sizes[l] == sizes[other]


def _last(condition: Callable[[Case], bool]) -> Callable[[Case], Iterable[int]]:
    """The last layer, on a condition."""
    return lambda case: [case.last] if condition(case) else []


def _every(condition: Callable[[Case], bool] = lambda case: True) -> Callable[[Case], range]:
    """All layers, on a condition."""
    return lambda case: case.every if condition(case) else range(0)


def _square(case: Case, l: int) -> bool:
    """Whether the weights of layer l, without the biases, are a square matrix."""
    return case.sizes[l] == case.sizes[l + 1] > 1


def _left_out(case: Case) -> list[int]:
    """Layers where leaving g′ out changes the line; of a softmax it is the Jacobian."""
    layers = case.sloped("identity")
    return [*layers, case.last] if case.softmax and not case.absorbed else layers


def _mean(case: Case) -> bool:
    return case.reduction == "mean"


def _eta(case: Case) -> bool:
    return case.has_eta


def _foreign_slope(name: str, activation: str, formula: str, factor: str, by: str = "") -> Mistake:
    """g′ of this activation in the place of a layer's own; formula and factor say the same."""
    whose = {"sigmoid": "the sigmoid", "relu": "ReLU"}.get(activation, activation)
    return Mistake(
        name=name,
        title=f"g′ is {whose}'s{by and f', {by}'}",
        wrong=f"δ_j = (…) {factor}",
        right="δ_j = (…) g′(S_j)",
        explanation=f"{formula} is g′ of {whose} alone; every activation has a derivative of its "
        "own.",
        hint="Use g′ of the activation that the forward pass used in this layer.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: case.sloped(activation),
    )


CATALOGUE: tuple[Mistake, ...] = (
    # --- Forward --------------------------------------------------------------------------------
    Mistake(
        name="bias-left-out",
        title="the bias is left out of the weighted sum",
        wrong="S_j = Σ_{i≥1} w_ij x_i",
        right="S_j = w_0j + Σ_{i≥1} w_ij x_i",
        explanation="Node 0 of every layer is the constant 1, and its weight is the bias.",
        hint="Add the bias, or give x a column of ones.",
        stage=FORWARD,
        line="bias of the sum",
        layers=_every(),
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
        layers=lambda case: [l for l in case.every if _square(case, l)],
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
        layers=_last(lambda case: case.softmax),
        by_layer=False,
    ),
    # --- The loss -------------------------------------------------------------------------------
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
        layers=_last(lambda case: True),
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
        layers=_last(lambda case: case.loss in ("sse", "mse")),
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
        layers=_last(lambda case: case.loss not in ("sse", "mse")),
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
        layers=_last(lambda case: case.loss != "mse" and case.sizes[-1] > 1),
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
        layers=_last(lambda case: case.loss == "mse" and case.sizes[-1] > 1),
        by_layer=False,
    ),
    # --- δ: the slope ---------------------------------------------------------------------------
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
        wrong="δ_j = (…) S_j (1 − S_j)",
        right="δ_j = (…) x_j (1 − x_j)",
        explanation="g′ = x (1 − x) of the sigmoid, 1 − x² of tanh and x of exp hold for the "
        "output x.",
        hint="Pass the output to it, or write g′ by S.",
        stage=BACKWARD,
        line="slope",
        layers=lambda case: [
            l for l in case.sloped() if case.activations[l] in ("sigmoid", "tanh", "exp")
        ],
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
            if _same_size(case, l + 1, l + 2) and case.activations[l] != "identity"
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
        layers=_last(lambda case: case.softmax),
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
        layers=_last(lambda case: case.absorbed),
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
        layers=_last(lambda case: case.loss == "cross_entropy"),
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
        layers=_last(lambda case: case.loss == "cross_entropy"),
        by_layer=False,
    ),
    # --- δ: the sum over the layer above --------------------------------------------------------
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
        layers=lambda case: [l for l in case.hidden if _square(case, l + 1)],
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
            l for l in case.hidden if _same_size(case, l, l + 1) and _same_size(case, l + 1, l + 2)
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
    # --- Gradients ------------------------------------------------------------------------------
    Mistake(
        name="x-of-next-layer",
        title="the gradient takes x of the layer above",
        wrong="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l+1)",
        right="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l)",
        explanation="w_ij^(l) multiplies x_i^(l): the derivative of the product is that factor.",
        hint="Off by one: x is the layer's input, δ belongs to its sums.",
        stage=GRADIENT,
        line="x of the gradient",
        layers=lambda case: [l for l in case.every if _same_size(case, l, l + 1)],
    ),
    Mistake(
        name="x-of-previous-layer",
        title="the gradient takes x of the layer below",
        wrong="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l−1)",
        right="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l)",
        explanation="w_ij^(l) multiplies x_i^(l): the derivative of the product is that factor.",
        hint="Off by one: x is the layer's input, δ belongs to its sums.",
        stage=GRADIENT,
        line="x of the gradient",
        layers=lambda case: [l for l in case.every if _same_size(case, l, l - 1)],
    ),
    Mistake(
        name="gradient-of-sums",
        title="the gradient takes S instead of x = g(S)",
        wrong="∂f/∂w_ij^(l) = δ_j^(l) S_i^(l−1)",
        right="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l)",
        explanation="The weight multiplies the output of the node, after the activation.",
        hint="Use the activations of the layer below, not its weighted sums.",
        stage=GRADIENT,
        line="x of the gradient",
        layers=lambda case: [l for l in case.every[1:] if case.activations[l - 1] != "identity"],
    ),
    Mistake(
        name="delta-of-wrong-layer",
        title="the gradient takes δ of the layer above",
        wrong="∂f/∂w_ij^(l) = δ_j^(l+1) x_i^(l)",
        right="∂f/∂w_ij^(l) = δ_j^(l) x_i^(l)",
        explanation="w_ij^(l) acts on S_j^(l), so the gradient needs the derivative by that sum.",
        hint="Compute δ of the layer first, then its gradient.",
        stage=GRADIENT,
        line="δ of the gradient",
        layers=lambda case: [l for l in case.hidden if _same_size(case, l + 1, l + 2)],
    ),
    Mistake(
        name="last-example-only",
        title="only the last example counts in the gradient",
        wrong="∂f/∂w_ij = δ_j x_i / N of the last example",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        explanation="In a loop over the examples each one overwrites what the others gave.",
        hint="Add (+=) what every example gives.",
        stage=GRADIENT,
        line="examples",
        layers=_every(lambda case: case.N > 1),
        by_layer=False,
    ),
    Mistake(
        name="first-example-only",
        title="only the first example counts in the gradient",
        wrong="∂f/∂w_ij = δ_j x_i / N of the first example",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        explanation="The sum over the examples ends after the first, or it was never taken.",
        hint="Add what every example gives, and return after the loop.",
        stage=GRADIENT,
        line="examples",
        layers=_every(lambda case: case.N > 1),
        by_layer=False,
    ),
    Mistake(
        name="sum-instead-of-mean",
        title="the gradient is the sum over the examples instead of the mean",
        wrong="∂f/∂w_ij = Σ_n δ_nj x_ni",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        explanation="The loss of a batch is a mean, and so is its gradient.",
        hint="Divide by the number of examples.",
        stage=GRADIENT,
        line="divisor",
        layers=_every(_mean),
    ),
    Mistake(
        name="divided-twice",
        title="the gradient is divided by the number of examples twice",
        wrong="∂f/∂w_ij = Σ_n δ_nj x_ni / N²",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        explanation="Once where the error is computed and once more where the gradient is.",
        hint="Divide in one place only.",
        stage=GRADIENT,
        line="divisor",
        layers=_every(_mean),
    ),
    Mistake(
        name="mean-instead-of-sum",
        title="the gradient is the mean over the examples instead of the sum",
        wrong="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni",
        explanation="The loss of the batch is the sum of its examples here.",
        hint="Do not divide.",
        stage=GRADIENT,
        line="divisor",
        layers=_every(lambda case: case.reduction == "sum"),
    ),
    Mistake(
        name="bias-gradient-zero",
        title="the gradient of the biases is forgotten",
        wrong="∂f/∂w_0j = 0",
        right="∂f/∂w_0j = Σ_n δ_nj / N",
        explanation="A bias is the weight of the constant 1: its derivative is δ itself.",
        hint="Add δ up over the examples.",
        stage=GRADIENT,
        line="bias of the gradient",
        layers=_every(),
    ),
    Mistake(
        name="bias-not-averaged",
        title="the gradient of the biases is a sum, that of the weights a mean",
        wrong="∂f/∂w_0j = Σ_n δ_nj",
        right="∂f/∂w_0j = Σ_n δ_nj / N",
        explanation="Biases are weights of the constant 1 and are averaged like the others.",
        hint="Divide the column sums of δ by the number of examples.",
        stage=GRADIENT,
        line="bias of the gradient",
        layers=_every(_mean),
    ),
    Mistake(
        name="weights-not-averaged",
        title="the gradient of the weights is a sum, that of the biases a mean",
        wrong="∂f/∂w_ij = Σ_n δ_nj x_ni,  i ≥ 1",
        right="∂f/∂w_ij = Σ_n δ_nj x_ni / N",
        explanation="Weights are averaged over the examples as the biases are.",
        hint="Divide the product of x and δ by the number of examples.",
        stage=GRADIENT,
        line="weights of the gradient",
        layers=_every(_mean),
    ),
    Mistake(
        name="gradient-sign",
        title="the gradient has the wrong sign",
        wrong="∂f/∂w_ij = −δ_j x_i",
        right="∂f/∂w_ij = δ_j x_i",
        explanation="The minus belongs to the step against the gradient, not to the gradient.",
        hint="Keep the minus in w ← w − η ∂f/∂w only.",
        stage=GRADIENT,
        line="sign of the gradient",
        layers=_every(),
    ),
    Mistake(
        name="accumulated",
        title="the gradient is accumulated over two passes",
        wrong="∂f/∂w_ij += δ_j x_i, twice",
        right="∂f/∂w_ij = δ_j x_i",
        explanation="What the pass before left was not set to zero, and the batch counts twice.",
        hint="Set the gradients to zero before every backward pass.",
        stage=GRADIENT,
        line="accumulation",
        layers=_every(),
        by_layer=False,
    ),
    # --- The step -------------------------------------------------------------------------------
    Mistake(
        name="ascent",
        title="the step goes up the gradient",
        wrong="w ← w + η ∂f/∂w",
        right="w ← w − η ∂f/∂w",
        explanation="The gradient points to where the loss grows.",
        hint="Subtract.",
        stage=UPDATE,
        line="sign of the step",
        layers=_every(_eta),
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
        layers=_every(_eta),
        by_layer=False,
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
        layers=_every(_eta),
    ),
)

BY_NAME = {mistake.name: mistake for mistake in CATALOGUE}
