"""C: index notation, on the network 2-2-2-2 of the blackboard."""

from __future__ import annotations

import math

import numpy as np

from ..derivation import INPUT, TARGET, explain, worked_network
from ..network import Network
from ..optimizers import SGD
from .backward import backprop
from .options import Options
from .result import Result, number


def index_notation(result: Result, options: Options) -> None:
    """S_j^(l) = w_0j + w_1j x_1 + w_2j x_2, x_j^(l+1) = g(S_j^(l)), f = Σ_j (y_j − x_j)²."""
    net = worked_network()
    trace = backprop(net, INPUT, TARGET)
    result.say(
        "Layers 0 to 3 with two nodes each; node 0 of a layer is the constant 1 that carries the "
        "bias. Input (1, 2), target (1, 0), and first the identity for g:"
    )
    for l in range(3):
        for j in (1, 2):
            w, x = net.W[l][:, j - 1], trace.x[l][0]
            numbers = " + ".join(f"{_signed(w[i])} · {_signed(x[i])}" for i in range(3))
            result.show(
                f"S_{j}^({l}) = w_0{j} x_0 + w_1{j} x_1 + w_2{j} x_2\n"
                f"        = {numbers} = {number(trace.S[l][0, j - 1])}"
            )
    result.show("f = (1 − (−0.25))² + (0 − 1.75)² = 4.625")
    for l, sums in enumerate([(-0.5, 1.5), (0.5, 4.5), (-0.25, 1.75)]):
        result.check(f"S_1^({l}), S_2^({l})", trace.S[l][0], sums, rtol=0)
    result.check("f", trace.loss, 4.625, rtol=0)
    result.check("∂f/∂x_1, ∂f/∂x_2 = −2 (y_j − x_j)", trace.delta[2][0], [-2.5, 3.5])
    bent = backprop(worked_network("tanh", "tanh"), INPUT, TARGET)
    x = [1.0, 2.0]
    for W in net.W:
        x = [math.tanh(W[0, j] + W[1, j] * x[0] + W[2, j] * x[1]) for j in (0, 1)]
    result.say(f"Any other g goes in the same place; with tanh f = {number(bent.loss)}.")
    result.check("f with tanh", bent.loss, (1 - x[0]) ** 2 + (0 - x[1]) ** 2)
    result.beware(
        "f has no ½ here, so the derivative keeps its 2 and its minus: ∂f/∂x_j = −2 (y_j − x_j). "
        "Also, the sum of layer l is called S^(l) and its output x^(l+1): the layer number moves "
        "on at g."
    )


def two_paths(result: Result, options: Options) -> None:
    """∂f/∂w_12^(1) = P₁ + P₂ = (δ_1 w_21 + δ_2 w_22) g′ x_1 = δ_2^(1) x_1^(1)."""
    net = worked_network()
    one = explain(net, "w_21^(2)", INPUT, TARGET)
    two = explain(net, "w_12^(1)", INPUT, TARGET)
    result.say("w_21^(2) belongs to the last layer. One path leads from it to the loss:")
    result.show(
        "∂f/∂w_21^(2) = ∂f/∂x_1^(3) · ∂x_1^(3)/∂S_1^(2) · ∂S_1^(2)/∂w_21^(2)\n"
        "             = −2 (y_1 − x_1^(3)) · g′(S_1^(2)) · x_2^(2)\n"
        f"             = −2.5 · 1 · 4.5 = {number(one.value)}"
    )
    through = [path.product for path in two.paths()]
    result.say("w_12^(1) feeds node 2, and that node feeds both outputs. Two paths:")
    result.show(
        "∂f/∂w_12^(1) = ∂f/∂x_1^(3) g′(S_1^(2)) w_21^(2) g′(S_2^(1)) x_1^(1)\n"
        "             + ∂f/∂x_2^(3) g′(S_2^(2)) w_22^(2) g′(S_2^(1)) x_1^(1)\n"
        "             = −2.5 · 1 · (−0.5) · 1 · (−0.5)\n"
        "             +  3.5 · 1 ·   0.5  · 1 · (−0.5)\n"
        f"             = {number(through[0])} + ({number(through[1])}) = {number(two.value)}"
    )
    result.say("What is repeated gets a name, and the sum collapses:")
    result.show(
        "δ_j^(2) = ∂f/∂x_j^(3) g′(S_j^(2))                          −2.5 and 3.5\n"
        "δ_2^(1) = (δ_1^(2) w_21^(2) + δ_2^(2) w_22^(2)) g′(S_2^(1))    3\n"
        "∂f/∂w_12^(1) = δ_2^(1) x_1^(1) = 3 · (−0.5)                  −1.5"
    )
    result.say("`loopbp explain` writes this out for any weight of any network.")
    result.check("∂f/∂w_21^(2)", one.value, -11.25, rtol=0)
    result.check("paths from w_21^(2) and from w_12^(1)", [one.paths().count, two.paths().count],
                 [1, 2])  # fmt: skip
    result.check("the two paths", through, [-0.625, -0.875], rtol=0)
    result.check("∂f/∂w_12^(1)", two.value, -1.5, rtol=0)
    result.check("δ_2^(1)", explain(net, "δ_2^(1)", INPUT, TARGET).own_value, 3, rtol=0)
    result.beware(
        "leaving out the second path gives "
        f"{number(through[0])}: right only where the other output has w_22 = 0 or no error."
    )


def delta(result: Result, options: Options) -> None:
    """∂f/∂w_ij^(l) = δ_j^(l) x_i^(l); δ_j^(l) = Σ_k δ_k^(l+1) w_jk^(l+1) · g′(S_j^(l))."""
    trace = backprop(worked_network(), INPUT, TARGET)
    deltas, grads = trace.delta, trace.grad
    result.say("The rules, for every layer of the network of `index-notation`:")
    result.show(
        "last layer:  δ_j = ∂f/∂x_j g′(S_j)\n"
        "below it:    δ_j^(l) = (Σ_k δ_k^(l+1) w_jk^(l+1)) g′(S_j^(l))\n"
        "weights:     ∂f/∂w_ij^(l) = δ_j^(l) x_i^(l)\n"
        "biases:      ∂f/∂w_0j^(l) = δ_j^(l), since x_0 = 1"
    )
    rows: list[list[object]] = []
    for l in (2, 1, 0):
        for j in (1, 2):
            rows.append([f"δ_{j}^({l})", deltas[l][0, j - 1], *grads[l][:, j - 1]])
    result.table(["", "δ_j", "∂f/∂w_0j", "∂f/∂w_1j", "∂f/∂w_2j"], rows)
    expected = {
        2: ((-2.5, 3.5), ((-2.5, 3.5), (-1.25, 1.75), (-11.25, 15.75))),
        1: ((-1.5, 3), ((-1.5, 3), (0.75, -1.5), (-2.25, 4.5))),
        0: ((-6, 4.5), ((-6, 4.5), (-6, 4.5), (-12, 9))),
    }
    for l, (d, g) in expected.items():
        result.check(f"δ^({l})", deltas[l][0], d, rtol=0)
        result.check(f"∂f/∂w^({l})", grads[l], g, rtol=0)
    wrong = float(deltas[2][0, 0])
    result.beware(
        "δ_j belongs to output j: δ_2^(2) = ∂f/∂x_2^(3) · ∂x_2^(3)/∂S_2^(2) = 3.5. Where a text "
        f"has x_1 under δ_2 it is a slip; x_1 would give {number(wrong)}."
    )
    result.holds("the slip would be seen: ∂f/∂x_1 ≠ δ_2", wrong != 3.5)


def old_weights(result: Result, options: Options) -> None:
    """All ∂f/∂w with the old weights; then w ← w − η ∂f/∂w everywhere."""
    weights = [[[0.0], [1.0]], [[0.0], [1.0]]]
    net = Network([1, 1, 1], "identity", "identity", "sse", weights)
    eta = 0.25
    trace = backprop(net, [[1]], [0])
    wrong = net.copy()
    last, old = trace.grad[1], trace.delta[1]
    wrong.W[1][...] -= eta * last  # the mistake: the last layer is already updated …
    handed_back = old * wrong.W[1][1]  # … when δ is handed back through it
    wrong.W[0][...] -= eta * np.array([[1.0], [1.0]]) * handed_back
    net.fit([[1]], [0], optimizer=SGD(eta=eta))
    result.say(
        "δ^(l) needs δ^(l+1), so the only order is backward. The four steps: initialise; forward; "
        "backward through all layers; update all weights; and from forward on again."
    )
    result.say("1-1-1, both weights 1, biases 0, x = 1, y = 0, f = (y − x)², η = ¼:")
    result.table(
        ["", "δ^(1)", "δ^(0)", "b^(0)", "w^(0)", "b^(1)", "w^(1)"],
        [
            ["right", old[0, 0], trace.delta[0][0, 0], *net.theta],
            ["updated while going back", old[0, 0], handed_back[0, 0], *wrong.theta],
        ],
    )
    result.beware(
        "updating a layer while going back is a classic mistake. δ^(0) = δ^(1) w^(1) then sees "
        "the new w^(1) = ½: 1 instead of 2. Descent often still works, which hides it; a check "
        "against differences shows it at once."
    )
    result.check("δ^(1), δ^(0)", [float(d[0, 0]) for d in trace.delta][::-1], [2, 2], rtol=0)
    result.check("b, w, b, w after the right step", net.theta, [-0.5, 0.5, -0.5, 0.5], rtol=0)
    result.check("after the wrong one", wrong.theta, [-0.25, 0.75, -0.5, 0.5], rtol=0)


def _signed(value: float) -> str:
    """Negative numbers in brackets, to stand in a product."""
    return f"({number(value)})" if value < 0 else number(value)
