"""Full batch, mini-batch and one example at a time: against the work done, and on one surface."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import draws
from ..checks import FloatArray
from ..datasets import Dataset
from ..network import Network
from ..optimizers import SGD
from ..report.formats import prose
from ..training import NonFiniteError
from . import data
from .pieces import SEED, product
from .study import Column, Parameters, Rows, Study, derived_seed, known
from .walk import batches, walk

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Where the walks on the surface begin, beside its lowest point: b, then w.
AWAY = (-1.6, -2.0)

#: Side of the grid of points at which the surface is computed.
GRID = 41

#: Losses are taken after so many parts of an epoch, and once per epoch after the first ones.
PARTS, FINE_EPOCHS = 8, 2

COLUMNS = (
    Column(
        "part",
        "str",
        "network: training of the network; path: a walk of the two-parameter model; surface: that "
        "model's loss at a point",
    ),
    Column("examples", "int64", "examples to train on: all that there are, if they are fewer"),
    Column("batch_size", "Int64", "examples per step"),
    Column("eta", "float64", "learning rate η, the same for every batch size"),
    SEED,
    Column("step", "Int64", "steps so far"),
    Column("examples_seen", "Int64", "examples whose gradient was taken so far"),
    Column("multiply_adds", "Int64", "multiplications with an addition that this has cost"),
    Column("b", "float64", "bias of the two-parameter model"),
    Column("w", "float64", "weight of the two-parameter model"),
    Column("loss", "float64", "mean loss of all examples to train on, there and then"),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """Batch size × seed for the network; one walk per batch size; the surface once."""
    axes = {"batch_size": "batch_sizes"}
    network = product(settings, axes, ("hidden", "examples", "epochs", "eta"))
    walks = product({**settings, "seeds": 1}, axes, ("examples", "steps_surface"))
    return [
        *({**run, "part": "network"} for run in network),
        *({**run, "part": "path", "eta": settings["eta_surface"]} for run in walks),
        {**walks[0], "part": "surface", "batch_size": None, "eta": None},
    ]


def run_piece(piece: Parameters) -> Rows:
    """The rows of one of the three parts."""
    train, _ = data.load_for(piece)
    if piece["part"] == "network":
        rows = _train(piece, train)
    else:
        rows = _surface(train) if piece["part"] == "surface" else _path(piece, train)
    return [{**row, "examples": len(train)} for row in rows]


def work_per_example(net: Network) -> int:
    """Multiply-adds of one example's gradient: S, then ∂f/∂w = δ x, then δ below the last layer.

    A bias is an addition and costs none.
    """
    products = [i * j for i, j in itertools.pairwise(net.sizes)]
    return 2 * sum(products) + sum(products[1:])


def _row(**values: Any) -> dict[str, Any]:
    """A row of the frame; what is not given is missing."""
    names = ("step", "examples_seen", "multiply_adds", "b", "w", "loss")
    return {name: values.get(name) for name in names}


def _train(piece: Parameters, train: Dataset) -> Rows:
    """The network's loss on all examples, from time to time, by plain descent from one start."""
    seed = derived_seed("batch", piece["seed"])  # every batch size has the same starts
    net = data.network(train, [piece["hidden"]], seed)
    cost, size, N = work_per_example(net), min(piece["batch_size"], len(train)), len(train)
    bits = draws.source(seed)
    step = seen = 0
    rows = [_row(step=0, examples_seen=0, multiply_adds=0, loss=net.evaluate(train.X, train.Y)[0])]
    for epoch in range(piece["epochs"]):
        order = draws.permutation(bits, N)
        parts = PARTS if epoch < FINE_EPOCHS else 1
        per_part = -(-N // (parts * size)) * size  # whole batches
        for start in range(0, N, per_part):
            part = order[start : start + per_part]
            try:
                net.fit(
                    train.X[part],
                    train.Y[part],
                    batch_size=size,
                    optimizer=SGD(piece["eta"]),
                    shuffle=False,
                    progress=False,
                )
            except NonFiniteError:
                return rows
            step, seen = step + -(-len(part) // size), seen + len(part)
            loss = known(net.evaluate(train.X, train.Y).loss)
            rows.append(_row(step=step, examples_seen=seen, multiply_adds=seen * cost, loss=loss))
    return rows


def _path(piece: Parameters, train: Dataset) -> Rows:
    """The walk of the two-parameter model: a number of steps, and an epoch at least."""
    X, Y = _two_parameters(train)
    size = min(piece["batch_size"], len(X))
    net = _line(np.array(_lowest(X, Y)) + AWAY)
    order = batches(len(X), size, derived_seed("batch", "path", piece["seed"]))
    count = max(piece["steps_surface"], -(-len(X) // size))
    steps = list(itertools.islice(order, count))
    path = walk(net, X, Y, piece["eta"], steps)
    seen = np.cumsum([0, *map(len, steps)])
    cost = work_per_example(net)
    return [
        _row(
            step=step,
            examples_seen=int(seen[step]),
            multiply_adds=int(seen[step]) * cost,
            b=known(b),
            w=known(w),
            loss=known(_line((b, w)).evaluate(X, Y).loss),
        )
        for step, (b, w) in enumerate(path)
    ]


def _surface(train: Dataset) -> Rows:
    """The loss of the two-parameter model around its lowest point, farther than the start."""
    X, Y = _two_parameters(train)
    sides = [
        middle + 1.35 * abs(away) * np.linspace(-1, 1, GRID)
        for middle, away in zip(_lowest(X, Y), AWAY, strict=True)
    ]
    return [
        _row(b=float(b), w=float(w), loss=known(_line((b, w)).evaluate(X, Y).loss))
        for b in sides[0]
        for w in sides[1]
    ]


def _two_parameters(train: Dataset) -> tuple[FloatArray, FloatArray]:
    """One feature and one target (N, 1) each, for the line b + w x.

    The target is the first one, or 1 for the examples of one class and 0 for the others; class and
    feature are the two that go together most closely. Both have standard deviation 1; the target's
    mean is 0, the feature's ½, so that b and w have to do with each other.
    """
    features = _standard(train.X)
    one_hot = train.Y[:, :1] if train.classes is None else np.eye(len(train.classes))[train.Y]
    targets = _standard(one_hot)
    together = np.abs(features.T @ targets)
    i, j = np.unravel_index(int(together.argmax()), together.shape)
    return features[:, [i]] + 0.5, targets[:, [j]]


def _standard(values: Any) -> FloatArray:
    """Columns of mean 0 and standard deviation 1; of constant ones, 0."""
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray(centred / np.where(spread > 0, spread, 1))


def _line(start: Any) -> Network:
    """The network 1-1 that computes b + w x, with half the squared error."""
    return Network([1, 1], output="identity", loss="half_sse", init=np.asarray(start, float))


def _lowest(X: FloatArray, Y: FloatArray) -> tuple[float, float]:
    """b and w of the least squares: w = cov(x, y) / var(x), b = mean y − w mean x."""
    x, y = X - X.mean(), Y - Y.mean()
    w = float((x * y).mean() / (x * x).mean()) if x.any() else 0.0
    return float(Y.mean() - w * X.mean()), w


def _named(batch_size: int, examples: int) -> str:
    """What a line is called."""
    if batch_size >= examples:
        return f"all {examples:,} at once"
    return "one at a time" if batch_size == 1 else f"batches of {batch_size}"


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per batch size: the network's loss after a given number of examples seen."""
    import pandas as pd

    rows = []
    network = frame[frame["part"] == "network"]
    N, last = _epoch(frame), int(network["examples_seen"].max())
    marks = [m for m in dict.fromkeys((N, 3 * N, 10 * N, last)) if m <= last]
    for size, group in network.groupby("batch_size", sort=False):
        losses = _median(group)
        row: dict[str, Any] = {
            "batch": _named(int(str(size)), N),
            "steps per epoch": -(-N // int(str(size))),
        }
        for mark in marks:
            name = f"loss after {mark // N} epoch{'s' if mark > N else ''}"
            row[name] = float(losses[losses.index <= mark].iloc[-1])
        walk_rows = frame[(frame["part"] == "path") & (frame["batch_size"] == size)]
        rises = np.diff(walk_rows["loss"].to_numpy()) > 0
        row["steps uphill on the surface"] = f"{rises.sum():,} of {len(rises):,}"
        rows.append(row)
    return pd.DataFrame(rows)


def _epoch(frame: pd.DataFrame) -> int:
    """The number of examples in the training set."""
    return int(frame["examples"].iloc[0])


def _median(group: pd.DataFrame) -> pd.Series[float]:
    """The median loss over the seeds, by examples seen."""
    return group.groupby("examples_seen")["loss"].median()


def read(frame: pd.DataFrame) -> list[str]:
    """Who is where after the same work, and who goes uphill."""
    network = frame[frame["part"] == "network"]
    N, last = _epoch(frame), int(network["examples_seen"].max())
    sizes = [int(size) for size in network["batch_size"].unique()]
    curves = {size: _median(network[network["batch_size"] == size]) for size in sizes}
    per_example = int(network["multiply_adds"].max() // last)
    after_one = {size: float(c[c.index <= N].iloc[-1]) for size, c in curves.items()}
    at_end = {size: float(c.iloc[-1]) for size, c in curves.items()}
    largest, smallest = max(sizes), min(sizes)
    best = min(at_end, key=lambda size: at_end[size])
    target = at_end[largest]
    needed = {
        size: int(curve.index[int((curve <= target).to_numpy().argmax())])
        for size, curve in curves.items()
        if size != largest and (curve <= target).any()
    }
    eta = float(network["eta"].iloc[0])
    paragraphs = [
        f"Work is counted in examples seen: the gradient of one costs {per_example:,} "
        f"multiply-adds here, whatever the batch. After one pass over the {N:,} examples, with "
        f"η = {eta:g} for all, {_named(largest, N)} has made {-(-N // largest):,} "
        f"step{'s' * (largest < N)} and stands at a loss of {prose(after_one[largest], 3)}; "
        f"{_named(smallest, N)} has made {-(-N // smallest):,} and stands at "
        f"{prose(after_one[smallest], 3)}."
    ]
    if needed:
        quickest = min(needed, key=lambda size: needed[size])
        paragraphs.append(
            f"What {_named(largest, N)} reaches with {last:,} examples seen, "
            f"{_named(quickest, N)} reaches with {needed[quickest]:,}: "
            f"{prose(last / max(1, needed[quickest]))} times less work. At the end "
            f"{_named(best, N)} is lowest, at {prose(at_end[best], 3)}. A large batch would bear a "
            "larger η, which narrows the gap; the study learning-rate shows where that ends."
        )
    walks = []
    for size in sizes:
        losses = frame[(frame["part"] == "path") & (frame["batch_size"] == size)]["loss"]
        steps = np.diff(losses.to_numpy())
        if len(steps):
            walks.append(f"{(steps > 0).mean():.0%} with {_named(size, N)}".replace("%", " %"))
    paragraphs.append(
        "On the surface of a model with two parameters the same can be watched: the share of "
        f"steps that go uphill is {', '.join(walks)}. A batch's gradient is the full one only on "
        "average, so that small batches stagger, but they take many steps for the work of one."
    )
    return paragraphs


def draw(frame: pd.DataFrame) -> Figure:
    """The surface with the walks on it; beside it the network's loss against the work."""
    from .drawing import grid as panels_of

    figure, ((surface, course),) = panels_of(1, 2, 3.4, 3.3, right=1.2, gap=0.85)
    _draw_surface(surface, frame)
    _draw_course(course, frame)
    return figure


def _draw_surface(axes: Axes, frame: pd.DataFrame) -> None:
    """Contour lines of the two-parameter model's loss, and a path for every batch size."""
    from ..report.canvas import INK, PAPER, titles
    from .drawing import nominal
    from .walk import contours

    heights = frame[frame["part"] == "surface"].pivot(index="w", columns="b", values="loss")
    contours(axes, heights.columns, heights.index, heights.to_numpy())
    paths = frame[frame["part"] == "path"]
    sizes = [int(size) for size in paths["batch_size"].unique()]
    looks = dict(zip(sizes, nominal(len(sizes)), strict=True))
    for size in sorted(sizes):  # the staggering ones lie beneath
        path = paths[paths["batch_size"] == size]
        many = len(path) > 60
        axes.plot(path["b"], path["w"], **looks[size].line(
            linewidth=0.6 if many else 1.3, linestyle="-" if many else looks[size].dashes,
            markersize=3.4, markevery=max(1, len(path) // 12) if many else 1),
            label=_named(size, _epoch(frame)))  # fmt: skip
    start = paths.iloc[0]
    axes.annotate("start", (start["b"], start["w"]), xytext=(-4, -12), textcoords="offset points",
                  fontsize=8.5, ha="center")  # fmt: skip
    lowest: Any = heights.stack().idxmin()
    axes.plot(lowest[1], lowest[0], "+", color=INK, markersize=9, markeredgewidth=1.4)
    axes.annotate("lowest", (lowest[1], lowest[0]), xytext=(8, 5), textcoords="offset points",
                  fontsize=8.5, bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip  # noqa: E501
    axes.set(xlim=(heights.columns.min(), heights.columns.max()),
             ylim=(heights.index.min(), heights.index.max()), xlabel="b", ylabel="w")  # fmt: skip
    axes.legend(loc="lower right", fontsize=8, frameon=True, facecolor=PAPER, edgecolor="none",
                framealpha=0.85)  # fmt: skip
    titles(axes, "Walks on one surface", "a line b + w x; contours: equal loss")


def _draw_course(axes: Axes, frame: pd.DataFrame) -> None:
    """The network's loss against the examples seen; the band is the range over the seeds."""
    from ..report.canvas import label_ends, titles
    from .drawing import end, logarithmic_x, loss_axis, nominal

    network = frame[frame["part"] == "network"]
    N = _epoch(frame)
    sizes = [int(size) for size in network["batch_size"].unique()]
    loss_axis(axes, network["loss"].min(), network["loss"].max())
    seen = network[network["examples_seen"] > 0]["examples_seen"]
    logarithmic_x(axes, float(seen.min()), float(seen.max()))
    names = []
    for size, look in zip(sizes, nominal(len(sizes)), strict=True):
        rows = network[(network["batch_size"] == size) & (network["examples_seen"] > 0)]
        losses = rows.groupby("examples_seen")["loss"]
        line = losses.median()
        axes.fill_between(
            line.index, losses.min(), losses.max(), color=look.colour, alpha=0.12, lw=0
        )
        axes.plot(line.index, line, **look.line(markevery=0.12))
        names.append(end(_named(size, N), look, line.index, line))
    label_ends(axes, names)
    cost = int(network["multiply_adds"].max() // network["examples_seen"].max())
    axes.set_xlabel(f"examples seen, each {cost:,} multiply-adds", labelpad=2)
    titles(axes, "Loss against the work done", "the network; median, band: range over the seeds")


STUDY = Study(
    name="batch",
    title="Full batch, mini-batch, one example: the loss against the work",
    version=1,
    columns=COLUMNS,
    sizes={
        "batch_sizes": (600, 64, 8, 1),
        "hidden": 32,
        "examples": 600,
        "epochs": 30,
        "eta": 0.2,
        "eta_surface": 0.15,
        "steps_surface": 40,
        "seeds": 3,
    },
    quick={
        "batch_sizes": (40, 8, 1),
        "hidden": 4,
        "examples": 40,
        "epochs": 3,
        "steps_surface": 6,
        "seeds": 2,
    },
    grid=grid,
    run_piece=run_piece,
    summarise=summarise,
    read=read,
    draw=draw,
)
