"""A: intuition, on handwritten digits with the squared error."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Network
from ..optimizers import SGD
from ..per_example import per_example_gradients
from ..sensitivity import sensitivity as rank
from ..studies.walk import batches, contours, walk
from .backward import backprop
from .options import Options
from .result import Result, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Hidden nodes of the networks below, few enough for a table.
NODES = 8


def digit_cost(result: Result, options: Options) -> None:
    """f = Σ_j (a_j − y_j)² of one example; the cost of the network is the mean over examples."""
    data = options.load()
    X, Y = data.X[:500], data.Y[:500]
    net = Network([data.features, 16, 16, 10], "sigmoid", "sigmoid", "sse", seed=0)
    trace = backprop(net, X, Y)
    a, y = trace.x[3], np.eye(10)[Y]
    squares = (a - y) ** 2
    result.say(
        f"A {data.features}-16-16-10 network of logistic units with random weights sees "
        f"{options.source}. The first of them is a {Y[0]}; each output a_j should be 1 for its "
        "own digit and 0 for the others:"
    )
    result.table(
        ["digit j", "a_j", "y_j", "(a_j − y_j)²"],
        [[str(j), a[0, j], y[0, j], squares[0, j]] for j in range(10)],
    )
    result.say(
        f"The cost of this example is the sum, {number(squares[0].sum())}; the cost of the network "
        f"is the mean over {len(X)} examples, {number(squares.sum() / len(X))}. A network that "
        "answers ½ to everything has cost 10 · ¼ = 2.5: that is what knowing nothing costs."
    )
    # (n_0 + 1) 16 + 17 · 16 + 17 · 10 = 784: 13,002; 64: 1,482
    parameters = {784: 13_002, 64: 1_482}[data.features]
    result.check("weights and biases", len(net.theta), parameters)
    result.check("cost of one example", trace.losses[0], squares[0].sum())
    result.check("cost of the network", trace.loss, squares.sum() / len(X))
    blank = Network(net.sizes, "sigmoid", "sigmoid", "sse", init="zeros")
    result.check("cost where every output is ½", backprop(blank, X, Y).loss, 2.5)
    result.beware(
        "some texts put ½ before the sum or divide by the number of outputs. Only factors change, "
        "but every gradient changes with them: here it is Σ without either (loss sse)."
    )


def sensitivity(result: Result, options: Options) -> None:
    """Δf ≈ ∂f/∂w Δw: weights ranked by |∂f/∂w|."""
    net = Network([2, 1], output="identity", loss="half_sse", init=[[[0], [1], [1]]])
    X, Y = [[3.2, 0.1]], [[2.3]]  # the output is 3.3, so that δ = 1 and ∂f/∂w_i = x_i
    slopes = backprop(net, X, Y).grad[0][1:, 0]
    before, rows, changes = backprop(net, X, Y).loss, [], []
    for i, slope in enumerate(slopes, 1):
        changed = net.copy()
        changed.W[0][i, 0] += 0.001
        changes.append((backprop(changed, X, Y).loss) - before)
        rows.append([f"w_{i}1", slope, 0.001 * slope, changes[-1]])
    result.say(
        "One neuron, two weights. Their derivatives are 3.2 and 0.1; each weight is raised by "
        "0.001 in turn:"
    )
    result.table(["weight", "∂f/∂w", "∂f/∂w Δw", "Δf"], rows)
    result.say(
        f"The first weight moves the cost {number(slopes[0] / slopes[1])} times as much as the "
        "second: an entry of the gradient says how much its weight matters, its sign which way."
    )
    result.beware(
        "this holds for small steps. Δf has a second-order part, here ½ Δs²: the measured ratio is "
        f"{number(changes[0] / changes[1])}."
    )
    result.check("∂f/∂w of both weights", slopes, [3.2, 0.1])
    result.check("ratio", slopes[0] / slopes[1], 32)
    # Δf = Δs + ½ Δs² with Δs = 0.0032 and 0.0001
    result.check("Δf of both", changes, [0.00320512, 0.000100005], rtol=1e-9)
    _ranking(result, options)


def _ranking(result: Result, options: Options) -> None:
    """The weights of a network for digits, the ones that matter most first."""
    data = options.load()
    X, Y = data.X[:200], data.Y[:200]
    net = Network([data.features, NODES, 10], "sigmoid", "sigmoid", "sse", seed=0)
    weights = rank(net, X, Y, biases=False).weights
    result.say(
        f"The same in {data.features}-{NODES}-10 on {options.source}: its {len(weights):,} "
        "weights by |∂f/∂w|, and how many times the median each is (of those that are not 0):"
    )
    first = weights.head(5).to_dict("records")
    result.table(
        ["rank", "weight", "|∂f/∂w|", "ratio"],
        [
            [
                str(row["rank"]),
                f"w_{row['i']},{row['j']}^({row['layer']})",
                row["magnitude"],
                f"{row['ratio']:.4g}",
            ]
            for row in first
        ],
    )
    size, l, i, j = (first[0][name] for name in ("magnitude", "layer", "i", "j"))
    h = 1e-5
    losses = []
    for step in (h, -h):
        moved = net.copy()
        moved.W[l][i, j - 1] += step
        losses.append(backprop(moved, X, Y).loss)
    measured = abs(losses[0] - losses[1]) / (2 * h)
    result.check("largest |∂f/∂w|, measured", size, measured, rtol=1e-6)


def three_levers(result: Result, options: Options) -> None:
    """∂f/∂x_i = Σ_j δ_j w_ij: bias, weights, and what is asked of the layer before."""
    data = options.load()
    net = Network([data.features, NODES, 10], "sigmoid", "sigmoid", "sse", seed=0)
    net.fit(data.X[:1000], data.Y[:1000], epochs=2, batch_size=10, optimizer=SGD(eta=0.5))
    n = int(np.flatnonzero(data.Y == 2)[0])
    image, label = data.X[n : n + 1], np.eye(10)[[2]]
    trace = backprop(net, image, label)
    delta, x = trace.delta[1][0], trace.x[1][0, 1:]
    outputs, W = trace.x[2][0], net.W[1][1:]
    strongest = int(np.argmax(x)) + 1
    result.say(
        f"Example {n} of {options.source} is a 2, and the network is half trained. Every output "
        "has three levers: its bias (wish −δ_j), its weights (−δ_j x_i, in proportion to the x_i "
        f"that they carry; shown for the most active node, {strongest}), and the nodes before it "
        "(−δ_j w_ij, in proportion to the weights)."
    )
    result.table(
        ["output j", "x_j", "wanted", "bias: −δ_j", f"w_{strongest}j: −δ_j x_{strongest}"],
        [
            [str(j), outputs[j], label[0, j], -delta[j], -delta[j] * x[strongest - 1]]
            for j in range(10)
        ],
    )
    found = rank(net, image, label)
    # row i: what each output asks of node i
    asked = found.asked()["wish"].to_numpy().reshape(W.shape)
    result.say(
        "What each output asks of each hidden node, and in the last column the sum over all "
        "outputs, in hundredths. That sum is −∂f/∂x_i, and all that the layer before hears:"
    )
    result.table(
        ["node i", *(str(j) for j in range(10)), "sum"],
        [
            [str(i + 1), *(f"{100 * v:.1f}".replace("-", "−") for v in (*row, row.sum()))]
            for i, row in enumerate(asked)
        ],
    )
    result.beware(
        "not only the output for 2 has a wish: the others want to be smaller, and all wishes are "
        "added. Taking one output alone gives another direction."
    )
    result.check("every output's δ_j = 2 (x_j − y_j) x_j (1 − x_j)", delta,
                 2 * (outputs - label[0]) * outputs * (1 - outputs))  # fmt: skip
    result.check("weights: δ_j x_i", trace.grad[1][1:], np.outer(x, delta))
    result.check("biases: δ_j", trace.grad[1][0], delta, rtol=0)
    # the hidden layer's δ_i = ∂f/∂x_i · x_i (1 − x_i)
    heard = trace.delta[0][0] / (x * (1 - x))
    summed = found.inputs()["wish"].to_numpy()
    result.check("what output j asks of node i: −δ_j w_ij", asked, -delta * W)
    result.check("−∂f/∂x_i: wishes added over the outputs", -heard, summed, rtol=1e-9)
    result.holds("only the 2 wants to be larger", bool(np.flatnonzero(delta < 0).tolist() == [2]))
    result.figure("three-levers.png", partial(_levers_png, image[0], asked))


def _levers_png(image: Any, asked: Any) -> bytes:
    from .drawing import png

    return png(partial(_draw_levers, image, asked), 8.4, 3.9)


def _draw_levers(image: Any, asked: Any, figure: Figure) -> None:
    """The digit, the wishes of every output, and their sum."""
    side = int(np.sqrt(len(image)))
    left, middle, right = figure.subplots(1, 3, width_ratios=(2.6, 4.6, 0.9))
    left.imshow(image.reshape(side, side), cmap="Greys")
    left.set(title="the example", xticks=[], yticks=[])
    left.spines[:].set_visible(False)
    total = asked.sum(axis=1, keepdims=True)
    limit = max(np.abs(asked).max(), np.abs(total).max())
    shades = {"cmap": "PuOr", "vmin": -limit, "vmax": limit, "aspect": "auto"}
    middle.imshow(asked, **shades)
    middle.set(
        title="what output j asks of node i: −δ_j w_ij",
        xlabel="output j",
        ylabel="hidden node i",
        xticks=range(10),
        yticks=range(NODES),
        yticklabels=range(1, NODES + 1),
    )
    drawn = right.imshow(total, **shades)
    right.set(title="sum: −∂f/∂x_i", xticks=[], yticks=[])
    figure.colorbar(drawn, ax=right, shrink=0.9).outline.set_visible(False)


def wishes(result: Result, options: Options) -> None:
    """∂f/∂w is the mean of every example's own ∂f/∂w."""
    data = options.load()
    net = Network([data.features, NODES, 10], "sigmoid", "sigmoid", "sse", seed=0)
    N = 100
    X, Y = data.X[:N], data.Y[:N]
    whole = backprop(net, X, Y)
    rows = per_example_gradients(net, X, Y).matrix()
    mean = rows.sum(axis=0) / N
    last = len(net.theta) - net.W[1].size
    chosen = [last + (i * 10) + i for i in range(1, 6)]  # into output i + 1, that of digit i
    names = [f"w_{i},{i + 1}^(1)" for i in range(1, 6)]
    result.say(
        "Every example has its own wish for every weight. Minus the gradient, for five weights "
        f"of {data.features}-{NODES}-10 and the first of {N} examples of {options.source}:"
    )
    result.table(
        ["example", *names],
        [
            *([f"{n}: a {Y[n]}", *(-rows[n, p] for p in chosen)] for n in range(6)),
            ["…", *("…" for _ in chosen)],
            ["mean", *(-mean[p] for p in chosen)],
        ],
    )
    result.say(
        "One example alone would have the network answer its own digit to everything. The mean "
        "row is the step that serves all of them: minus the gradient of the cost."
    )
    alone = backprop(net, X[:1], Y[:1]).gradient
    result.check("the first row, from that example alone", rows[0], alone, rtol=0)
    result.check("mean row = gradient of the set", whole.gradient, mean, rtol=1e-9, atol=1e-15)
    result.check("mean of the costs", whole.loss, float(np.mean(whole.losses)))
    result.holds(
        "no single example has this gradient",
        bool((np.abs(rows - mean).max(axis=1) > 0.1 * np.abs(mean).max()).all()),
    )
    result.beware(
        "the gradient points uphill. The wishes, which go downhill, are minus its entries; a text "
        "that calls the wishes the gradient has dropped a sign."
    )


def two_walks(result: Result, options: Options) -> None:
    """The mean of equal batches' gradients is the full gradient; two walks on one surface."""
    random = np.random.default_rng(5)
    X = random.uniform(-1, 1, (100, 1))
    Y = 0.5 + 1.5 * X + random.normal(0, 0.3, (100, 1))
    start = [[[-1.5], [-1.0]]]
    net = Network([1, 1], output="identity", loss="half_sse", init=start)
    full = backprop(net, X, Y).gradient
    parts = [backprop(net, X[s : s + 10], Y[s : s + 10]).gradient for s in range(0, 100, 10)]
    result.say(
        "A line through 100 noisy points has two parameters, b and w, so that its cost is a "
        "surface. At the start, the ten gradients of batches of 10 and the full gradient are:"
    )
    result.table(
        ["batch", "∂f/∂b", "∂f/∂w"],
        [
            *([str(k + 1), *part] for k, part in enumerate(parts[:3])),
            ["…", "…", "…"],
            ["mean of ten", *np.mean(parts, axis=0)],
            ["all 100", *full],
        ],
    )
    uneven = [backprop(net, X[:90], Y[:90]).gradient, backprop(net, X[90:], Y[90:]).gradient]
    result.beware(
        "that the batches' gradients average to the full one needs batches of equal size and the "
        "same weights for all of them. With 90 and 10 points the plain mean is off by "
        f"{number(float(np.abs(np.mean(uneven, axis=0) - full).max()), 2)}; weighted by 0.9 and "
        "0.1 it is right. And descent changes the weights after every batch."
    )
    result.check("mean of ten equal batches", np.mean(parts, axis=0), full)
    result.check("weighted mean of 90 and 10", 0.9 * uneven[0] + 0.1 * uneven[1], full)
    walks = {
        "full batch": _walk(X, Y, start, 100, 0.8, 20),
        "one example": _walk(X, Y, start, 1, 0.1, 2000),
    }
    cost = {name: _cost(path, X, Y) for name, path in walks.items()}
    best = np.linalg.lstsq(np.hstack([np.ones_like(X), X]), Y, rcond=None)[0]
    least = float(_cost(best.T, X, Y)[0])
    result.say(
        "Now two walks from there. Work is counted in gradients of one example: a full-batch "
        f"step costs 100, a step on one example 1. The least possible cost is {number(least, 4)}."
    )
    work = (0, 20, 50, 100, 200, 500, 1000, 2000)
    result.table(
        ["work", "full batch", "one example"],
        [[f"{k:,}", cost["full batch"][k // 100], cost["one example"][k]] for k in work],
    )
    rises = {name: int((np.diff(values) > 0).sum()) for name, values in cost.items()}
    result.say(
        f"The full batch walks carefully: its cost never rises. Single examples stagger: "
        f"{rises['one example']:,} of 2,000 steps go uphill, yet after the work of one full-batch "
        "step they are almost there. They never quite settle, which a smaller η would mend."
    )
    result.check("full-batch steps that go uphill", rises["full batch"], 0)
    result.holds("more than 400 single steps go uphill", rises["one example"] > 400)
    result.holds(
        "after 100 gradients the staggering walk is lower",
        bool(cost["one example"][100] < 0.5 * cost["full batch"][1]),
    )
    result.holds(
        "the careful walk ends within 2 % of the least cost",
        bool(cost["full batch"][-1] < 1.02 * least),
    )
    result.figure("two-walks.png", partial(_walks_png, X, Y, walks, cost))


def _walk(X: Any, Y: Any, start: Any, batch: int, eta: float, steps: int) -> Any:
    """The parameters (steps + 1, 2) of descent; a new order of the examples in every epoch."""
    net = Network([1, 1], output="identity", loss="half_sse", init=start)
    return walk(net, X, Y, eta, islice(batches(len(X), batch, 1), steps))


def _cost(path: Any, X: Any, Y: Any) -> Any:
    """½ the mean of (b + w x − y)² for every (b, w) of the path."""
    return 0.5 * ((path[:, :1] + path[:, 1:] * X.T - Y.T) ** 2).mean(axis=1)


def _walks_png(X: Any, Y: Any, walks: Any, cost: Any) -> bytes:
    from .drawing import png

    return png(partial(_draw_walks, X, Y, walks, cost), 8.6, 4.0)


def _draw_walks(X: Any, Y: Any, walks: Any, cost: Any, figure: Figure) -> None:
    """The surface with both walks; beside it the cost against the work."""
    from .drawing import BLUE, ORANGE, axes

    surface, course = axes(
        figure, 2, ("two walks on one cost surface", "the cost, against the work done")
    )
    b, w = np.meshgrid(np.linspace(-1.8, 1.2, 80), np.linspace(-1.3, 2.4, 80))
    height = _cost(np.column_stack([b.ravel(), w.ravel()]), X, Y).reshape(b.shape)
    contours(surface, b, w, height)
    for name, colour, per_step in (("one example", ORANGE, 1), ("full batch", BLUE, 100)):
        path = walks[name][:401]
        mark = "o" if per_step > 1 else None
        surface.plot(*path.T, color=colour, lw=0.9, marker=mark, ms=2.8, label=name)
        course.plot(per_step * np.arange(len(cost[name])), cost[name], color=colour, lw=1.1,
                    marker=mark, ms=2.8, label=name)  # fmt: skip
    surface.set(xlabel="b", ylabel="w")
    course.set(xlabel="gradients of one example", ylabel="cost", yscale="log", xlim=(-20, 2000))
    course.legend(frameon=False)
