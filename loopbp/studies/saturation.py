"""Saturation: initial weights that are too large flatten g, and with it the gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import FloatArray
from ..optimizers import SGD
from ..report.formats import percent, prose
from ..trace import Trace
from ..training import NonFiniteError
from . import blown_up, data
from .pieces import SEED, product, score
from .study import Column, Parameters, Rows, Study, derived_seed, known

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A node is saturated for an example where g′ is below this share of its largest value.
FLAT = 0.01

#: The largest g′ of those activations that saturate, both as a function of the output x.
SLOPES = {"sigmoid": 0.25, "tanh": 1.0}

COLUMNS = (
    Column("activation", "str", "g of the hidden layers"),
    Column("scale", "float64", "factor on glorot's initial weights"),
    SEED,
    Column("moment", "str", "start: before training; end: after it"),
    Column("layer", "int64", "hidden layer, from 1"),
    Column(
        "saturated",
        "float64",
        "share of (example, node) pairs of the layer where g′ is below 1 % of its largest value; "
        "missing where g does not saturate",
    ),
    Column("delta_rms", "float64", "root mean square of δ at the layer, over examples and nodes"),
    Column("delta_ratio", "float64", "δ of the layer over δ of the next one, root mean squares"),
    Column("loss", "float64", "mean loss of all examples to train on at this moment"),
    Column("accuracy", "float64", "share of the examples to train on classified right"),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """Activation × scale × seed."""
    common = ("width", "hidden_layers", "examples", "epochs", "batch_size", "eta")
    return product(settings, {"activation": "activations", "scale": "scales"}, common)


def run_piece(piece: Parameters) -> Rows:
    """Saturated pairs and δ of every hidden layer, before training and after it."""
    train, _ = data.load_for(piece)
    seed = derived_seed("saturation", piece["seed"])  # every scale has the same directions
    hidden = [piece["width"]] * piece["hidden_layers"]
    net = data.network(train, hidden, seed, hidden=piece["activation"])
    for W in net.W:
        W[1:] *= piece["scale"]
    rows = []
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
                pass  # the weights are the last finite ones
        common = {"moment": moment, **score(net, train.X, train.Y)}
        layers = _layers(net.backprop(train.X, train.Y), piece["activation"])
        rows += [{**layer, **common} for layer in layers]
    return rows


def _layers(trace: Trace, activation: str) -> Rows:
    """The numbers of every hidden layer; δ of hidden layer l + 1 is delta[l]."""
    assert trace.delta is not None
    sizes = [float(np.sqrt(np.mean(delta * delta))) for delta in trace.delta]
    return [
        {
            "layer": l + 1,
            "saturated": saturated(trace.x[l + 1][:, 1:], activation),
            "delta_rms": known(sizes[l]),
            "delta_ratio": known(sizes[l] / sizes[l + 1]) if sizes[l + 1] > 0 else None,
        }
        for l in range(len(trace.delta) - 1)
    ]


def saturated(x: FloatArray, activation: str) -> float | None:
    """The share of outputs x = g(S) where g′ is below `FLAT` of its largest value.

    g′ = x (1 − x) for sigmoid, 1 − x² for tanh; None for any other g.
    """
    if activation not in SLOPES:
        return None
    slope = x * (1 - x) if activation == "sigmoid" else 1 - x * x
    return float(np.mean(slope < FLAT * SLOPES[activation]))


def _runs(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per run: saturation of the start, δ of the first hidden layer over the last, loss."""
    import pandas as pd

    rows = []
    for (activation, scale, seed), run in frame.groupby(
        ["activation", "scale", "seed"], sort=False
    ):
        start, end = (run[run["moment"] == moment] for moment in ("start", "end"))
        rows.append(
            {
                "activation": activation,
                "scale": scale,
                "seed": seed,
                "saturated": start["saturated"].mean(),
                "saturated_end": end["saturated"].mean(),
                "delta": float(np.prod(start["delta_ratio"].to_numpy())),
                "loss_start": start["loss"].iloc[0],
                "loss": end["loss"].iloc[0],
                "accuracy": end["accuracy"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def _medians(frame: pd.DataFrame) -> pd.DataFrame:
    """The medians of the runs over the seeds, a row per activation and scale."""
    runs = _runs(frame).drop(columns="seed")
    return runs.groupby(["activation", "scale"], sort=False).median().reset_index()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per activation and scale, medians over the seeds."""
    table = _medians(frame)
    table["scale"] = [f"× {scale:g}" for scale in table["scale"]]
    return table.set_axis(
        [
            "g",
            "weights",
            "saturated, start",
            "saturated, end",
            "δ, first hidden layer ÷ output, start",
            "loss, start",
            "loss, end",
            "accuracy, end",
        ],
        axis=1,
    )


def read(frame: pd.DataFrame) -> list[str]:
    """From which scale on nodes saturate, and what that does to δ and to learning."""
    table: Any = _medians(frame)
    paragraphs = []
    for name, rows in table.groupby("activation", sort=False):
        best, large = rows.loc[rows["loss"].idxmin()], rows.iloc[-1]
        if rows["saturated"].notna().any():
            text = (
                f"With {name} and glorot's weights times {large['scale']:g}, "
                f"{percent(large['saturated'])} of the (example, node) pairs are saturated before "
                f"training; times {best['scale']:g}, the scale that learns best, "
                f"{percent(best['saturated'])}. "
            )
        else:
            text = f"With {name} nothing saturates. "
        text += (
            f"δ in the first hidden layer is {prose(large['delta'])} times that at the output "
            f"with × {large['scale']:g}, {prose(best['delta'])} times with × {best['scale']:g}; "
            f"the loss after training is {prose(large['loss'], 3)} against "
            f"{prose(best['loss'], 3)}"
        )
        small = rows.iloc[0]
        if small["scale"] < best["scale"]:
            text += (
                f". Too small is no better: with × {small['scale']:g} it is "
                f"{prose(small['loss'], 3)}"
            )
        paragraphs.append(text + ".")
    runs = _runs(frame)
    return paragraphs + blown_up.read(runs["loss_start"], runs["loss"])


def draw(frame: pd.DataFrame) -> Figure:
    """Against the scale: saturated pairs, δ on its way back, and the loss after training."""
    from ..report.canvas import limits, logarithmic, titles
    from .drawing import grid as panels_of
    from .drawing import loss_axis, share_axis

    figure, ((shares, deltas, losses),) = panels_of(1, 3, 2.2, 2.8, right=0.8, gap=1.2)
    table = _medians(frame)
    share_axis(shares)
    _lines(shares, table, "saturated")
    titles(shares, "Saturated at the start", "share of (example, node) pairs")
    logarithmic(deltas, limits(list(table["delta"])), between=False)
    _lines(deltas, table, "delta")
    titles(deltas, "δ, first hidden layer ÷ output", "root mean squares, at the start")
    loss_axis(losses, table["loss"].min(), table["loss"].max())
    _lines(losses, table, "loss")
    titles(losses, "Loss after training", "of the training examples; medians")
    return figure


def _lines(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """A line for every activation that has this number."""
    from ..report.canvas import label_ends
    from .drawing import end, nominal, stated_x

    scales = sorted(table["scale"].unique())
    stated_x(axes, scales, [f"{scale:g}" for scale in scales])
    names = list(table["activation"].unique())
    ends = []
    for name, look in zip(names, nominal(len(names)), strict=True):
        rows = table[table["activation"] == name]
        values = rows[column].where(rows[column] > 0) if column == "delta" else rows[column]
        if values.notna().any():
            axes.plot(rows["scale"], values, **look.line())
            ends.append(end(name, look, rows["scale"], values))
    label_ends(axes, ends)
    axes.set_xlabel("factor on the initial weights", labelpad=2)


STUDY = Study(
    name="saturation",
    title="Saturation: what initial weights that are too large do to the sigmoid",
    version=1,
    columns=COLUMNS,
    sizes={
        "activations": ("sigmoid", "tanh", "relu"),
        "scales": (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
        "width": 32,
        "hidden_layers": 3,
        "examples": 1000,
        "epochs": 40,
        "batch_size": 16,
        "eta": 0.1,
        "seeds": 5,
    },
    quick={
        "activations": ("sigmoid", "relu"),
        "scales": (0.5, 1.0, 8.0),
        "width": 6,
        "hidden_layers": 2,
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
