"""Sensitivity in words and tables, 80 columns wide."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from ..derivation.names import Place
from ..report.formats import prose, ratio
from ..report.table import columns

if TYPE_CHECKING:
    import pandas as pd

    from .ranking import Sensitivity

WIDTH = 80

#: Rows of the tables below the ranking.
FEW = 3


def describe(result: Sensitivity, count: int, example: int, neuron: int | None) -> str:
    """The ranking, the levers on one neuron, what is asked of the nodes before, and the mean."""
    j = result.strongest(example) if neuron is None else neuron
    paragraphs = [
        _fill(_heading(result)),
        _ranking(result, count),
        _fill(_step(result)),
        _levers(result, example, j),
        _inputs(result, example, j),
        _beside_mean(result, example, count),
    ]
    return "\n\n".join(paragraphs)


def _heading(result: Sensitivity) -> str:
    N, P = len(result.trace.x[0]), len(result.weights)
    kind = "weights and biases" if result.biases else "weights"
    sizes = "-".join(str(size) for size in result.net.sizes)
    over = "1 example" if N == 1 else f"{N:,} examples"
    return (
        f"{sizes}, {over}, loss {result.loss:.4g}. Its {P:,} {kind} by |∂f/∂w|, and how many times "
        "the median that is (of those that are not 0):"
    )


def _ranking(result: Sensitivity, count: int) -> str:
    rows = [
        [
            f"{row['rank']:,}",
            _name("w", row["layer"], row["i"], row["j"]),
            _number(row["value"]),
            _number(row["derivative"]),
            ratio(row["ratio"]),
            _number(row["change"]),
        ]
        for row in result.weights.head(count).to_dict("records")
    ]
    headings = ("rank", "weight", "value", "∂f/∂w", "× median", f"Δf, η = {result.eta:g}")
    return columns(headings, rows)


def _step(result: Sensitivity) -> str:
    return (
        f"One step w ← w − {result.eta:g} ∂f/∂w in all of them: Δf ≈ −η Σ (∂f/∂w)² = "
        f"{_number(result.predicted_change)} by the derivatives, {_number(result.measured_change)} "
        "measured."
    )


def _levers(result: Sensitivity, example: int, j: int) -> str:
    """The bias, and the weights and activations with the strongest wishes."""
    frame = result.levers(j, example)
    last = result.net.L - 1
    x, y = (float(v[example, j - 1]) for v in (result.trace.x[-1], result._targets))
    delta = float(result._delta(last)[example, j - 1])
    rows = []
    for lever, letter in (("bias", "w"), ("weight", "w"), ("activation", "x")):
        for row in _strongest(frame[frame["lever"] == lever], FEW):
            at = (row["i"], j) if letter == "w" else (row["i"],)
            name = _name(letter, last, *at)
            carried = "1" if lever == "bias" else _number(row["carries"])
            rows.append([lever, name, _number(row["value"]), carried, _number(row["wish"])])
    head = (
        f"Example {example}, output {j}: x = {_number(x)}, wanted {_number(y)}, δ = "
        f"{_number(delta)}. Its three levers, those with the strongest wishes (minus the "
        "derivative):"
    )
    headings = ("lever", "which", "value", "carries", "wish")
    return f"{_fill(head)}\n{columns(headings, rows)}"


def _inputs(result: Sensitivity, example: int, j: int) -> str:
    """The nodes before the outputs of which most is asked."""
    frame = result.inputs(example)
    asked = result.asked(example)
    alone = asked.loc[asked["j"] == j, "wish"].to_numpy()
    last = result.net.L - 1
    rows = [
        [
            _name("x", last, row["i"]),
            _number(row["x"]),
            _number(float(alone[row["i"] - 1])),
            _number(row["wish"]),
        ]
        for row in _strongest(frame, FEW)
    ]
    head = (
        "What is asked of the nodes before, added over all outputs: −∂f/∂x_i = −Σ_j δ_j w_ij. "
        "The strongest wishes:"
    )
    return f"{_fill(head)}\n{columns(('node', 'x', f'output {j} asks', 'all ask'), rows)}"


def _beside_mean(result: Sensitivity, example: int, count: int) -> str:
    """The weights of which this example asks most, with the wish of the mean."""
    frame = result.beside_mean(example)
    rows = [
        [
            _name("w", row["layer"], row["i"], row["j"]),
            _number(row["wish"]),
            _number(row["mean_wish"]),
            "against" if row["against"] else "",
        ]
        for row in _strongest(frame, count)
    ]
    N, against = len(result.trace.x[0]), int(frame["against"].sum())
    head = (
        f"What example {example} asks of the weights, beside the mean over all {N:,}; the two "
        f"differ in sign in {against:,} of {len(frame):,}:"
    )
    return f"{_fill(head)}\n{columns(('weight', 'example asks', 'mean asks', ''), rows)}"


def _strongest(frame: pd.DataFrame, count: int) -> list[dict[Any, Any]]:
    """The rows with the largest |wish|; equal ones in their order."""
    order = (-frame["wish"].abs()).argsort(kind="stable")[:count]
    return list(frame.iloc[order].to_dict("records"))


def _name(kind: str, layer: int, *indices: int) -> str:
    return str(Place(kind, int(layer), tuple(int(index) for index in indices)))


def _number(value: float) -> str:
    """Three significant digits, with a minus sign."""
    return prose(value, 3).replace("-", "−")


def _fill(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_on_hyphens=False)
