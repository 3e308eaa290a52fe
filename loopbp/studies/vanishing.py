"""Vanishing gradients, by depth, activation and initial weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optimizers import SGD
from ..report.formats import listing, percent, prose
from ..report.presets import VANISHED
from ..training import NonFiniteError
from . import blown_up, data
from .pieces import SEED, magnitudes, product, score, std_of
from .study import Column, Parameters, Rows, Study, derived_seed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = (
    Column("activation", "str", "g of the hidden layers"),
    Column("init", "str", "scheme of the initial weights; normal: standard deviation 0.1"),
    Column("hidden_layers", "int64", "number of hidden layers"),
    SEED,
    Column("moment", "str", "start: before training; end: after it"),
    Column("l", "int64", "layer of weights, from 0 at the input"),
    Column("mean_abs", "float64", "mean |∂f/∂w| of the layer, over all examples to train on"),
    Column("l2", "float64", "L2 norm of the layer's ∂f/∂w"),
    Column("max_abs", "float64", "largest |∂f/∂w| of the layer"),
    Column("delta_rms", "float64", "root mean square of the layer's δ, over examples and nodes"),
    Column("loss", "float64", "mean loss of the test examples at this moment"),
    Column("accuracy", "float64", "share of the test examples classified right"),
    Column("diverged", "bool", "training stopped because a number was no longer finite"),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """Activation × initial weights × depth × seed."""
    common = ("width", "examples", "epochs", "batch_size", "eta")
    axes = {"activation": "activations", "init": "inits", "hidden_layers": "depths"}
    return product(settings, axes, common)


def run_piece(piece: Parameters) -> Rows:
    """The gradient of every layer before training and after it."""
    train, test = data.load_for(piece)
    hidden = [piece["width"]] * piece["hidden_layers"]
    seed = derived_seed("vanishing", piece["seed"], piece["hidden_layers"])
    init = piece["init"]
    net = data.network(train, hidden, seed, hidden=piece["activation"], init=init, std=std_of(init))
    rows, diverged = [], False
    for moment in ("start", "end"):
        if moment == "end":
            try:
                net.fit(
                    train.X,
                    train.Y,
                    epochs=piece["epochs"],
                    batch_size=piece["batch_size"],
                    optimizer=SGD(piece["eta"]),
                    seed=seed,
                    progress=False,
                )
            except NonFiniteError:
                diverged = True
        common = {"moment": moment, **score(net, test.X, test.Y), "diverged": diverged}
        layers = magnitudes(net.backprop(train.X, train.Y))
        rows += [{**layer, **common} for layer in layers]
    return rows


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per setting: first layer over last (geometric mean over the seeds), and accuracy."""
    import pandas as pd

    keys = ["activation", "init", "hidden_layers"]
    rows = []
    for key, group in frame.groupby(keys, sort=False):
        start, end = (group[group["moment"] == moment] for moment in ("start", "end"))
        rows.append(
            {
                "g": key[0],
                "initial weights": key[1],
                "hidden layers": key[2],
                "∂f/∂w, first ÷ last layer, start": _ratio(start, "mean_abs"),
                "δ, first ÷ last layer, start": _ratio(start, "delta_rms"),
                "∂f/∂w, first ÷ last layer, end": _ratio(end, "mean_abs"),
                "test accuracy, end": end["accuracy"].mean(),
                "test loss, end": end["loss"].mean(),
            }
        )
    return pd.DataFrame(rows)


def _ratio(rows: pd.DataFrame, column: str) -> float:
    """First layer over last, the geometric mean over the seeds; 0 where the first is 0 in a run."""
    first = rows[rows["l"] == 0].set_index("seed")[column]
    last = rows[rows["l"] == rows["l"].max()].set_index("seed")[column]
    if (first == 0).any():  # of the last layer, too, it may be 0
        return 0.0
    return float(np.exp(np.log((first / last).to_numpy()).mean()))


def read(frame: pd.DataFrame) -> list[str]:
    """Where the gradient vanishes, what it has to do with depth, and what becomes of learning."""
    table = summarise(frame).set_axis(
        ["g", "init", "depth", "start", "delta", "end", "accuracy", "loss"], axis=1
    )
    deepest, shallowest = table["depth"].max(), table["depth"].min()
    deep = table[table["depth"] == deepest]
    alive = deep[deep["start"] > 0]
    paragraphs = _lowest_and_most_even(alive, len(deep)) if len(alive) else []
    factors = []
    for name, rows in table.groupby("g", sort=False):
        slopes = [_per_layer(group) for _, group in rows.groupby("init", sort=False)]
        slopes = [slope for slope in slopes if math.isfinite(slope)]
        if slopes:
            low_slope, high_slope = f"{min(slopes):.2f}", f"{max(slopes):.2f}"
            span = low_slope if low_slope == high_slope else f"{low_slope} to {high_slope}"
            factors.append(f"{span} with {name}")
    if factors and deepest > shallowest:
        paragraphs.append(
            f"From {shallowest} to {deepest} hidden layers, every further layer multiplies this "
            f"ratio by {listing(factors)}, depending on the initial weights. Where this "
            "factor is below 1, the gradient falls geometrically with the depth."
        )
    paragraphs += _without_a_ratio(table)
    gone = table[table["start"] < VANISHED]
    reached = table[table["start"] >= VANISHED]
    column, word = ("accuracy", "test accuracy") if table["accuracy"].notna().any() else (
        "loss", "test loss")  # fmt: skip
    show = percent if column == "accuracy" else prose
    others = "the others"
    if len(gone) + len(reached) < len(table):
        others = f"the {len(reached)} with a larger one"
    if len(gone) and len(reached):
        paragraphs.append(
            f"In {len(gone)} of {len(table)} settings the ratio is below {prose(VANISHED)} at the "
            f"start. After training, the median {word} is {show(float(gone[column].median()))} "
            f"there, against {show(float(reached[column].median()))} in {others}."
        )
    return paragraphs + _blown_up(frame)


def _lowest_and_most_even(alive: Any, settings: int) -> list[str]:
    """The extremes of the ratio among the deepest networks that have one, of so many settings."""
    low = alive.loc[alive["start"].idxmin()]
    text = (
        f"Before any training, a network with {low['depth']} hidden layers of {low['g']} nodes and "
        f"{low['init']} initial weights has a mean |∂f/∂w| in its first layer that is "
        f"{prose(low['start'])} times that of its last layer."
    )
    if len(alive) > 1:
        even = alive.loc[np.log(alive["start"]).abs().idxmin()]
        which = "" if len(alive) == settings else " whose gradient is not 0"
        text += (
            f" With {even['g']} and {even['init']} weights, the most even of the {len(alive)} "
            f"settings{which}, the ratio is {prose(even['start'])}."
        )
    return [text]


def _without_a_ratio(table: pd.DataFrame) -> list[str]:
    """The settings whose gradient is 0 before training, and those where it is not finite."""
    reasons = {
        "the gradient of the first layer is 0 before training, in a run at least; it has vanished "
        "completely": table[table["start"] == 0],
        "the ratio is unknown, since a gradient is not finite": table[table["start"].isna()],
    }
    return [
        f"In {len(rows)} of {len(table)} settings {words}: {_named(rows)}."
        for words, rows in reasons.items()
        if len(rows)
    ]


def _named(rows: pd.DataFrame) -> str:
    """relu with he weights and 4 or 8 hidden layers; sigmoid with …"""
    return "; ".join(
        f"{g} with {init} weights and {' or '.join(map(str, group['depth']))} hidden layers"
        for (g, init), group in rows.groupby(["g", "init"], sort=False)
    )


def _blown_up(frame: pd.DataFrame) -> list[str]:
    """In how many runs the loss has risen."""
    runs = frame[frame["l"] == 0]  # in the order of the grid at both moments
    start, end = (runs[runs["moment"] == moment] for moment in ("start", "end"))
    return blown_up.read(start["loss"], end["loss"], end["diverged"])


def _per_layer(group: pd.DataFrame) -> float:
    """The factor by which one more hidden layer multiplies the ratio at the start."""
    first, last = group.iloc[0], group.iloc[-1]
    if last["depth"] == first["depth"] or min(first["start"], last["start"]) <= 0:
        return math.nan
    return float((last["start"] / first["start"]) ** (1 / (last["depth"] - first["depth"])))


def draw(frame: pd.DataFrame) -> Figure:
    """A panel for every activation (columns) and scheme (rows), a line for every depth."""
    from ..report.canvas import limits, logarithmic
    from .drawing import caption
    from .drawing import grid as panels_of

    activations, inits = list(frame["activation"].unique()), list(frame["init"].unique())
    start = _by_layer(frame)
    missing = start["mean_abs"].isna().any()
    top = 1.18 if missing else 1.0
    figure, panels = panels_of(
        len(inits), len(activations), 2.1, 1.75, right=1.0, gap=0.95, between=0.72, top=top
    )
    for row, init in zip(panels, inits, strict=True):
        values = start[start["init"] == init]["mean_abs"]
        for axes, activation in zip(row, activations, strict=True):
            logarithmic(axes, limits(list(values)), between=False)
            _panel(axes, start, frame, activation, init)
            if axes is not row[0]:
                axes.tick_params(labelleft=False)
            if row is panels[-1]:
                axes.set_xlabel("layer l, going backward")
    what = "hidden layers" if frame["accuracy"].isna().all() else "hidden layers: test accuracy"
    caption(
        figure,
        "Mean |∂f/∂w| of each layer before training, from the last layer on the left to the first "
        f"on the right.\nAt the right end of each line, {what} after training."
        + "\nLayers whose gradient is 0 in a run, or not finite, have no mark."
        * bool(missing),
    )
    return figure


def _by_layer(frame: pd.DataFrame) -> pd.DataFrame:
    """The geometric mean over the seeds of mean |∂f/∂w| at the start, by setting and layer."""
    rows = frame[frame["moment"] == "start"]
    keys = ["activation", "init", "hidden_layers", "l"]
    return rows.groupby(keys, sort=False)["mean_abs"].agg(_geometric).reset_index()


def _geometric(values: pd.Series[Any]) -> float:
    """The geometric mean; NaN where a value is 0 or missing."""
    numbers = values.to_numpy()
    return float(np.exp(np.log(numbers).mean())) if (numbers > 0).all() else math.nan


def _panel(
    axes: Axes, start: pd.DataFrame, frame: pd.DataFrame, activation: str, init: str
) -> None:
    """The lines of one activation and scheme, each ending in its depth and test accuracy."""
    from matplotlib.ticker import MaxNLocator

    from ..report.canvas import label_ends
    from .drawing import end, ordered

    depths = list(frame["hidden_layers"].unique())
    ends = []
    for depth, look in zip(depths, ordered(len(depths)), strict=True):
        chosen = (start["activation"] == activation) & (start["init"] == init)
        line = start[chosen & (start["hidden_layers"] == depth)]
        axes.plot(line["l"], line["mean_abs"], **look.line(markersize=2.8, linewidth=1.1))
        here = frame[
            (frame["activation"] == activation)
            & (frame["init"] == init)
            & (frame["hidden_layers"] == depth)
            & (frame["moment"] == "end")
        ]
        accuracy = here["accuracy"].mean()
        text = f"{depth}: {percent(round(accuracy, 2))}" if accuracy == accuracy else f"{depth}"
        if line["mean_abs"].notna().any():
            ends.append(end(text, look, line["l"][::-1], line["mean_abs"][::-1]))
    axes.set_xlim(max(depths) + 0.6, -0.6)  # backward: the first layer is on the right
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    label_ends(axes, ends)
    axes.set_title(f"{activation}, {init}", weight="bold", fontsize=10, x=-0.02)


STUDY = Study(
    name="vanishing",
    title="Vanishing gradients: depth, activation and initial weights",
    version=1,
    columns=COLUMNS,
    sizes={
        "activations": ("sigmoid", "tanh", "relu"),
        "inits": ("glorot", "he", "normal"),
        "depths": (2, 4, 8, 16),
        "width": 16,
        "examples": 1000,
        "epochs": 40,
        "batch_size": 16,
        "eta": 0.1,
        "seeds": 5,
    },
    quick={
        "activations": ("sigmoid", "relu"),
        "inits": ("glorot",),
        "depths": (2, 6),
        "width": 6,
        "examples": 40,
        "epochs": 1,
        "seeds": 2,
    },
    grid=grid,
    run_piece=run_piece,
    summarise=summarise,
    read=read,
    draw=draw,
)
