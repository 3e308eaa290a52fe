"""B: computational graphs, layers as matrices, and the check of a gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import graph
from ..graph import Node
from ..network import Network
from ..optimizers import SGD
from .backward import backprop
from .backward import grad as gradient_of
from .options import Options
from .result import Result, number


def _apple(y: float = 219) -> dict[str, Node]:
    """z = x·m apples, f = z·t with tax, L = ½ (f − y)²."""
    x, m, t, paid = graph.inputs(x=100, m=2, t=1.1, y=y)
    z = (x * m).named("z")
    f = (z * t).named("f")
    L = (0.5 * (f - paid) ** 2).named("L")
    return {"x": x, "m": m, "t": t, "y": paid, "z": z, "f": f, "L": L}


def apple(result: Result, options: Options) -> None:
    """∂L/∂x, ∂L/∂m and ∂L/∂t of L = ½ (x m t − y)²."""
    nodes = _apple()
    L = nodes["L"]
    L.backward()
    result.say(
        "Apples cost x = 100 each, m = 2 are bought, and t = 1.1 is the tax factor: f = x m t = "
        "220. The true price was y = 219. Values above the edges, derivatives of L below:"
    )
    result.show(L.text())
    result.say(
        "Backward: ∂L/∂f = f − y = 1. Each multiply gate swaps its inputs: ∂L/∂z = 1 · t = 1.1 and "
        "∂L/∂t = 1 · z = 200; then ∂L/∂x = 1.1 · m = 2.2 and ∂L/∂m = 1.1 · x = 110."
    )
    expected = {"z": 200, "f": 220, "L": 0.5}
    for name, value in expected.items():
        result.check(name, nodes[name].value, value)
    for name, value in {"f": 1, "z": 1.1, "x": 2.2, "m": 110, "t": 200, "y": -1}.items():
        result.check(f"∂L/∂{name}", gradient_of(nodes[name]), value)
    result.beware(
        "∂L/∂t = ∂L/∂f · ∂f/∂t. It does not pass through z: t enters after z, and a chain that "
        "writes ∂L/∂z into it is wrong."
    )
    other = _apple(y=200)
    other["L"].backward()
    result.beware(
        "∂L/∂f = 1 is an accident of y = 219 and may not be left out. With y = 200 it is 20, and "
        "every derivative is 20 times as large: "
        + ", ".join(f"∂L/∂{name} = {number(gradient_of(other[name]))}" for name in "xmt")
        + "."
    )
    for name, value in {"f": 20, "z": 22, "x": 44, "m": 2200, "t": 4000}.items():
        result.check(f"∂L/∂{name} with y = 200", gradient_of(other[name]), value)
    result.figure("apple.svg", lambda: L.svg().encode())


def one_step(result: Result, options: Options) -> None:
    """ΔL = (f − y) Δf + ½ Δf²."""
    rows: list[list[object]] = []
    for name, step, f, L, change in (
        ("x", 1, 222.2, 5.12, 4.62),
        ("m", 1, 330, 6160.5, 6160),
        ("t", 0.01, 222, 4.5, 4),
    ):
        nodes = _apple()
        nodes["L"].backward()
        slope, before, f_before = gradient_of(nodes[name]), nodes["L"].value, nodes["f"].value
        nodes[name].value = float(nodes[name].value) + step
        after, moved = nodes["L"].value, nodes["f"].value
        rows.append([f"{name} + {step}", moved, after, after - before, slope * step])
        what = f"{name} + {step}"
        result.check(f"f after {what}", moved, f)
        result.check(f"L after {what}", after, L, rtol=1e-10)
        result.check(f"ΔL of {what}", after - before, change, rtol=1e-10)
        step_f = moved - f_before
        result.check(f"(f − y) Δf + ½ Δf² of {what}", step_f + 0.5 * step_f**2, change, rtol=1e-10)
    result.say("The apple again: one step of each input, the tax by one percentage point.")
    result.table(["step", "f", "L", "ΔL", "derivative · step"], rows)
    result.say(
        "ΔL = (f − y) Δf + ½ Δf². The derivative knows the first part only; one more apple is far "
        "too large a step for it: 6160 instead of 110."
    )
    nodes = _apple()
    nodes["f"].backward()
    elasticity = {name: gradient_of(nodes[name]) * float(nodes[name].value) for name in "xmt"}
    result.beware(
        "∂L/∂t = 200 is not a sign that the tax matters most. Derivatives depend on units: count "
        "the tax in percent and it is 2. Per relative change, ∂f/∂v · v, all three are the same: "
        + ", ".join(f"{name}: {number(value)}" for name, value in elasticity.items())
        + "."
    )
    result.check("∂f/∂v · v of x, m, t", list(elasticity.values()), [220, 220, 220])


def gates(result: Result, options: Options) -> None:
    """add: both inputs get the upstream gradient; multiply: each gets it times the other."""
    a, b, c = graph.inputs(a=2, b=3, c=4)
    s = (a + b).named("s")
    f = (s * c).named("f")
    steps = f.steps()
    result.say("f = (a + b) c. Values above the edges, derivatives of f below:")
    result.show(f.text())
    for step in steps:
        result.say(str(step))
    result.say(
        "The add gate hands the same 4 to both inputs, whatever their values. The multiply gate "
        "swaps: s gets c = 4, and c gets s = 5."
    )
    result.check("f", f.value, 20)
    for node, value in ((s, 4), (c, 5), (a, 4), (b, 4)):
        result.check(f"∂f/∂{node.name}", gradient_of(node), value)
    (x,) = graph.inputs(x=3)
    twice = x * x + x
    twice.backward()
    twice.backward()
    result.beware(
        "where a value is used more than once its gradients are added: x·x + x at x = 3 has "
        f"derivative 3 + 3 + 1 = {number(gradient_of(x))}. And going backward twice does not "
        "double it."
    )
    result.check("∂(x·x + x)/∂x at 3", gradient_of(x), 7)
    result.figure("gates.svg", lambda: f.svg().encode())


def affine(result: Result, options: Options) -> None:
    """Y = XW + B; ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂B = sums over the batch."""
    X = np.array([[1.0, 2], [3, 4], [5, 6]])
    W = np.array([[1.0, 0, -1], [2, -2, 0.5]])
    B = np.array([10.0, 20, 30])
    Y = np.array([[15.0, 16, 30], [21, 12, 29], [27, 8, 28]])
    upstream = np.array([[1.0, 2, 0], [0, -1, 1], [1, 0, -2]])
    # The first layer hands X on unchanged, so that ∂L/∂X is its δ; L = ½ Σ (Y − T)².
    copying = np.vstack([np.zeros(2), np.eye(2)])
    net = Network([2, 2, 3], "identity", "identity", "half_sse", [copying, np.vstack([B, W])])
    trace = backprop(net, X, Y - upstream, reduction="sum")
    delta, grad = trace.delta, trace.grad
    result.say("A batch of three examples through one layer, Y = XW + B:")
    _show_matrices(result, {"X": X, "W": W, "B": B[None]}, {"Y": trace.x[2]})
    result.say("From the loss comes ∂L/∂Y, and the layer makes of it:")
    _show_matrices(result, {"∂L/∂Y": delta[1], "∂L/∂X = ∂L/∂Y Wᵀ": delta[0]}, {})
    _show_matrices(result, {"∂L/∂W = Xᵀ ∂L/∂Y": grad[1][1:], "∂L/∂B": grad[1][:1]}, {})
    result.check("Y", trace.x[2], Y)
    result.check("∂L/∂Y", delta[1], upstream)
    result.check("∂L/∂X", delta[0], [[1, -2], [-1, 2.5], [3, 1]])
    result.check("∂L/∂W", grad[1][1:], [[6, -1, -7], [8, 0, -8]])
    result.check("∂L/∂B", grad[1][0], [2, 1, -1])
    result.say(
        "The shapes leave no choice: ∂L/∂X is like X and ∂L/∂W like W. B went to every row, so "
        "its derivative is the sum over the rows, the batch."
    )
    result.beware(
        "the row of biases stands for a whole batch, and ∂L/∂B is a sum of columns, not ∂L/∂Y "
        "itself. Where L is a mean over the batch, all of this is divided by its size."
    )


def activations(result: Result, options: Options) -> None:
    """σ′ = σ (1 − σ); relu′ = 1 for x > 0, else 0; softmax with cross-entropy: y − t."""
    points = np.array([[-20.0], [-2], [0], [2], [20]])
    copy = [[[0], [1]]]
    # f = Σ (y − x)² has ∂f/∂x = −2 (y − x), so that δ over it is the slope of g
    target = np.full(5, 30.0)
    sigmoid = backprop(Network([1, 1], output="sigmoid", loss="sse", init=copy), points, target)
    relu = backprop(Network([1, 1], output="relu", loss="sse", init=copy), points, target)
    values: dict[str, Any] = {}
    slopes: dict[str, Any] = {}
    for name, trace in (("sigmoid", sigmoid), ("relu", relu)):
        values[name] = trace.x[1][:, 0]
        slopes[name] = trace.delta[0][:, 0] / (-2 * (30 - values[name]))
    result.say("The logistic function and ReLU, with their slopes:")
    result.table(
        ["x", "σ(x)", "σ′(x)", "relu(x)", "relu′(x)"],
        [
            [number(points[k, 0]), values["sigmoid"][k], slopes["sigmoid"][k], values["relu"][k],
             slopes["relu"][k]]
            for k in range(5)
        ],
    )  # fmt: skip
    result.say(
        "σ′ = σ (1 − σ) is at most ¼ and dies away at both ends: a saturated unit passes almost "
        "nothing back. ReLU is a switch: 1 or 0."
    )
    result.beware(
        "ReLU has no derivative at its kink. relu′(0) = 0 is a convention, the one used here."
    )
    result.check("σ(2), σ′(2)", [values["sigmoid"][3], slopes["sigmoid"][3]],
                 [0.880797077977882, 0.104993585403507], rtol=1e-12)  # fmt: skip
    result.check("σ′(−20), σ′(0), σ′(20)", slopes["sigmoid"][[0, 2, 4]],
                 [2.06115362e-9, 0.25, 2.06115362e-9], rtol=1e-7)  # fmt: skip
    result.check("relu′", slopes["relu"], [0, 0, 0, 1, 1])
    net = Network([3, 3], init=[[[0, 0, 0], *np.eye(3)]])
    a = np.array([[0.3, 2.9, 4.0], [0.0, 0.0, 0.0]])
    trace = backprop(net, a, [2, 0])
    result.say("Softmax with cross-entropy, scores a = (0.3, 2.9, 4) and the third class right:")
    y, t, delta = trace.x[1][0], [0, 0, 1], trace.delta[0][0]
    result.table(
        ["k", "a_k", "y_k", "t_k", "∂L/∂a_k = y_k − t_k"],
        [[str(k + 1), a[0, k], y[k], t[k], delta[k]] for k in range(3)],
    )
    e = [math.exp(v) for v in (0.3, 2.9, 4.0)]
    softmax = [v / math.fsum(e) for v in e]
    result.check("y", y, softmax)
    result.check("y, to eight decimals", y, [0.01821127, 0.24519181, 0.73659691], atol=5e-9)
    result.check("∂L/∂a", delta, [softmax[0], softmax[1], softmax[2] - 1])
    # a second example with equal scores: y − t = (1/3 − 1, 1/3, 1/3); the mean of two
    result.check(
        "gradient of a batch of two, divided by 2",
        trace.grad[0][0],
        [(softmax[0] - 2 / 3) / 2, (softmax[1] + 1 / 3) / 2, (softmax[2] - 2 / 3) / 2],
    )
    result.beware(
        "y − t is ∂L/∂a, by the scores, not by y; and it is divided by the batch size once, "
        "where the gradient is the mean over the batch."
    )


def two_layer_net(result: Result, options: Options) -> None:
    """n-50-10, N(0, 0.01²), softmax with cross-entropy, batches of 100, η = 0.1."""
    train, test = options.load().split()
    sizes = [train.X.shape[1], 50, 10]
    whole = len(train.X) // 100 * 100  # so that all batches have 100
    steps = 10_000 if options.full else (600 if options.data == "mnist" else 1_000)
    result.say(
        f"{sizes[0]}-50-10 on {options.source}: weights N(0, 0.01²), biases 0, softmax with "
        "cross-entropy. First the gradient of three examples, against central differences with "
        "h = 1e-4: the mean absolute difference in each block (up to 200 of its parameters)."
    )
    rows, started = [], {}
    for hidden in ("relu", "sigmoid"):
        net = Network(sizes, hidden, init="normal", std=0.01, seed=0)
        for block, size, difference in _blocks(net, train.X[:3], train.Y[:3]):
            rows.append([hidden, block, f"{size:.1e}", f"{difference:.1e}"])
            # h²/6 times a third derivative below 1, and rounding, eps / h
            result.below(f"{hidden}, {block}: mean difference", difference, 2e-9)
        started[hidden] = net
    result.table(["hidden", "block", "mean |∂f/∂w|", "mean |difference|"], rows)
    result.say(f"Then {steps:,} steps with batches of 100 drawn at random and η = 0.1:")
    scores = []
    for hidden, net in started.items():
        first = net.evaluate(train.X[:whole], train.Y[:whole]).loss
        net = net.copy(dtype="float32")
        _descend(net, train.X[:whole], train.Y[:whole], steps)
        scores.append((hidden, first, net.evaluate(test.X, test.Y)))
        # all outputs 1/10: −ln(1/10)
        result.check(f"{hidden}: loss at the start, ln 10", first, 2.302585093, atol=0.02)
    result.table(
        ["hidden", "loss before", "test loss", "test accuracy"],
        [[hidden, first, score.loss, f"{score.accuracy:.3f}"] for hidden, first, score in scores],
    )
    least = 0.96 if options.full and options.data == "mnist" else 0.85
    result.holds(f"relu: test accuracy above {least}", (scores[0][2].accuracy or 0) > least)
    if not options.full:
        result.say("--full takes 10,000 steps; on MNIST that comes to about 0.97 on the test set.")
    result.say(
        "Small weights start logistic units in their flat middle, all alike: they learn later "
        "than ReLU with the same η."
    )
    result.beware(
        "with all weights 0 the hidden nodes would stay alike for ever; small random ones are "
        "what parts them. And an epoch here visits every example once, in a new order, where "
        "some texts draw each batch anew."
    )


def _blocks(net: Network, X: Any, Y: Any) -> list[tuple[str, float, float]]:
    """Name, mean |∂f/∂w| and mean |numeric − ∂f/∂w| of each block of parameters."""
    h, found = 1e-4, []
    gradient = backprop(net, X, Y).grad
    for l in range(2):
        for name, rows in ((f"b^({l})", slice(0, 1)), (f"w^({l})", slice(1, None))):
            weights, analytic = net.W[l][rows], gradient[l][rows].ravel()
            # the largest entries: pixels that are 0 have no say
            chosen = np.argsort(-np.abs(analytic), kind="stable")[:200]
            numeric = []
            for p in chosen:
                at = np.unravel_index(p, weights.shape)
                before = weights[at]
                weights[at] = before + h
                above = net.evaluate(X, Y).loss
                weights[at] = before - h
                numeric.append((above - net.evaluate(X, Y).loss) / (2 * h))
                weights[at] = before
            difference = np.abs(np.array(numeric) - analytic[chosen])
            found.append((name, float(np.abs(analytic[chosen]).mean()), float(difference.mean())))
    return found


def _descend(net: Network, X: Any, Y: Any, steps: int) -> None:
    """So many steps with batches of 100: whole epochs, and a part of one more."""
    epochs, rest = divmod(steps, len(X) // 100)
    net.fit(X, Y, epochs=epochs, batch_size=100, optimizer=SGD(eta=0.1), seed=0, progress=False)
    if rest:
        part = np.random.Generator(np.random.PCG64(1)).permutation(len(X))[: rest * 100]
        net.fit(X[part], Y[part], batch_size=100, optimizer=SGD(eta=0.1), seed=1, progress=False)


def learning_loop(result: Result, options: Options) -> None:
    """Mini-batch, gradient, w ← w − η ∂f/∂w, repeat."""
    X, Y = np.array([[1.0], [2], [3], [4]]), np.array([[2.0], [4], [6], [8]])
    net = Network([1, 1], output="identity", loss="half_sse", init="zeros")
    eta, rows, path = 0.1, [], []
    for step in range(12):
        batch = slice(0, 2) if step % 2 == 0 else slice(2, 4)  # 1. a mini-batch
        trace = backprop(net, X[batch], Y[batch])  # 2. its gradient
        net.theta -= eta * trace.gradient  # 3. a step against it
        path.append(net.theta.copy())  # 4. repeat
        rows.append([str(step + 1), trace.loss, *trace.gradient, *net.theta])
    result.say("The points (1, 2), (2, 4), (3, 6), (4, 8), two at a time, and the line b + w x:")
    result.show(
        "batch = X[rows], Y[rows]              # 1. a mini-batch\n"
        "trace = net.backprop(*batch)          # 2. its gradient\n"
        "net.theta -= eta * trace.gradient     # 3. a step against it; 4. repeat"
    )
    result.table(["step", "loss", "∂f/∂b", "∂f/∂w", "b", "w"], [*rows[:4], rows[-1]])
    # batch 1: errors −2, −4; batch 2 at b = 0.3, w = 0.5: errors −4.2, −5.7
    result.check("loss of the first two batches", [rows[0][1], rows[1][1]], [5, 12.5325])
    result.check("b and w after one step", path[0], [0.3, 0.5])
    result.check("b and w after two steps", path[1], [0.795, 2.27])
    fitted = Network([1, 1], output="identity", loss="half_sse", init="zeros")
    fitted.fit(X, Y, epochs=6, batch_size=2, optimizer=SGD(eta=eta), shuffle=False)
    result.check("net.fit does the same, to the last bit", fitted.theta, path[-1], rtol=0)
    before = 0.5 * float((Y**2).mean())
    after = 0.5 * float(((path[-1][0] + path[-1][1] * X - Y) ** 2).mean())
    result.holds("the cost has fallen to a hundredth", after < before / 100)
    uphill = Network([1, 1], output="identity", loss="half_sse", init="zeros")
    uphill.theta += eta * backprop(uphill, X[:2], Y[:2]).gradient
    worse = backprop(uphill, X[:2], Y[:2]).loss
    # b = −0.3, w = −0.5: errors −2.8, −5.3; ½ (7.84 + 28.09) / 2
    result.check("loss after a step along the gradient", worse, 8.9825)
    result.beware(
        "the step goes against the gradient. Along it the first batch's loss rises from 5 to "
        f"{number(worse)}: the gradient points uphill."
    )


def _show_matrices(result: Result, left: dict[str, Any], right: dict[str, Any]) -> None:
    """Matrices side by side, each under its name."""
    columns = []
    for name, values in {**left, **right}.items():
        cells = [[number(v) for v in row] for row in np.asarray(values)]
        width = max(len(cell) for row in cells for cell in row)
        lines = ["[" + " ".join(cell.rjust(width) for cell in row) + "]" for row in cells]
        columns.append([name, *lines])
    height = max(map(len, columns))
    padded = [
        [line.ljust(max(map(len, column))) for line in column + [""] * (height - len(column))]
        for column in columns
    ]
    result.show("\n".join("   ".join(row).rstrip() for row in zip(*padded, strict=True)))
