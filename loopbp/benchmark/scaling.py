"""How the cost of backpropagation grows: time per weight, other ways to the gradient, memory.

Four questions, each with the answer that theory gives beside it:

1. Time per weight and example as width and depth grow: constant, once the network is large enough.
2. Backpropagation against the two other ways to a gradient. Central differences need two forward
   passes for each of the P weights: P times as much. Sums over paths, without keeping δ, walk
   along every path from a weight to the output: with width n and L layers some n^(L−1) of them.
3. The backward half over the forward half: 2, as each weight is met once in forward and twice in
   backward (δ and gradient), less the first layer, which passes no δ on.
4. Memory held per layer: what the trace keeps of each.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from .. import draws
from ..engines import find
from ..network import Network
from ..npz import replacing
from ..progress import Progress
from ..report.canvas import INK, MUTED
from . import machine, plot
from .table import seconds

FORMAT = "loopbp scaling"
VERSION = 1

WIDTHS = (8, 16, 32, 64, 128, 256)
DEPTHS = (1, 2, 4, 8, 16, 32)
FULL_WIDTHS = (*WIDTHS, 512, 1024)
FULL_DEPTHS = (*DEPTHS, 64, 128)

#: Examples of a pass where width and depth grow, and the other of the two meanwhile.
EXAMPLES, WIDTH, DEPTH = 256, 64, 4

#: The networks that all three ways to a gradient are tried on: width, depths.
WAYS_WIDTH, WAYS_DEPTHS, FULL_WAYS_DEPTHS = 4, (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 7, 8)

#: The largest relative error of another way's gradient: differences lose half of the digits.
WAYS_TOLERANCE = 1e-6

#: The numbers along x and along y.
Line = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class Pass:
    """Seconds of a forward pass and of a call for all gradients; `layers` of weights."""

    width: int
    layers: int
    parameters: int
    examples: int
    forward: float
    gradients: float

    @property
    def per_weight(self) -> float:
        """Seconds per weight and example of a call for all gradients."""
        return self.gradients / (self.parameters * self.examples)

    @property
    def backward_over_forward(self) -> float:
        """What the gradients cost beyond the forward pass, by the forward pass."""
        return (self.gradients - self.forward) / self.forward


@dataclass(frozen=True)
class Ways:
    """Seconds of three ways to the same gradient of one example, all of them plain Python."""

    layers: int
    parameters: int
    backprop: float
    differences: float
    paths: float


@dataclass(frozen=True)
class Held:
    """Bytes that the trace of a backward pass holds of a layer."""

    layer: int
    weights: int
    gradient: int
    S: int
    x: int
    delta: int


@dataclass(frozen=True)
class Scaling:
    """All answers, and where they were measured."""

    date: str
    engine: str
    machine: machine.Machine
    software: dict[str, str | None]
    widths: tuple[Pass, ...]
    depths: tuple[Pass, ...]
    ways: tuple[Ways, ...]
    memory: tuple[Held, ...]
    memory_examples: int

    def reading(self) -> list[str]:
        """The answers in sentences."""
        wide, deep, last = self.widths[-1], self.depths[-1], self.ways[-1]
        per_example = sum(h.S + h.x + h.delta for h in self.memory) // self.memory_examples
        return [
            f"Time per weight and example: {_nanoseconds(self.widths[0])} at width "
            f"{self.widths[0].width}, {_nanoseconds(wide)} at width {wide.width}; "
            f"{_nanoseconds(self.depths[0])} with one layer of weights, "
            f"{_nanoseconds(deep)} with {deep.layers}.",
            f"Backward over forward: {wide.backward_over_forward:.2f} at width {wide.width}, "
            f"{deep.backward_over_forward:.2f} with {deep.layers} layers; in products it is 2 or "
            "less.",
            f"All {last.parameters} gradients of a network of {last.layers} layers of weights: "
            f"backpropagation {seconds(last.backprop)}, central differences "
            f"{last.differences / last.backprop:,.0f} times as long, sums over paths "
            f"{last.paths / last.backprop:,.0f} times as long.",
            f"Memory held: {per_example:,} bytes per example, and twice the weights.",
        ]


def measure(
    engine: str, *, full: bool = False, report: Callable[[Progress], None] = lambda state: None
) -> Scaling:
    """Measures everything in this process, on its threads."""
    widths, depths = (FULL_WIDTHS, FULL_DEPTHS) if full else (WIDTHS, DEPTHS)
    ways = FULL_WAYS_DEPTHS if full else WAYS_DEPTHS
    state = Progress("width", 0, len(widths) + len(depths) + len(ways) + 1)

    def done(value: Any) -> Any:
        nonlocal state
        state = state._replace(done=state.done + 1)
        report(state)
        return value

    name = find(engine).name
    wide = tuple(done(measure_pass(name, [n] * (DEPTH + 1))) for n in widths)
    deep = tuple(done(measure_pass(name, [WIDTH] * (L + 1))) for L in depths)
    gradients = tuple(done(measure_ways([WAYS_WIDTH] * (L + 1))) for L in ways)
    return Scaling(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=name,
        machine=machine.machine(),
        software=machine.software(),
        widths=wide,
        depths=deep,
        ways=gradients,
        memory=done(memory_held(name, (784, 128, 64, 32, 10), EXAMPLES)),
        memory_examples=EXAMPLES,
    )


def write(result: Scaling, folder: Path) -> None:
    """Writes scaling.json, scaling.md and scaling.png into the folder."""
    document = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(result)}
    contents = {
        "scaling.json": json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n",
        "scaling.png": plot.save(draw(result)),
        "scaling.md": _markdown(result).encode(),
    }
    for name, content in contents.items():
        with replacing(folder / name) as file:
            file.write(content)


def measure_pass(engine: str, sizes: Sequence[int], examples: int = EXAMPLES) -> Pass:
    """Times one network, tanh throughout, with sse."""
    net = Network(sizes, hidden="tanh", output="tanh", loss="sse", dtype="float32")
    X, Y = (part.astype(net.dtype) for part in _data(sizes, examples))
    forward = _typical(lambda: net.forward(X, engine=engine))
    gradients = _typical(lambda: net.backprop(X, Y, engine=engine))
    return Pass(sizes[0], net.L, len(net.theta), examples, forward, gradients)


def measure_ways(sizes: Sequence[int]) -> Ways:
    """Times three ways to the gradient of one example, once they have been seen to agree.

    All of them are plain Python with NumPy numbers, none compiled, so that they differ in the
    number of operations only.
    """
    net = Network(sizes, hidden="tanh", output="tanh", loss="half_sse")
    X, Y = _data(sizes, 1)
    ways: dict[str, Callable[[], NDArray[Any]]] = {
        "backprop": lambda: net.backprop(X, Y, engine="python").gradient,
        "differences": lambda: central_differences(net, X, Y),
        "paths": lambda: sums_over_paths(net, X, Y),
    }
    expected = ways["backprop"]()
    for name, way in ways.items():
        error = np.linalg.norm(way() - expected) / np.linalg.norm(expected)
        if not error <= WAYS_TOLERANCE:
            raise ArithmeticError(f"{name}: its gradient is another one, error {error:.1e}")
    times = {name: _typical(way) for name, way in ways.items()}
    return Ways(net.L, len(net.theta), **times)


def central_differences(net: Network, X: Any, Y: Any, h: float = 1e-5) -> NDArray[Any]:
    """(f(w + h) − f(w − h)) / 2h for every weight, (P,); two passes each. `net` is unchanged."""
    varied = net.copy()
    gradient = np.empty_like(net.theta)
    for p, w in enumerate(net.theta):
        losses = []
        for moved in (w + h, w - h):
            varied.theta[p] = moved
            outputs = varied.predict(X, engine="python")
            losses.append(0.5 * float(((Y - outputs) ** 2).sum()))
        varied.theta[p] = w
        gradient[p] = (losses[0] - losses[1]) / (2 * h)
    return gradient


def sums_over_paths(net: Network, X: Any, Y: Any) -> NDArray[Any]:
    """∂f/∂w for one example as the sum over all paths from the weight to an output, (P,).

    tanh′ = 1 − x²; the chain rule written out, without keeping any δ: each call of `reach` walks
    all the paths again.
    """
    trace = net.forward(X, engine="python")
    x = [layer[0, 1:] if l < net.L else layer[0] for l, layer in enumerate(trace.x)]

    def reach(l: int, j: int) -> float:
        """∂f/∂S_j^(l): along every path from node j of layer l + 1 upwards."""
        slope = 1 - x[l + 1][j] ** 2
        if l == net.L - 1:
            return float(slope * (x[l + 1][j] - Y[0, j]))
        above = net.W[l + 1]
        return float(slope * sum(above[1 + j, k] * reach(l + 1, k) for k in range(above.shape[1])))

    gradient = np.empty_like(net.theta)
    for l, part in enumerate(net.architecture.views(gradient)):
        for i, j in np.ndindex(*part.shape):
            part[i, j] = reach(l, j) * trace.x[l][0, i]
    return gradient


def memory_held(engine: str, sizes: Sequence[int], examples: int) -> tuple[Held, ...]:
    """Bytes of the arrays that a trace holds, by layer of weights."""
    net = Network(sizes, dtype="float32")
    X, _ = _data(sizes, examples)
    trace = net.backprop(X, np.zeros(examples, np.int64), engine=engine)
    assert trace.delta is not None and trace.grad is not None
    arrays = zip(trace.W, trace.grad, trace.S, trace.x[1:], trace.delta, strict=True)
    return tuple(Held(l, *(array.nbytes for array in layer)) for l, layer in enumerate(arrays))


def draw(result: Scaling) -> Figure:
    """Four panels, one for each question."""
    with plot.style():
        figure = Figure(figsize=(9.6, 7.4))
        axes = figure.subplots(2, 2)
        figure.subplots_adjust(
            left=0.085, right=0.975, bottom=0.075, top=0.9, wspace=0.24, hspace=0.42
        )
        _draw_per_weight(axes[0, 0], result)
        _draw_ways(axes[0, 1], result)
        _draw_halves(axes[1, 0], result)
        _draw_memory(axes[1, 1], result)
        figure.text(
            0.02,
            0.965,
            f"How backpropagation grows (engine {result.engine})",
            fontsize=11,
            fontweight="bold",
        )
    return figure


BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"


def _draw_per_weight(axes: Any, result: Scaling) -> None:
    wide = [p.width for p in result.widths], [1e9 * p.per_weight for p in result.widths]
    deep = [p.layers for p in result.depths], [1e9 * p.per_weight for p in result.depths]
    _draw_growth(axes, wide, deep)
    axes.set_yscale("log")
    low, high = min(*wide[1], *deep[1]), max(*wide[1], *deep[1])
    axes.set_ylim(low / 1.5, max(2 * high, 10 * low))
    _plain(axes.yaxis, [m * 10.0**e for e in range(-4, 4) for m in (1, 2, 5)])
    _finish(axes, "Time per weight and example", "ns, all gradients", "width or layers of weights")


def _draw_ways(axes: Any, result: Scaling) -> None:
    layers = [way.layers for way in result.ways]
    for name, label, colour, marker in (
        ("paths", "sums over paths", PINK, "^"),
        ("differences", "central differences", ORANGE, "s"),
        ("backprop", "backpropagation", BLUE, "o"),
    ):
        times = [1e3 * getattr(way, name) for way in result.ways]
        axes.semilogy(layers, times, color=colour, marker=marker, markersize=4, label=label)
    axes.set_xticks(layers)
    axes.set_ylim(top=25 * max(max(way.paths, way.differences) * 1e3 for way in result.ways))
    _plain(axes.yaxis, [10.0**e for e in range(-3, 7)])
    axes.legend(frameon=False, loc="upper left")
    subtitle = f"ms, one example, width {WAYS_WIDTH}, plain Python"
    _finish(axes, "Three ways to all gradients", subtitle, "layers of weights")


def _draw_halves(axes: Any, result: Scaling) -> None:
    wide = [p.width for p in result.widths], [p.backward_over_forward for p in result.widths]
    deep = [p.layers for p in result.depths], [p.backward_over_forward for p in result.depths]
    _draw_growth(axes, wide, deep)
    axes.axhline(2, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
    axes.set_ylim(0, max(3.0, 1.3 * max(*wide[1], *deep[1])))
    subtitle = "time; dashed: the number of products in a deep network"
    _finish(axes, "Backward over forward", subtitle, "width or layers of weights")


def _draw_memory(axes: Any, result: Scaling) -> None:
    layers = [f"l = {held.layer}" for held in result.memory]
    bottom = np.zeros(len(layers))
    for name, label, colour in (
        ("weights", "w", BLUE),
        ("gradient", "∂f/∂w", "#56b4e9"),
        ("S", "S", GREEN),
        ("x", "x", "#e69f00"),
        ("delta", "δ", PINK),
    ):
        sizes = np.array([getattr(held, name) / 1024 for held in result.memory])
        axes.bar(layers, sizes, bottom=bottom, color=colour, width=0.62, label=label)
        bottom += sizes
    axes.legend(frameon=False, ncols=5, loc="upper right", handlelength=0.9, columnspacing=1.0)
    axes.set_ylim(0, 1.18 * bottom.max())
    subtitle = f"KiB, 784-128-64-32-10, float32, {result.memory_examples} examples"
    _finish(axes, "Memory held per layer", subtitle, "layer of weights")


def _draw_growth(axes: Any, wide: Line, deep: Line) -> None:
    """A line over the width, and one over the layers, on a logarithmic x axis."""
    label = f"width, {DEPTH} layers"
    axes.plot(*wide, color=BLUE, marker="o", markersize=4, label=label)
    label = f"layers, width {WIDTH}"
    axes.plot(*deep, color=ORANGE, marker="s", markersize=4, label=label)
    axes.set_xscale("log")
    _plain(axes.xaxis, [float(4**e) for e in range(7)])
    axes.legend(frameon=False, loc="upper right", ncols=2, columnspacing=1.0)


def _plain(axis: Any, ticks: Sequence[float]) -> None:
    """Ticks of a logarithmic axis as plain numbers: those of `ticks` that it shows."""
    low, high = axis.get_view_interval()
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_major_locator(FixedLocator(shown))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _finish(axes: Any, title: str, subtitle: str, x: str) -> None:
    axes.set_title(title, pad=18, fontweight="bold")
    axes.text(0, 1.04, subtitle, transform=axes.transAxes, color=MUTED, fontsize=8)
    axes.set_xlabel(x)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _markdown(result: Scaling) -> str:
    """The answers, the picture and the numbers."""
    lines = ["# Scaling", "", f"Engine {result.engine}, {result.machine.processor}, {result.date}."]
    lines += ["", *(f"- {sentence}" for sentence in result.reading()), "", "![](scaling.png)", ""]
    lines += ["| width | layers | weights | ns per weight | backward / forward |", "|---" * 5 + "|"]
    for one in (*result.widths, *result.depths):
        lines.append(
            f"| {one.width} | {one.layers} | {one.parameters:,} | {1e9 * one.per_weight:.3g} | "
            f"{one.backward_over_forward:.2f} |"
        )
    head = "| layers | weights | backpropagation | differences | paths |"
    lines += ["", head, "|---" * 5 + "|"]
    for way in result.ways:
        times = (seconds(t) for t in (way.backprop, way.differences, way.paths))
        lines.append(f"| {way.layers} | {way.parameters} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


def _typical(call: Callable[[], object], least: float = 0.05, repeats: int = 5) -> float:
    """The median of some samples, each of at least so many seconds; after one call to warm up."""
    call()
    samples = []
    for _ in range(repeats):
        started, calls, spent = time.perf_counter(), 0, 0.0
        while spent < least:
            call()
            calls += 1
            spent = time.perf_counter() - started
        samples.append(spent / calls)
    return statistics.median(samples)


def _data(sizes: Sequence[int], examples: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs in [0, 1) and targets in [−½, ½)."""
    bits = draws.source(0)
    X = draws.uniform(bits, (examples, sizes[0]))
    return X, draws.uniform(bits, (examples, sizes[-1])) - 0.5


def _nanoseconds(one: Pass) -> str:
    return f"{1e9 * one.per_weight:.3g} ns"
