"""E: gradient descent layer by layer, with the letters u, y, δ and η."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import graph
from ..derivation import explain
from ..network import Network
from ..optimizers import SGD
from .backward import backprop, grad
from .options import Options
from .result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Learning rates on E(w) = w⁴ − 2w² + ½w from w = 1.8, and what becomes of each.
RATES = {0.01: "stops in the poor minimum", 0.15: "reaches the deep one", 0.3: "diverges"}
START, STEPS = 1.8, 150
#: The zeros of E′ = 4w³ − 4w + ½: the deep minimum and the poor one.
DEEP, POOR = -1.057453770738379, 0.930402926555852
#: A walk that has left this far is followed no further.
FAR = 1e6


def learning_rate(result: Result, options: Options) -> None:
    """w ← w − η ∂E/∂w: too small, right, too large."""
    result.say(
        "One neuron, E = ½ (b + w x − y)² with x = 2: each step multiplies the residual by "
        "1 − η (1 + x²) = 1 − 5η, so η alone decides. After 12 steps from residual −5:"
    )
    rows: list[list[object]] = []
    for eta, factor, verdict in (
        (0.001, 0.995, "slow"),
        (0.1, 0.5, "good"),
        (0.2, 0.0, "there in one step"),
        (0.3, -0.5, "oscillates, arrives"),
        (0.5, -1.5, "diverges"),
    ):
        net = Network([1, 1], output="identity", loss="half_sse", init=[[[0.5], [-1.0]]])
        net.fit([[2]], [3.5], epochs=12, optimizer=SGD(eta=eta), progress=False)
        end = backprop(net, [[2]], [3.5]).loss
        expected = 12.5 * factor**24
        rows.append([f"{eta}", factor, end, verdict])
        result.check(f"E after 12 steps with η = {eta}", end, expected, rtol=1e-9, atol=1e-25)
    result.table(["η", "factor", "E", ""], rows)
    walks = {eta: _walk(eta) for eta in RATES}
    result.say(
        "With two valleys η also decides which one is found. E(w) = w⁴ − 2w² + ½w has a poor "
        "minimum at 0.930 and a deep one at −1.057; three walks from w = 1.8:"
    )
    result.table(
        ["η", "w after 1", "2", "5", "the end", "E there"],
        [
            [f"{eta}", *(_at(path, k) for k in (1, 2, 5)), path[-1], _E(path[-1])]
            for eta, path in walks.items()
        ],
    )
    result.show("\n".join(f"η = {eta}: {verdict}" for eta, verdict in RATES.items()))
    # E′(1.8) = 4 · 5.832 − 7.2 + 0.5 = 16.628
    for eta, first in ((0.01, 1.63372), (0.15, -0.6942), (0.3, -3.1884)):
        result.check(f"first step with η = {eta}", walks[eta][1], first)
    result.check("the small η ends in the poor minimum", walks[0.01][-1], POOR, rtol=1e-4)
    result.check("the middle one in the deep minimum", walks[0.15][-1], DEEP, rtol=1e-9)
    result.holds("the large one leaves every bound", bool(abs(walks[0.3][-1]) > FAR))
    result.beware(
        "a large η does not only take longer or circle round the minimum: where each step "
        "multiplies the distance by more than 1, it diverges, and E goes to infinity."
    )
    result.figure("learning-rate.png", partial(_rates_png, walks))


def _walk(eta: float) -> list[float]:
    """w after every step, the gradient from a graph of gates."""
    (w,) = graph.inputs(w=START)
    E = w**4 - 2 * w**2 + 0.5 * w
    path = [START]
    while len(path) <= STEPS and abs(path[-1]) < FAR:
        E.backward()
        w.value = float(w.value) - eta * grad(w)
        path.append(float(w.value))
    return path


def _at(path: list[float], step: int) -> object:
    """w after this step, if the walk came so far."""
    return path[step] if step < len(path) - 1 else "…"


def _E(w: Any) -> Any:
    return w**4 - 2 * w**2 + 0.5 * w


def _rates_png(walks: dict[float, list[float]]) -> bytes:
    from .drawing import png

    return png(partial(_draw_rates, walks), 8.6, 3.9)


def _draw_rates(walks: dict[float, list[float]], figure: Figure) -> None:
    """The three walks on E(w); beside it, E above its least value against the step."""
    from .drawing import BLUE, ORANGE, PURPLE, axes

    valley, course = axes(figure, 2, ("three walks on E(w), from w = 1.8", "E − least E, by step"))
    w = np.linspace(-2.1, 2.1, 300)
    valley.plot(w, _E(w), color="#9aa3ad", lw=1.0)
    for (eta, path), colour in zip(walks.items(), (BLUE, PURPLE, ORANGE), strict=True):
        walked = np.array(path)
        seen = walked[np.abs(walked) < 2.1]
        label = f"η = {eta}: {RATES[eta]}"
        valley.plot(seen, _E(seen), "o-", color=colour, lw=0.8, ms=3, label=label)
        course.plot(_E(walked) - _E(DEEP) + 1e-12, "o-", color=colour, lw=0.9, ms=2.5, label=label)
    gone = np.array(walks[0.3][:2])
    valley.plot(gone, _E(gone), color=ORANGE, lw=0.9)
    text = f"to w = {gone[1]:.1f}, and farther".replace("-", "−")
    valley.text(1.4, 9.4, text, color=ORANGE, fontsize=8, ha="right")
    valley.set(xlabel="w", ylabel="E", ylim=(-2.2, 10), xlim=(-2.1, 2.1))
    course.set(xlabel="step", yscale="log", ylim=(1e-12, 1e9), xlim=(-2, 60))
    course.legend(frameon=False, fontsize=8)


def layer_by_layer(result: Result, options: Options) -> None:
    """δ_k = ∂E/∂y_k f′(u_k); ∂w_jk = y_j δ_k; ∂b_k = δ_k; ∂y_j = Σ_k δ_k w_jk; and once more."""
    hidden = np.array([[0.0, 0], [0.5, 1], [0.5, 1]])
    output = np.array([[0.0, -1], [1, -2], [-1, 4]])
    X, T = [[1, -1]], [[0, 1]]
    net = Network([2, 2, 2], "sigmoid", "sigmoid", "half_sse", [hidden, output])
    trace = backprop(net, X, T)
    deltas, grads = trace.delta, trace.grad
    handed_down = [explain(net, f"x_{j}^(1)", X, T).value for j in (1, 2)]
    to_inputs = [explain(net, f"x_{i}^(0)", X, T).value for i in (1, 2)]
    result.say(
        "2-2-2 logistic units, E = ½ Σ (y_k − t_k)². All u are 0 here, so y = ½ and f′ = ¼, and "
        "every number below can be checked by hand. Output layer:"
    )
    result.table(
        ["", "1", "2"],
        [
            ["u_k", *trace.S[1][0]],
            ["y_k", *trace.x[2][0]],
            ["δ_k = (y_k − t_k) f′(u_k)", *deltas[1][0]],
            ["∂w_1k = y_1 δ_k", *grads[1][1]],
            ["∂w_2k = y_2 δ_k", *grads[1][2]],
            ["∂b_k = δ_k", *grads[1][0]],
            ["∂y_j = Σ_k δ_k w_jk", *handed_down],
        ],
    )
    result.say("Hidden layer, which starts from the ∂y_j that it is handed:")
    result.table(
        ["", "1", "2"],
        [
            ["δ_j = ∂y_j f′(u_j)", *deltas[0][0]],
            ["∂w_1j = y_1 δ_j", *grads[0][1]],
            ["∂w_2j = y_2 δ_j", *grads[0][2]],
            ["∂b_j = δ_j", *grads[0][0]],
            ["∂y_i = Σ_j δ_j w_ij", *to_inputs],
        ],
    )
    result.check("u of both layers", [*trace.S[0][0], *trace.S[1][0]], [0, 0, 0, 0])
    result.check("E", trace.loss, 0.25)
    result.check("δ_k", deltas[1][0], [0.125, -0.125])
    result.check("∂w_jk", grads[1][1:], [[0.0625, -0.0625]] * 2)
    result.check("∂b_k", grads[1][0], [0.125, -0.125])
    result.check("∂y_j", handed_down, [0.375, -0.625])
    result.check("δ_j", deltas[0][0], [0.09375, -0.15625])
    result.check("∂w_ij", grads[0][1:], [[0.09375, -0.15625], [-0.09375, 0.15625]])
    result.check("∂b_j", grads[0][0], [0.09375, -0.15625])
    result.check("∂y_i of the inputs", to_inputs, [-0.109375, -0.109375])
    net.fit(X, T, optimizer=SGD(eta=0.5), progress=False)
    # w − ½ ∂E/∂w, b − ½ ∂E/∂b
    result.check("output layer after one step with η = ½", net.W[1],
                 [[-0.0625, -0.9375], [0.96875, -1.96875], [-1.03125, 4.03125]])  # fmt: skip
    result.check("hidden layer after it", net.W[0],
                 [[-0.046875, 0.078125], [0.453125, 1.078125], [0.546875, 0.921875]])  # fmt: skip
    result.beware(
        "bias, inputs and hidden layer are part of it. Texts that stop at ∂w_jk leave them empty; "
        "without ∂y_j nothing below can learn, and without ∂b the units cannot shift."
    )
