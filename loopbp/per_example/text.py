"""The gradients of single examples in words and tables, 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..report.formats import column, prose, ratio
from ..report.table import columns

if TYPE_CHECKING:
    import pandas as pd

    from .gradients import PerExampleGradients

WIDTH = 80

LAYER_HEADINGS = ("layer", "weights", "mean |g|", "spread", "|mean g|", "cosine", "SNR", "B_simple")


def describe(result: PerExampleGradients, count: int, labels: Sequence[str] | None = None) -> str:
    """Layers, noise, and the `count` examples at each end; `labels`: a word for each example."""
    paragraphs = [
        _heading(result),
        columns(LAYER_HEADINGS, map(_layer, result.layers.to_dict("records"))),
        textwrap.fill(sentence(result), WIDTH),
        f"The longest gradients:\n{_examples(result.hardest(count), labels)}",
        f"{_contrary_title(result)}:\n{_examples(result.contrary(count), labels)}",
    ]
    return "\n\n".join(paragraphs)


def sentence(result: PerExampleGradients) -> str:
    """What the noise of the whole gradient says about batches."""
    N, found = len(result.norm), result.noise
    if math.isnan(found.scale):
        why = "one example has no spread" if N == 1 else "every gradient is 0"
        return f"There is no noise to be estimated: {why}."
    if math.isinf(found.scale):
        return (
            f"{N:,} examples do not tell the gradient from noise: its estimated square, "
            f"{prose(found.signal)}, is not positive (B_simple = ∞)."
        )
    against = int((result.cosine < 0).sum())
    return (
        f"Noise scale B_simple = tr Σ / |G|² = {prose(found.scale, 3)}: in batches that are far "
        "smaller, noise outweighs the gradient; far larger ones hardly improve a step. One example "
        f"alone has a signal-to-noise ratio of {prose(found.snr)}. {against:,} of {N:,} examples "
        "point against the mean."
    )


def _contrary_title(result: PerExampleGradients) -> str:
    """What the examples with the smallest cosine have in common."""
    return f"{'Most against' if (result.cosine < 0).any() else 'Least along'} the mean gradient"


def _heading(result: PerExampleGradients) -> str:
    net, N = result.trace.architecture, len(result.norm)
    examples = "1 example" if N == 1 else f"{N:,} examples"
    sizes = "-".join(str(size) for size in net.sizes)
    return textwrap.fill(
        f"{examples} through {sizes}: {net.parameters:,} weights and biases, mean loss "
        f"{result.trace.loss:.4g}",
        WIDTH,
    )


def _layer(row: dict[Any, Any]) -> list[str]:
    """A row of `PerExampleGradients.layers` as text."""
    name = "all" if not isinstance(row["layer"], int) else str(row["layer"])
    return [
        name,
        f"{row['parameters']:,}",
        column(row["mean_norm"]),
        column(row["std_norm"]),
        column(row["norm_of_mean"]),
        _signed(row["mean_cosine"]),
        ratio(row["snr"]),
        ratio(row["noise_scale"]),
    ]


def _examples(frame: pd.DataFrame, labels: Sequence[str] | None) -> str:
    """Rows of `PerExampleGradients.examples` as a table."""
    headings = ["example", *(["label"] if labels else []), "loss", "|g|", "cosine", "share"]
    rows = [
        [
            f"{row['n']:,}",
            *([labels[int(row["n"])][:20]] if labels else []),
            f"{row['loss']:.4g}",
            column(row["norm"]),
            _signed(row["cosine"]),
            _signed(100 * row["share"]) + " %",
        ]
        for row in frame.to_dict("records")
    ]
    return columns(headings, rows)


def _signed(value: float) -> str:
    """Two decimals, with a minus sign."""
    return "NaN" if math.isnan(value) else f"{value + 0.0:.2f}".replace("-", "−")
