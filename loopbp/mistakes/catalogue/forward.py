"""Mistakes of the forward pass."""

from __future__ import annotations

from dataclasses import replace

from .case import Case, called, on_every, on_last, square
from .mistake import FORWARD, Mistake

#: Activations that are taken in the place of a layer's own.
INSTEAD = ("sigmoid", "tanh", "relu")


def _replaced(activation: str) -> Mistake:
    """This activation in the place of a layer's own, forward and backward."""

    def layers(case: Case) -> list[int]:
        # What a loss has absorbed is replaced by nothing else than a sigmoid.
        last = not (case.absorbed or case.softmax) or activation == "sigmoid"
        own = [l for l in case.every if case.activations[l] != activation]
        return [l for l in own if l < case.last or last]

    sums = " In the place of a softmax, the outputs no longer sum to 1."
    return Mistake(
        name=f"{activation}-instead",
        title=f"the activation is {called(activation)} instead of the layer's own",
        wrong=f"x_j = {activation}(S_j), with its g′",
        right="x_j = g(S_j)",
        explanation="Forward and backward pass go with each other, but they are those of another "
        f"network.{sums if activation == 'sigmoid' else ''}",
        hint="Use the activation that was asked for in this layer.",
        stage=FORWARD,
        line="activation",
        layers=layers,
    )


def _forward_only(activation: str) -> Mistake:
    """This activation in the place of a layer's own, forward and not backward."""
    return Mistake(
        name=f"{activation}-forward",
        title=f"the forward pass uses {called(activation)} instead of the layer's own activation",
        wrong=f"x_j = {activation}(S_j), with the layer's own g′(S_j)",
        right="x_j = g(S_j), with g′(S_j)",
        explanation="The g′ of the backward pass is the derivative of another function than the "
        "one that was computed.",
        hint="Use the activation that was asked for, forward as well.",
        stage=FORWARD,
        line="activation",
        layers=lambda case: case.sloped("identity", activation),
        also=("slope",),
        shows_as=f"{activation}-instead",
    )


def _forward_only_by_x(activation: str) -> Mistake:
    """The same where g′ is the layer's own by x, and x is what the other activation gave."""
    plain = _forward_only(activation)
    return replace(
        plain,
        name=f"{plain.name}-by-x",
        title=f"{plain.title}, and g′ is computed from its output",
        wrong=f"x_j = {activation}(S_j), with the layer's own g′ by this x_j",
        right="x_j = g(S_j), with g′ by x_j",
        explanation="A formula of g′ by x, as x (1 − x) of the sigmoid or 1 − x² of tanh, holds "
        "for the output of its own activation only.",
        layers=lambda case: case.sloped_by_x(activation),
    )


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
        name="activation-left-out",
        title="the activation is left out of the forward pass",
        wrong="x_j = S_j",
        right="x_j = g(S_j)",
        explanation="The next layer takes what the activation gives; and g′ of the backward pass "
        "is the derivative of nothing that was computed.",
        hint="Apply the activation to the sums.",
        stage=FORWARD,
        line="activation",
        layers=lambda case: [l for l in case.every if case.activations[l] != "identity"],
    ),
    Mistake(
        name="activation-left-out-by-x",
        title="the activation is left out of the forward pass, and of the x that g′ is taken from",
        wrong="x_j = S_j, with g′ by x_j: S_j (1 − S_j), or 1 − S_j² of tanh",
        right="x_j = g(S_j), with g′ by x_j: x_j (1 − x_j), or 1 − x_j² of tanh",
        explanation="The next layer takes what the activation gives, and so does the formula of g′ "
        "by x; both got the sums.",
        hint="Apply the activation to the sums.",
        stage=FORWARD,
        line="activation",
        layers=lambda case: case.sloped_by_x(),
        also=("slope",),
        shows_as="activation-left-out",
    ),
    *map(_replaced, INSTEAD),
    *map(_forward_only, INSTEAD),
    *map(_forward_only_by_x, INSTEAD),
    Mistake(
        name="softmax-instead",
        title="the outputs are a softmax instead of one number each",
        wrong="x_j = e^S_j / Σ_k e^S_k",
        right="x_j = g(S_j)",
        explanation="Outputs that are computed one by one need not sum to 1.",
        hint="Use the activation that was asked for in the last layer.",
        stage=FORWARD,
        line="activation",
        layers=on_last(lambda case: not case.softmax and case.sizes[-1] > 1),
        by_layer=False,
    ),
    Mistake(
        name="softmax-over-all",
        title="softmax is taken over all numbers of the batch",
        wrong="x_nj = e^S_nj / Σ_m Σ_k e^S_mk",
        right="x_nj = e^S_nj / Σ_k e^S_nk",
        explanation="The outputs of one example have to sum to 1, not those of all examples "
        "together.",
        hint="Sum along the axis of the classes only, and keep its dimension.",
        stage=FORWARD,
        line="activation",
        layers=on_last(lambda case: case.softmax and case.N > 1),
        by_layer=False,
    ),
    Mistake(
        name="softmax-over-batch",
        title="softmax is taken over the batch instead of the classes",
        wrong="x_nj = e^S_nj / Σ_m e^S_mj",
        right="x_nj = e^S_nj / Σ_k e^S_nk",
        explanation="The outputs of one example have to sum to 1, not those of one class.",
        hint="Sum along the axis of the classes, and keep its dimension.",
        stage=FORWARD,
        line="activation",
        layers=on_last(lambda case: case.softmax),
        by_layer=False,
    ),
)
