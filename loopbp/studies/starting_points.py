"""Several starting points: what the seed and the initial weights decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optimizers import SGD
from ..report.formats import percent, prose
from ..training import NonFiniteError
from . import blown_up, data
from .pieces import SEED, product, score, std_of
from .study import Column, Parameters, Rows, Study, derived_seed, known

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = (
    Column("init", "str", "scheme of the initial weights; normal: standard deviation 0.1"),
    SEED,
    Column("epoch", "int64", "epochs of training so far"),
    Column("loss", "float64", "mean loss of the test examples after so many epochs"),
    Column("accuracy", "float64", "share of the test examples classified right"),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """Initial weights × seed."""
    common = ("activation", "hidden", "examples", "epochs", "batch_size", "eta")
    return product(settings, {"init": "inits"}, common)


def run_piece(piece: Parameters) -> Rows:
    """Loss and accuracy before training and after every epoch."""
    train, test = data.load_for(piece)
    seed = derived_seed("starting-points", piece["seed"])
    init = piece["init"]
    net = data.network(
        train,
        [piece["hidden"]] * 2,
        seed,
        hidden=piece["activation"],
        init=init,
        std=std_of(init),
    )
    rows = [{"epoch": 0, **score(net, test.X, test.Y)}]
    try:
        history = net.fit(
            train.X,
            train.Y,
            epochs=piece["epochs"],
            batch_size=piece["batch_size"],
            optimizer=SGD(piece["eta"]),
            seed=seed,
            validation=(test.X, test.Y),
            progress=False,
        )
    except NonFiniteError as stop:
        history = stop.history
    for epoch in history.epochs:
        accuracy = epoch.get("validation_accuracy")
        rows.append(
            {
                "epoch": int(epoch["epoch"]),
                "loss": known(epoch["validation_loss"]),
                "accuracy": None if accuracy is None else known(accuracy),
            }
        )
    return rows


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per run: where it ended."""
    return frame.groupby(["init", "seed"], sort=False).last().reset_index()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per scheme: the spread of the last losses, and of the accuracy."""
    import pandas as pd

    rows = []
    for init, runs in _last(frame).groupby("init", sort=False):
        loss, accuracy = runs["loss"], runs["accuracy"]
        rows.append(
            {
                "initial weights": str(init),
                "runs": len(runs),
                "least loss": loss.min(),
                "median": loss.median(),
                "largest": loss.max(),
                "largest ÷ least": loss.max() / loss.min(),
                "least accuracy": accuracy.min(),
                "median accuracy": accuracy.median(),
                "largest accuracy": accuracy.max(),
            }
        )
    return pd.DataFrame(rows)


def read(frame: pd.DataFrame) -> list[str]:
    """How far the same network comes from several starts, and which scheme starts best."""
    table, last = summarise(frame).set_index("initial weights"), _last(frame)
    epochs = int(frame["epoch"].max())
    medians = table["median"]
    best, worst = str(medians.idxmin()), str(medians.idxmax())
    runs = int(table["runs"].max())
    paragraphs = [
        f"The same network, data and η, {epochs} epochs, from {runs} seeds with each scheme: the "
        f"median test loss is {prose(medians[best], 3)} with {best}, the lowest, and "
        f"{prose(medians[worst], 3)} with {worst}, the highest."
    ]
    spread = table["largest ÷ least"].drop(index=[n for n in table.index if n == "zeros"])
    if len(spread):
        widest = str(spread.idxmax())
        mine = last[last["init"] == widest]
        text = (
            f"The seed alone matters too. With {widest} weights the last loss runs from "
            f"{prose(mine['loss'].min(), 3)} to {prose(mine['loss'].max(), 3)}, a factor of "
            f"{spread[widest]:.2f}"
        )
        if mine["accuracy"].notna().any():
            low, high = mine["accuracy"].min(), mine["accuracy"].max()
            text += f"; its accuracy from {percent(low)} to {percent(high)}"
        best_runs, other = last[last["init"] == best]["loss"], _second(medians)
        if other is not None:
            theirs = last[last["init"] == other]["loss"]
            better = (best_runs.to_numpy()[:, None] < theirs.to_numpy()[None, :]).mean()
            text += (
                f". A run with {best} is better than one with {other}, the next, in "
                f"{percent(float(better))} of the pairs: one run of each would not tell them apart "
                "for certain" * bool(0 < better < 1)
            )
        paragraphs.append(text + ".")
    if "zeros" in table.index:
        share = float((1 - last[last["init"] == "zeros"]["loss"] / _first(frame, "zeros")).mean())
        paragraphs.append(
            "Zeros are not a start: all nodes of a hidden layer compute the same and stay the same "
            f"for ever. The loss falls by {percent(max(share, 0.0))} in {epochs} epochs."
        )
    return paragraphs + _blown_up(frame)


def _blown_up(frame: pd.DataFrame) -> list[str]:
    """In how many runs the loss has risen; a run that stopped early has fewer epochs."""
    runs = frame.groupby(["init", "seed"], sort=False)
    start, end = (runs["loss"].nth(at).to_numpy() for at in (0, -1))
    stopped = (runs["epoch"].max() < frame["epoch"].max()).to_numpy()
    return blown_up.read(start, end, stopped)


def _second(medians: pd.Series[float]) -> str | None:
    """The scheme with the second lowest median, if there is one."""
    return str(medians.sort_values().index[1]) if len(medians) > 1 else None


def _first(frame: pd.DataFrame, init: str) -> float:
    """The mean loss before training."""
    return float(frame[(frame["init"] == init) & (frame["epoch"] == 0)]["loss"].mean())


def draw(frame: pd.DataFrame) -> Figure:
    """The course of every run; beside it, where each has ended."""
    from .drawing import grid as panels_of

    figure, ((course, ends),) = panels_of(1, 2, 3.5, 3.3, right=0.25, gap=1.4)
    _course(course, frame)
    _ends(ends, frame)
    return figure


def _course(axes: Axes, frame: pd.DataFrame) -> None:
    """A thin line for each run, a thicker one for the median of a scheme."""
    from ..report.canvas import label_ends, titles
    from .drawing import end, loss_axis, nominal

    inits = list(frame["init"].unique())
    loss_axis(axes, frame["loss"].min(), frame["loss"].max())
    axes.set_xlim(0, frame["epoch"].max())
    names = []
    for init, look in zip(inits, nominal(len(inits)), strict=True):
        rows = frame[frame["init"] == init]
        for _, run in rows.groupby("seed"):
            axes.plot(run["epoch"], run["loss"], color=look.colour, linewidth=0.5, alpha=0.5)
        line = rows.groupby("epoch")["loss"].median()
        axes.plot(line.index, line, **look.line(markevery=max(1, len(line) // 6)))
        names.append(end(init, look, line.index, line))
    label_ends(axes, names)
    axes.set_xlabel("epoch", labelpad=2)
    seeds = frame["seed"].nunique()
    titles(axes, "Test loss by epoch", f"a thin line for each of {seeds} seeds; thick: median")


def _ends(axes: Axes, frame: pd.DataFrame) -> None:
    """A mark for each run beside those of its scheme, a stroke at the median."""
    from ..report.canvas import INK, titles
    from .drawing import loss_axis, nominal

    last = _last(frame)
    inits = list(frame["init"].unique())
    loss_axis(axes, frame["loss"].min(), frame["loss"].max())  # as beside it
    for place, (init, look) in enumerate(zip(inits, nominal(len(inits)), strict=True)):
        runs = last[last["init"] == init]
        values = runs["loss"].to_numpy()
        aside = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
        axes.plot(place + aside, values, **look.dots(fillstyle="none", markersize=4.5))
        axes.plot([place - 0.32, place + 0.32], [np.median(values)] * 2, color=INK, linewidth=1.4)
    axes.set_xlim(-0.6, len(inits) - 0.4)
    axes.set_xticks(range(len(inits)), [_named(init, last) for init in inits])
    axes.tick_params(axis="x", length=0)
    what = "" if last["accuracy"].isna().all() else "; below: median accuracy"
    titles(axes, "Test loss at the end", f"a mark for each seed, stroke: median{what}")


def _named(init: str, last: pd.DataFrame) -> str:
    """The name of a scheme, and the median accuracy of its runs, if there is one."""
    accuracy = last[last["init"] == init]["accuracy"].median()
    return init if accuracy != accuracy else f"{init}\n{percent(accuracy)}"


STUDY = Study(
    name="starting-points",
    title="Several starting points: the spread that the seed and the scheme make",
    version=1,
    columns=COLUMNS,
    sizes={
        "inits": ("glorot", "he", "lecun", "normal", "zeros"),
        "activation": "tanh",
        "hidden": 16,
        "examples": 1000,
        "epochs": 30,
        "batch_size": 16,
        "eta": 0.05,
        "seeds": 10,
    },
    quick={
        "inits": ("glorot", "normal", "zeros"),
        "hidden": 4,
        "examples": 40,
        "epochs": 2,
        "seeds": 3,
    },
    grid=grid,
    run_piece=run_piece,
    summarise=summarise,
    read=read,
    draw=draw,
)
