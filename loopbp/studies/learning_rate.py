"""The learning rate: too small, right, too large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Network
from ..optimizers import SGD
from ..report.formats import listing, prose
from ..training import NonFiniteError
from . import data
from .pieces import SEED, product
from .study import Column, Parameters, Rows, Study, derived_seed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The picture ends at so many times the loss at the start.
HIGH = 4.0

#: A learning rate is too small if it leaves more than so many times the loss that the best leaves.
SLOW = 2.0

COLUMNS = (
    Column("eta", "float64", "learning rate η"),
    SEED,
    Column("step", "int64", "steps of gradient descent so far"),
    Column("loss", "float64", "mean loss of all examples to train on, after so many steps"),
    Column(
        "diverged_at", "Int64", "step of this run at which a number was no longer finite, if any"
    ),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """η × seed."""
    return product(settings, {"eta": "etas"}, ("hidden", "examples", "steps"))


def run_piece(piece: Parameters) -> Rows:
    """The loss before the first step and after each; up to the last finite one if it diverges."""
    train, _ = data.load_for(piece)
    sizes = [train.features, piece["hidden"], train.outputs]
    seed = derived_seed("learning-rate", piece["seed"])  # every η has the same starts
    net = Network(sizes, "tanh", "identity", "half_sse", seed=seed)
    losses = [net.evaluate(train.X, train.Y).loss]
    diverged_at = None
    try:
        history = net.fit(
            train.X,
            train.Y,
            epochs=piece["steps"],
            batch_size=len(train),
            optimizer=SGD(piece["eta"]),
            shuffle=False,
            progress=False,
        )
    except NonFiniteError as stop:
        history, diverged_at = stop.history, stop.step
    losses += [row["loss"] for row in history.epochs[1:]]  # each is the loss before its step
    last = net.evaluate(train.X, train.Y).loss  # with the last weights that were finite
    if np.isfinite(last):
        losses.append(last)
    return [
        {"step": step, "loss": float(loss), "diverged_at": diverged_at}
        for step, loss in enumerate(losses)
    ]


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per η: the median loss at the end, how many runs diverged, and the verdict."""
    import pandas as pd

    rows = []
    for eta, group in frame.groupby("eta", sort=True):
        runs = group.groupby("seed")
        diverged = runs["diverged_at"].first()
        final = runs["loss"].last().where(diverged.isna(), np.inf)
        rows.append(
            {
                "η": f"{eta:g}",
                "loss at the start": float(runs["loss"].first().median()),
                "loss at the end": float(final.median()),
                "steps uphill (mean)": float(runs["loss"].agg(_uphill).mean()),
                "runs that diverged": int(diverged.notna().sum()),
                "at step (earliest)": float(diverged.min()) if diverged.notna().any() else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    table["verdict"] = _verdicts(table)
    return table


def _uphill(losses: pd.Series[Any]) -> int:
    """The number of steps that raised the loss."""
    return int((np.diff(losses.to_numpy()) > 0).sum())


def _verdicts(table: pd.DataFrame) -> list[str]:
    """What each η is, by where it has come in the same number of steps."""
    end = table["loss at the end"].to_numpy()
    best = int(end.argmin())
    words = []
    for k, loss in enumerate(end):
        if table["runs that diverged"][k]:
            words.append("diverges")
        elif k > best and loss > table["loss at the start"][k]:
            words.append("too large")
        elif loss <= SLOW * end[best]:
            words.append("best" if k == best else "right")
        else:
            words.append("too small" if k < best else "too large")
    return words


def read(frame: pd.DataFrame) -> list[str]:
    """Which learning rates are too small, right and too large."""
    table: Any = summarise(frame)
    steps = int(frame["step"].max())
    best = table.loc[table["loss at the end"].idxmin()]
    paragraphs = []
    if np.isfinite(best["loss at the end"]):
        paragraphs.append(
            f"After {steps:,} steps of full-batch descent from the same starts, η = {best['η']} "
            f"has come furthest: from a loss of {prose(best['loss at the start'], 3)} to "
            f"{prose(best['loss at the end'], 3)} (median over the seeds)."
        )
    slow = table[table["verdict"] == "too small"]
    if len(slow):
        parts = [f"{r['η']} stands at {prose(r['loss at the end'], 3)}" for _, r in slow.iterrows()]
        paragraphs.append(
            f"Too small, at more than {SLOW:g} times that loss: η = {listing(parts)}. Nothing is "
            "wrong with these runs but their length."
        )
    large = table[table["verdict"].isin(["diverges", "too large"])]
    if len(large):
        parts = []
        for _, row in large.iterrows():
            count = row["runs that diverged"]
            runs = frame["seed"].nunique()
            parts.append(
                f"η = {row['η']}: {count} of {runs} runs diverged, the earliest at step "
                f"{row['at step (earliest)']:,.0f}"
                if count
                else f"η = {row['η']}: finite, but at {prose(row['loss at the end'], 3)}"
            )
        paragraphs.append(
            f"Too large: {'; '.join(parts)}. Beyond a certain η each step multiplies the distance "
            "from the valley's floor by more than 1, and no number of steps helps."
        )
    return paragraphs


def draw(frame: pd.DataFrame) -> Figure:
    """The loss by step for every η; beside it, where each η has come."""
    from .drawing import grid as panels_of

    figure, ((course, ends),) = panels_of(1, 2, 3.4, 3.2, right=0.25, gap=1.65)
    _course(course, frame)
    _ends(ends, frame)
    return figure


def _course(axes: Axes, frame: pd.DataFrame) -> None:
    """The loss by step, the median over the seeds, as far as all seeds are finite."""
    from ..report.canvas import PAPER, label_ends, titles
    from .drawing import end, logarithmic_x, loss_axis, ordered

    etas = sorted(frame["eta"].unique())
    low, high = _range(frame)
    loss_axis(axes, low, high)
    logarithmic_x(axes, 0.92, max(2, int(frame["step"].max())))
    ends, left = [], 0
    for eta, look in zip(etas, ordered(len(etas)), strict=True):
        rows = frame[(frame["eta"] == eta) & (frame["step"] > 0)]
        losses = rows.groupby("step")["loss"]
        line = losses.median()[losses.count() == rows["seed"].nunique()]
        out = (line > high).to_numpy()
        shown = line[: int(out.argmax()) + 1] if out.any() else line
        axes.plot(shown.index, shown, **look.line(markevery=0.15))
        if out.any():
            beside = (float(shown.index[-1]), high)
            axes.annotate(
                f"η = {eta:g} diverges",
                beside,
                xytext=(5, -12 * left),
                textcoords="offset points",
                va="top",
                fontsize=8.5,
                bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.4},
            )
            left += 1
        elif len(shown):
            ends.append(end(f"η = {eta:g}", look, shown.index, shown))
    label_ends(axes, ends)
    axes.set_xlabel("step", labelpad=2)
    titles(axes, "Loss by step", "full batch; median over the seeds")


def _range(frame: pd.DataFrame) -> tuple[float, float]:
    """The losses that are shown: beyond `HIGH` times the start, a run only leaves."""
    start = float(frame[frame["step"] == 0]["loss"].max())
    return float(frame["loss"].min()), HIGH * start


def _ends(axes: Axes, frame: pd.DataFrame) -> None:
    """A dot for each run at its last loss, a cross at the upper edge where it diverged."""
    from ..report.canvas import INK, MUTED, titles
    from .drawing import loss_axis, stated_x

    low, high = _range(frame)
    loss_axis(axes, low, high)
    etas = sorted(frame["eta"].unique())
    stated_x(axes, etas, [f"{eta:g}" for eta in etas])
    last = frame.groupby(["eta", "seed"]).last().reset_index()
    finite = last[last["diverged_at"].isna() & (last["loss"] < high)]
    gone = last.drop(finite.index)
    table = summarise(frame)
    medians = [v if v < high else np.nan for v in table["loss at the end"]]
    axes.plot(etas, medians, color=MUTED, linewidth=0.9)
    axes.plot(finite["eta"], finite["loss"], "o", color=INK, markersize=4, fillstyle="none")
    edge = np.full(len(gone), high)
    axes.plot(gone["eta"], edge, "x", color=INK, markersize=6, markeredgewidth=1.4)
    for eta, count in gone.groupby("eta").size().items():
        axes.annotate(
            f"{count} of {frame['seed'].nunique()}",
            (float(str(eta)), high),
            xytext=(0, -8),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
        )
    axes.set_xlabel("learning rate η", labelpad=2)
    steps = int(frame["step"].max())
    titles(axes, "Where each η has come", f"after {steps:,} steps, a ring per seed; ✕: diverged")


STUDY = Study(
    name="learning-rate",
    title="The learning rate: too small, right, too large",
    version=1,
    columns=COLUMNS,
    sizes={
        "etas": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
        "hidden": 32,
        "examples": 600,
        "steps": 300,
        "seeds": 5,
    },
    quick={"etas": (0.001, 0.1, 1e4), "hidden": 4, "examples": 30, "steps": 40, "seeds": 2},
    grid=grid,
    run_piece=run_piece,
    summarise=summarise,
    read=read,
    draw=draw,
)
