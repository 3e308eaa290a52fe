"""Notes on what the options, or the lack of them, may have been meant otherwise."""

from __future__ import annotations

import re

import numpy as np

from loopbp.datasets import Dataset

from .options import DataOptions, NetworkOptions

#: More integer classes than this, and fewer than so many examples of each: perhaps a quantity.
FEW_CLASSES, FEW_EXAMPLES = 5, 5

#: At most so many different whole numbers as real targets: perhaps classes.
FEW_NUMBERS = 10


def notes(data: DataOptions, network: NetworkOptions, dataset: Dataset) -> list[str]:
    """What somebody with these options and this dataset may want to know, in a sentence each."""
    found = (_task(data, dataset), _sizes(network, dataset))
    return [note for note in found if note is not None]


def _task(data: DataOptions, dataset: Dataset) -> str | None:
    """Whether the target looks like the other task, where the options leave that open."""
    if data.task != "auto":
        return None
    if dataset.classes is not None:
        return _integer_classes(dataset.classes, len(dataset))
    return _whole_targets(dataset)


def _integer_classes(classes: tuple[str, ...], N: int) -> str | None:
    """A note on integers of which there are few examples each, words being classes for certain."""
    many = len(classes) > max(FEW_CLASSES, N / FEW_EXAMPLES)
    if not many or not all(re.fullmatch("-?[0-9]+", name) for name in classes):
        return None
    return (
        f"the {len(classes):,} different integers in the target of {N:,} examples are taken for "
        "classes; --task regression predicts them as numbers"
    )


def _whole_targets(dataset: Dataset) -> str | None:
    """A note on one target column that holds only a few whole numbers."""
    if dataset.outputs > 1:
        return None
    numbers = np.unique(dataset.Y)
    few = 2 <= len(numbers) <= max(2, min(FEW_NUMBERS, len(dataset) / FEW_EXAMPLES))
    if not few or np.any(numbers != np.round(numbers)):
        return None
    return (
        f"the target holds only {', '.join(f'{number:g}' for number in numbers)} and is predicted "
        "as a number; --task classification takes each for a class"
    )


def _sizes(network: NetworkOptions, dataset: Dataset) -> str | None:
    """A note on hidden sizes that look like all layers, since they begin and end as these do."""
    text = network.sizes or ""
    ends = f"{dataset.features},(.*,)?{dataset.outputs}"
    if not re.fullmatch(ends, text):
        return None
    return (
        f"--sizes {text} are the hidden layers between {dataset.features} features and "
        f"{dataset.outputs} outputs; --sizes {text.replace(',', '-')} means all layers"
    )
