"""D: composite functions, the matrix form, and what backpropagation costs."""

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
from .result import Result, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BETA, OMEGA, X, Y = (1.0, 2.0, -3.0, 0.4), (0.1, -0.4, 2.0, 3.0), 2.3, 2.0

#: The modules forward, and the derivatives of ℓ by them; evaluated with 30 digits.
FORWARD = {
    "f0": 1.23,
    "h1": 0.9424888019316975,
    "f1": 1.623004479227321,
    "h2": 5.068295051170775,
    "f2": 7.136590102341549,
    "h3": 0.6574213694719758,
    "f3": 2.372264108415927,
}
BACKWARD = {
    "f3": 0.7445282168318548,
    "h3": 2.233584650495564,
    "f2": -1.683057749600315,
    "h2": -3.366115499200631,
    "f1": -17.0604665262678,
    "h1": 6.824186610507119,
    "f0": 2.280900622169363,
}
BY_OMEGA = (5.246071430989534, -16.07929865673797, -8.530233263133899, 0.4894687599201261)
LOSS = 0.1385805664147053


def toy_composite(result: Result, options: Options) -> None:
    """f3 = β3 + ω3 cos(β2 + ω2 exp(β1 + ω1 sin(β0 + ω0 x))), ℓ = (f3 − y)²."""
    layers = [[[b], [w]] for b, w in zip(BETA, OMEGA, strict=True)]
    net = Network([1, 1, 1, 1, 1], ["sin", "exp", "cos"], "identity", "sse", layers)
    trace = backprop(net, [[X]], [Y])
    expanded = graph.from_network(net, [X], [Y])
    expanded.f.backward()
    deltas, grads = trace.delta, trace.grad
    names = ("f0", "h1", "f1", "h2", "f2", "h3", "f3")
    forward = [*(v for l in range(3) for v in (trace.S[l][0, 0], trace.x[l + 1][0, 1]))]
    forward.append(trace.S[3][0, 0])
    nodes = [*(v for l in range(3) for v in (expanded.S[l][0], expanded.x[l + 1][1]))]
    nodes.append(expanded.S[3][0])
    backward = [grad(node) for node in nodes]
    result.say(
        "f3 = β3 + ω3 cos(β2 + ω2 exp(β1 + ω1 sin(β0 + ω0 x))) is the network 1-1-1-1-1 with "
        "activations sin, exp, cos and identity. Module by module, forward downwards and backward "
        "upwards:"
    )
    result.table(["module", "value", "∂ℓ/∂module"], zip(names, forward, backward, strict=True))
    result.say("The eight derivatives, ∂ℓ/∂β_k = ∂ℓ/∂f_k and ∂ℓ/∂ω_k = h_k ∂ℓ/∂f_k (h_0 = x):")
    result.table(
        ["k", "∂ℓ/∂β_k", "∂ℓ/∂ω_k"],
        [[str(k), grads[k][0, 0], grads[k][1, 0]] for k in range(4)],
    )
    result.check("modules forward", forward, list(FORWARD.values()))
    result.check("ℓ", trace.loss, LOSS, rtol=1e-11)
    result.check("modules backward", backward, [BACKWARD[name] for name in names], rtol=1e-11)
    result.check("∂ℓ/∂β", [g[0, 0] for g in grads],
                 [BACKWARD[f"f{k}"] for k in range(4)], rtol=1e-11)  # fmt: skip
    result.check("∂ℓ/∂ω", [g[1, 0] for g in grads], BY_OMEGA, rtol=1e-11)
    result.check("graph of gates and network, to the last bit",
                 [*(grad(w[i][0]) for w in expanded.W for i in (0, 1)), *backward[::2]],
                 [*(g[i, 0] for g in grads for i in (0, 1)), *(d[0, 0] for d in deltas)],
                 rtol=0)  # fmt: skip
    result.beware(
        "cos′ = −sin: the minus is lost easily, and turns the signs of six of the eight "
        "derivatives. Also ∂ℓ/∂f3 = 2 (f3 − y), with the 2, since ℓ has no ½."
    )
    result.figure("toy-composite.svg", lambda: expanded.f.svg().encode())


def matrix_form(result: Result, options: Options) -> None:
    """∂ℓ/∂f_{k−1} = 𝟙[f_{k−1} > 0] ⊙ (Ω_kᵀ ∂ℓ/∂f_k), ∂ℓ/∂Ω_k = ∂ℓ/∂f_k h_kᵀ."""
    omega = (np.array([[1, -1], [0.5, 1], [-1, 0.5]]), np.array([[2, -1, 3], [1, 0.5, -2]]))
    beta = (np.array([0, -1, 1]), np.array([0.5, -1]))
    layers = [np.vstack([b, o.T]) for b, o in zip(beta, omega, strict=True)]
    net = Network([2, 3, 2], "relu", "identity", "sse", layers)
    trace = backprop(net, [[2, 1]], [[1, 1]])
    deltas, grads = trace.delta, trace.grad
    switches = np.diag((trace.S[0][0] > 0).astype(float))
    asked = omega[1].T @ deltas[1][0]
    result.say("f_k = β_k + Ω_k h_k and h_1 = relu(f_0), for x = (2, 1) and y = (1, 1):")
    result.show(
        f"f_0 = {_vector(trace.S[0][0])}     h_1 = {_vector(trace.x[1][0, 1:])}\n"
        f"f_1 = {_vector(trace.S[1][0])}        ∂ℓ/∂f_1 = 2 (f_1 − y) = {_vector(deltas[1][0])}"
    )
    result.say("Back through Ω_1, which must be transposed, and through ReLU's Jacobian:")
    result.show(
        f"Ω_1ᵀ ∂ℓ/∂f_1 = {_vector(asked)}\n\n"
        + "\n".join(
            f"{label}[{'  '.join(number(v) for v in row)}]   [{number(a):>4}]{tail}"
            for label, row, a, tail in zip(
                ("           ", "∂ℓ/∂f_0 =  ", "           "),
                switches,
                asked,
                ("", f"  =  {_vector(deltas[0][0])}", ""),
                strict=True,
            )
        )
    )
    result.say(
        "The Jacobian of ReLU is a diagonal of switches, so that multiplying by it is masking: "
        "𝟙[f_0 > 0] ⊙ …. The third unit is off, f_0 = −0.5, and nothing passes it: its weights "
        "learn nothing from this example."
    )
    result.check("f_0, f_1", [*trace.S[0][0], *trace.S[1][0]], [1, 1, -0.5, 1.5, 0.5], rtol=0)
    result.check("ℓ", trace.loss, 0.5, rtol=0)
    result.check("∂ℓ/∂f_1", deltas[1][0], [1, -1], rtol=0)
    result.check("Ω_1ᵀ ∂ℓ/∂f_1", asked, [1, -1.5, 5], rtol=0)
    result.check("diagonal of the Jacobian", np.diag(switches), [1, 1, 0], rtol=0)
    result.check("∂ℓ/∂f_0", deltas[0][0], [1, -1.5, 0], rtol=0)
    result.check("∂ℓ/∂Ω_1 = ∂ℓ/∂f_1 h_1ᵀ", grads[1][1:].T, [[1, 1, 0], [-1, -1, 0]], rtol=0)
    result.check("∂ℓ/∂Ω_0", grads[0][1:].T, [[2, 1], [-3, -1.5], [0, 0]], rtol=0)
    result.check("∂ℓ/∂β_0 = ∂ℓ/∂f_0", grads[0][0], [1, -1.5, 0], rtol=0)
    result.beware(
        "Ω_kᵀ, not Ω_k. Here Ω_1 is 2 × 3 and the shapes would object; with square layers nothing "
        "objects, and the gradient is wrong."
    )


def updates(result: Result, options: Options) -> None:
    """⌈N / B⌉ updates per epoch."""
    X = np.linspace(-1, 1, 1000)[:, None]
    expected = {1000: 1, 500: 2, 100: 10, 32: 32, 3: 334, 1: 1000}
    rows = []
    for batch, count in expected.items():
        net = Network([1, 1], output="identity", loss="mse")
        history = net.fit(X, X[:, 0], epochs=2, batch_size=batch, optimizer=SGD(eta=0.01),
                          progress=False)  # fmt: skip
        result.check(f"updates in two epochs, batches of {batch}", history.steps, 2 * count)
        last = 1000 - (count - 1) * batch
        rows.append([f"{batch:,}", count, str(last)])
    result.say("An epoch visits each of 1,000 points once. Updates in it, by batch size B:")
    result.table(["B", "updates ⌈1000/B⌉", "in the last batch"], rows)
    result.say(
        "Full batch: 1. Pure stochastic descent: 1,000. The work of an epoch is the same for all; "
        "what differs is how often the weights are changed."
    )
    result.beware(
        "⌈ ⌉, not ⌊ ⌋: with B = 32 there are 32 updates, the last from the 8 points that are "
        "left. Dropping them would be 31; dividing their sum by 32 would be wrong."
    )


def work(result: Result, options: Options) -> None:
    """Multiplications: every path on its own, finite differences, backpropagation."""
    rows, by_sizes = [], {}
    for sizes in ([1, 1, 1, 1, 1], [2, 2, 2, 2], [10] * 5, [10] * 8, [64, 32, 16, 10]):
        net = Network(sizes, "tanh", "identity", "sse", seed=0)
        one = explain(net, "w_11^(0)", np.full((1, sizes[0]), 0.5), np.zeros((1, sizes[-1])))
        counted = by_sizes[tuple(sizes)] = (one.paths().count, one.work)
        rows.append(
            [
                "-".join(map(str, sizes)),
                counted[0],
                one.work.all_paths,
                one.work.all_differences,
                one.work.all_backprop,
            ]
        )
    result.say(
        "Paths from w_11^(0) to the loss, and multiplications for all weights and one example:"
    )
    result.table(["network", "paths", "path sums", "differences", "backprop"], rows)
    result.say(
        "Path sums: one long product for every path, as it stands before factors are named. "
        "Differences: two forward passes for every parameter. Backprop: every δ once, used again "
        "by all that lies below. Its cost grows with the number of weights, like a forward pass; "
        "the number of paths grows by a factor with every layer."
    )
    count, small = by_sizes[2, 2, 2, 2]
    result.check("paths in 2-2-2-2", count, 4)
    # Layer 2: two nodes, one path each of 3 factors (a bias 2): 2 (2 · 2 + 1) = 10; layer 1: 2 · 2
    # paths of 5 (4): 4 (2 · 4 + 3) = 44; layer 0: 2 · 4 paths of 7 (6): 8 (2 · 6 + 5) = 136.
    result.check("path sums in 2-2-2-2", small.all_paths, 10 + 44 + 136)
    # 18 parameters, two passes of 4 + 4 + 4
    result.check("differences in 2-2-2-2", small.all_differences, 2 * 18 * 12)
    # δ: 2 · 1 in the last layer, 2 · 3 in each of the others; 12 for the weights
    result.check("backprop in 2-2-2-2", small.all_backprop, 2 + 6 + 6 + 12)
    result.check("paths in eight layers of 10", by_sizes[(10,) * 8][0], 10**6)
    result.beware(
        "backprop is not a cheaper approximation. It is the same sum, in another order of "
        "operations, exact up to rounding; differences are the approximation."
    )


def memory(result: Result, options: Options) -> None:
    """N (n_l + 1) numbers per layer are held until the backward pass."""
    N = 100
    net = Network([64, 32, 16, 10], "relu", dtype="float32", seed=0)
    random = np.random.default_rng(0)
    X, Y = random.random((N, 64)), random.integers(0, 10, N)
    trace = backprop(net, X, Y)
    held = [int(x.nbytes) for x in trace.x]
    sums = [0, *(int(S.nbytes) for S in trace.S)]
    weights = [0, *(int(W.nbytes) for W in net.W)]
    result.say(f"64-32-16-10 in float32, a batch of {N}: bytes held between forward and backward.")
    result.table(
        ["layer", "x", "S", "weights into it"],
        [
            *([str(l), held[l], sums[l], weights[l]] for l in range(4)),
            ["sum", sum(held), sum(sums), sum(weights)],
        ],
    )
    result.say(
        "x: N (n_l + 1) numbers of 4 bytes, the constant included; S: N n_l. They grow with the "
        "batch, the weights do not. The layers come one after the other, each waiting for the one "
        "before; the examples of a batch do not wait for each other."
    )
    result.check("bytes of x", held, [26_000, 13_200, 6_800, 4_000])
    result.check("bytes of S", sums, [0, 12_800, 6_400, 4_000])
    result.check("bytes of weights", weights, [0, 8_320, 2_112, 680])
    alone = backprop(net, X[7:8], Y[7:8])
    result.check("example 7 alone and in its batch, to the last bit",
                 alone.delta[0][0], trace.delta[0][7], rtol=0)  # fmt: skip
    result.beware(
        "memory is what backprop pays with. Forward alone needs two layers at a "
        "time; with a backward pass to come nothing may be thrown away."
    )
    result.figure("memory.png", partial(_memory_png, held, sums, weights))


def _memory_png(held: list[int], sums: list[int], weights: list[int]) -> bytes:
    from .drawing import png

    return png(partial(_draw_memory, held, sums, weights), 6.4, 3.4)


def _draw_memory(held: list[int], sums: list[int], weights: list[int], figure: Figure) -> None:
    """Bars of bytes, per layer."""
    from .drawing import BLUE, ORANGE, PURPLE, axes

    (ax,) = axes(figure, 1, ("held for the backward pass: 64-32-16-10, batch of 100, float32",))
    places = np.arange(len(held))
    parts = ((held, BLUE, "outputs x"), (sums, ORANGE, "sums S"), (weights, PURPLE, "weights"))
    for k, (sizes, colour, label) in enumerate(parts):
        bars = ax.bar(places + 0.27 * (k - 1), np.array(sizes) / 1000, 0.24, color=colour,
                      label=label)  # fmt: skip
        ax.bar_label(bars, [f"{size / 1000:.3g}" if size else "" for size in sizes], fontsize=7.5)
    ax.set(xlabel="layer", ylabel="kilobytes", xticks=places)
    ax.legend(frameon=False)


SEEDS = range(8)


def seeds(result: Result, options: Options) -> None:
    """The same network and data from several starting points."""
    X, Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    losses, ends = {}, {}
    for seed in SEEDS:
        net = _exclusive_or(seed)
        history = net.fit(X, Y, epochs=3000, batch_size=4, optimizer=SGD(eta=2), progress=False)
        losses[seed] = history.frame["loss"].to_numpy()
        ends[seed] = net
    result.say(
        "Exclusive or with 2-2-1 logistic units: the same network, data and η, 3,000 full-batch "
        "steps, from eight draws of the weights."
    )
    result.table(
        ["seed", "loss at the start", "after 3,000 steps", "outputs for 00, 01, 10, 11"],
        [
            [str(seed), losses[seed][0], losses[seed][-1],
             "  ".join(f"{v:.2f}" for v in ends[seed].predict(X)[:, 0])]
            for seed in SEEDS
        ],
    )  # fmt: skip
    final = np.array([losses[seed][-1] for seed in SEEDS])
    solved = int((final < 0.01).sum())
    result.say(
        f"{solved} of {len(final)} runs solve it; the others stop where the gradient is nearly 0, "
        "with some patterns wrong. Descent finds a valley, not the deepest one. So: several "
        "seeds, and never a conclusion from one."
    )
    again = _exclusive_or(0)
    again.fit(X, Y, epochs=3000, batch_size=4, optimizer=SGD(eta=2), progress=False)
    result.check("seed 0 once more, to the last bit", again.theta, ends[0].theta, rtol=0)
    result.holds("some seeds solve it", solved > 0)
    result.holds("some are stuck above 0.1", bool((final > 0.1).any()))
    stuck = [ends[seed] for seed in SEEDS if losses[seed][-1] > 0.1]
    steepest = max(float(np.abs(backprop(net, X, Y).gradient).max()) for net in stuck)
    result.below("largest |∂f/∂w| where they are stuck", steepest, 1e-3)
    result.beware(
        "equal starting weights are the worst start: with zeros both hidden nodes stay the same "
        "node for ever."
    )
    zeros = Network([2, 2, 1], "sigmoid", "sigmoid", "mse", init="zeros")
    zeros.fit(X, Y, epochs=200, batch_size=4, optimizer=SGD(eta=2), progress=False)
    result.check("from zeros: node 2 equals node 1", zeros.W[0][:, 1], zeros.W[0][:, 0], rtol=0)
    result.figure("seeds.png", partial(_seeds_png, losses))


def _exclusive_or(seed: int) -> Network:
    return Network([2, 2, 1], "sigmoid", "sigmoid", "mse", init="normal", std=1.0, seed=seed)


def _seeds_png(losses: dict[int, Any]) -> bytes:
    from .drawing import png

    return png(partial(_draw_seeds, losses), 6.6, 3.6)


def _draw_seeds(losses: dict[int, Any], figure: Figure) -> None:
    """The course of the loss from every seed."""
    from .drawing import BLUE, ORANGE, axes

    (ax,) = axes(figure, 1, ("exclusive or with 2-2-1, from eight starting points",))
    labelled = set()
    for values in losses.values():
        name, colour = ("solved", BLUE) if values[-1] < 0.01 else ("stuck", ORANGE)
        label = None if name in labelled else name
        labelled.add(name)
        ax.plot(np.arange(1, len(values) + 1), values, color=colour, lw=1.1, label=label)
    ax.set(xlabel="step", ylabel="loss", yscale="log", xlim=(0, 3000))
    ax.legend(frameon=False)


def _vector(values: Any) -> str:
    return "(" + ", ".join(number(v) for v in values) + ")"
