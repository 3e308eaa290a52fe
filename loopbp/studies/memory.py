"""Memory: what backpropagation holds, by depth and batch size, counted and measured."""

from __future__ import annotations

import itertools
import math
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Network
from ..report.formats import prose
from . import data
from .pieces import product
from .study import Column, Parameters, Rows, Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTITIES = ("x", "S", "delta", "weights", "gradient")
NAMES = {"x": "outputs x", "S": "sums S", "delta": "δ", "weights": "weights w", "gradient": "∂f/∂w"}

WORDS = {"hidden_layers": "hidden layers", "batch_size": "batch size"}
TITLES = {"hidden_layers": "depth", "batch_size": "batch size"}

#: tracemalloc measures a whole process: one piece at a time.
_MEASURING = threading.Lock()

#: Calls from here down to where an array is made, at most; there are some 10.
_CALLS = 25

COLUMNS = (
    Column("hidden_layers", "int64", "number of hidden layers"),
    Column("batch_size", "int64", "examples that go forward and backward together, N"),
    Column("quantity", "str", "x, S, delta, weights or gradient"),
    Column("l", "int64", "its layer: 0 … L of x, 0 … L−1 of the others"),
    Column("bytes", "int64", "computed from the sizes: numbers × bytes per number"),
    Column("bytes_of_array", "int64", "of the array itself (nbytes)"),
    Column(
        "bytes_held",
        "int64",
        "of all arrays of the pass together, as the memory allocator has counted them; includes "
        "losses and targets",
    ),
)


def grid(settings: Mapping[str, Any]) -> list[Parameters]:
    """Depth × batch size; nothing is random, so that one seed is enough."""
    axes = {"hidden_layers": "depths", "batch_size": "batch_sizes"}
    return product({**settings, "seeds": 1}, axes, ("width", "dtype", "examples"))


def computed(sizes: tuple[int, ...], examples: int, itemsize: int) -> dict[tuple[str, int], int]:
    """Bytes by quantity and layer: N (n_l + 1) for x, but N n_L; N n_{l+1} for S and δ;
    (n_l + 1) n_{l+1} for the weights and their gradient; times the bytes of a number."""
    L = len(sizes) - 1
    numbers = {("x", l): examples * (n + 1) for l, n in enumerate(sizes[:-1])}
    numbers["x", L] = examples * sizes[-1]
    for l, (i, j) in enumerate(itertools.pairwise(sizes)):
        numbers["S", l] = numbers["delta", l] = examples * j
        numbers["weights", l] = numbers["gradient", l] = (i + 1) * j
    return {key: count * itemsize for key, count in numbers.items()}


def run_piece(piece: Parameters) -> Rows:
    """The bytes of every array of one pass, computed, of the arrays, and as they are allocated."""
    with _MEASURING:
        train, _ = data.load_for(piece)
        N = piece["batch_size"]
        rows = np.resize(np.arange(len(train)), N)
        hidden = [piece["width"]] * piece["hidden_layers"]
        net = data.network(train, hidden, 0).copy(dtype=piece["dtype"])
        X, Y = train.X[rows], train.Y[rows]
        net.backprop(X, Y)  # plans and compiled loops are made once, and are not counted
        arrays, held = _measured(net, X, Y)
    expected = computed(net.sizes, N, net.dtype.itemsize)
    return [
        {
            "quantity": quantity,
            "l": l,
            "bytes": expected[quantity, l],
            "bytes_of_array": arrays[quantity, l],
            "bytes_held": held,
        }
        for quantity, l in sorted(expected, key=lambda key: (QUANTITIES.index(key[0]), key[1]))
    ]


def _measured(net: Network, X: Any, Y: Any) -> tuple[dict[tuple[str, int], int], int]:
    """nbytes of every array of a trace, and what NumPy has allocated for the trace as it stands."""
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start(_CALLS)
    try:
        before = _allocated()
        trace = net.backprop(X, Y)
        held = min(_allocated() for _ in _moments()) - before
    finally:
        if not running:
            tracemalloc.stop()
    assert trace.delta is not None and trace.grad is not None
    parts = {"x": trace.x, "S": trace.S, "delta": trace.delta, "weights": trace.W}
    arrays = {
        (name, l): int(array.nbytes)
        for name, group in {**parts, "gradient": trace.grad}.items()
        for l, array in enumerate(group)
    }
    return arrays, held


def _moments() -> Iterator[None]:
    """A few moments, one after the other.

    Others may hold for a moment what a call is done with, such as a profiler the frame it looks at.
    """
    for _ in range(5):
        yield
        time.sleep(0.01)


def _allocated() -> int:
    """Bytes of arrays that NumPy holds now and tracemalloc has seen coming.

    Only of those made by a call from here: other threads make arrays too, such as those in which
    a worker of a cluster receives messages. All of them where somebody traces too few calls.
    """
    snapshot = tracemalloc.take_snapshot()
    filters: list[Any] = [tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]
    if tracemalloc.get_traceback_limit() >= _CALLS:
        filters.append(tracemalloc.Filter(True, __file__, all_frames=True))
    # One filter after the other: an array that any one of a list lets pass is kept.
    for one in filters:
        snapshot = snapshot.filter_traces([one])
    return sum(trace.size for trace in snapshot.traces)


def _totals(frame: pd.DataFrame) -> pd.DataFrame:
    """Bytes by depth and batch size (rows) and quantity (columns)."""
    return frame.pivot_table(
        index=["hidden_layers", "batch_size"],
        columns="quantity",
        values="bytes",
        aggfunc="sum",
        sort=False,
    )[list(QUANTITIES)]


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per depth and batch size: kilobytes by quantity, and the allocator's sum."""
    import pandas as pd

    held = frame.groupby(["hidden_layers", "batch_size"], sort=False)["bytes_held"].first()
    rows = []
    sums: Any = _totals(frame)
    for (depth, batch), totals in sums.iterrows():
        rows.append(
            {
                "hidden layers": int(depth),
                "batch": int(batch),
                **{f"{NAMES[name]}, kB": totals[name] / 1000 for name in QUANTITIES},
                "sum, kB": totals.sum() / 1000,
                "allocated, kB": held[depth, batch] / 1000,
            }
        )
    return pd.DataFrame(rows)


def read(frame: pd.DataFrame) -> list[str]:
    """What grows with depth and batch, what does not, and whether the arithmetic is right."""
    totals = _totals(frame)
    depths, batches = (sorted(frame[name].unique()) for name in ("hidden_layers", "batch_size"))
    deep, shallow, large, small = depths[-1], depths[0], batches[-1], batches[0]
    big: Any = totals.loc[(deep, large), :]
    kept = float(big["x"] + big["S"])
    weights = float(big["weights"])
    paragraphs = [
        f"With {deep} hidden layers and a batch of {large:,}, the forward pass leaves "
        f"{_size(kept)} of x and S that must be held until the backward pass has used them, "
        f"{prose(kept / weights)} times the {_size(weights)} of the weights; with a batch of "
        f"{small:,} it is {prose(_kept(totals, deep, small) / weights)} times."
    ]
    if deep > shallow:
        step = (_kept(totals, deep, large) - _kept(totals, shallow, large)) / (deep - shallow)
        paragraphs.append(
            f"Each further hidden layer adds {_size(step)} of x and S at this batch, the same for "
            "every layer: memory grows in proportion to depth and to the batch. The weights and "
            "their gradient grow with the depth alone."
        )
    wrong = int((frame["bytes"] != frame["bytes_of_array"]).sum())
    per_pass = frame.groupby(["hidden_layers", "batch_size"], sort=False)
    counted = per_pass["bytes"].sum()
    more = per_pass["bytes_held"].first() / counted - 1
    paragraphs.append(
        f"The arithmetic agrees with {len(frame) - wrong:,} of {len(frame):,} arrays to the byte. "
        f"What the allocator holds for a pass is {_more(float(more.min()))} to "
        f"{_more(float(more.max()))} more than this sum, for losses and targets."
    )
    return paragraphs


def _more(share: float) -> str:
    """A share that is added, in per cent."""
    return f"{100 * share:.1f} %"


def _kept(totals: pd.DataFrame, depth: int, batch: int) -> float:
    """Bytes of x and S of a pass."""
    row: Any = totals.loc[(depth, batch), :]
    return float(row["x"] + row["S"])


def _size(count: float) -> str:
    """Bytes as people read them: 1 kB is 1,000 bytes."""
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{prose(count / size, 3)} {unit}"
    return f"{count:,.0f} bytes"


def draw(frame: pd.DataFrame) -> Figure:
    """The bytes against the depth, and against the batch size; the other at its largest value."""
    from .drawing import grid as panels_of

    figure, (panels,) = panels_of(1, 2, 2.7, 3.1, right=1.65, gap=2.35)
    totals = _totals(frame)
    sides = [("hidden_layers", "batch_size"), ("batch_size", "hidden_layers")]
    largest = {by: int(totals.index.get_level_values(by).max()) for by, _ in sides}
    cuts: list[Any] = [totals.xs(largest[by], level=by) for _, by in sides]
    shown = [value for cut in cuts for value in cut.to_numpy().ravel()]
    for axes, cut, (along, fixed) in zip(panels, cuts, sides, strict=True):
        subtitle = f"{WORDS[fixed]}: {largest[fixed]:,}; both axes logarithmic"
        _panel(axes, cut, shown, along, subtitle)
    return figure


def _panel(axes: Axes, cut: pd.DataFrame, shown: list[float], along: str, subtitle: str) -> None:
    """A line for every quantity; those that take the same bytes everywhere share one."""
    from matplotlib.ticker import FuncFormatter

    from ..report.canvas import label_ends, limits, logarithmic, titles
    from .drawing import end, nominal, stated_x

    places = [int(place) for place in cut.index]
    low, high = limits(shown)
    logarithmic(axes, (10.0 ** math.floor(math.log10(low)), high), between=False)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _size(v)))
    stated_x(axes, places, [f"{place:,}" for place in places])
    lines: dict[tuple[float, ...], list[str]] = {}
    for name in QUANTITIES:
        lines.setdefault(tuple(cut[name]), []).append(NAMES[name])
    ends = []
    for (values, names), look in zip(lines.items(), nominal(len(lines)), strict=True):
        axes.plot(places, values, **look.line())
        ends.append(end(", also ".join(names), look, places, values))
    label_ends(axes, ends)
    axes.set_xlabel(WORDS[along], labelpad=2)
    titles(axes, f"Bytes held, by {TITLES[along]}", subtitle)


STUDY = Study(
    name="memory",
    title="Memory: what is held until the backward pass",
    version=1,
    columns=COLUMNS,
    sizes={
        "depths": (1, 2, 4, 8, 16, 32),
        "batch_sizes": (1, 16, 64, 256),
        "width": 64,
        "dtype": "float64",
        "examples": 256,
        "seeds": 1,
    },
    quick={"depths": (1, 4), "batch_sizes": (2, 16), "width": 8, "examples": 40},
    grid=grid,
    run_piece=run_piece,
    summarise=summarise,
    read=read,
    draw=draw,
)
