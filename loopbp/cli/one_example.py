"""One example typed on the command line, and a network for it: `loopbp page`, `loopbp explain`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from loopbp.engines import SUM_LOSSES
from loopbp.network import Network, load

#: Inputs where none are given: the first n_0 of these, over and over.
INPUTS = (1.0, 0.5, -1.0, 0.8, -0.5, 0.2, -0.7, 0.4)


def example(net: Network, inputs: str | None, targets: str | None) -> tuple[Any, Any]:
    """x and y, as typed; where one is not, x = 1, 0.5, −1, … and y = 1, 0, 0, …"""
    x = _numbers("inputs", inputs, net.sizes[0])
    y = _numbers("targets", targets, net.sizes[-1])
    return (
        list(islice(cycle(INPUTS), net.sizes[0])) if x is None else x,
        [1.0, *[0.0] * (net.sizes[-1] - 1)] if y is None else y,
    )


def saved_network(path: Path, options: Mapping[str, Any]) -> Network:
    """The network in this file; raises for options that it decides."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{name}: the network in {path} has its own; leave it out")
    return load(path)


def new_network(
    sizes: str,
    hidden: str | None = None,
    output: str | None = None,
    loss: str | None = None,
    init: str | Sequence[Any] | None = None,
    **options: Any,
) -> Network:
    """A network of these sizes, "2-3-2"; sigmoid, sse and glorot where nothing else is said."""
    if output is None:
        output = SUM_LOSSES[loss][1] if loss in SUM_LOSSES else "sigmoid"
    names = (hidden or "sigmoid").split(",")
    return Network(
        _sizes(sizes),
        hidden=names[0] if len(names) == 1 else names,
        output=output,
        loss=loss or ("cross_entropy" if output == "softmax" else "sse"),
        init=init or "glorot",
        **{name: value for name, value in options.items() if value is not None},
    )


def _sizes(text: str) -> list[int]:
    """All layers as numbers, from "2-3-2"."""
    if not re.fullmatch(r"[0-9]{1,12}(-[0-9]{1,12})+", text):
        raise ValueError(f"sizes: expected all layers, as 2-3-2; got {text!r}")
    return [int(size) for size in text.split("-")]


def _numbers(name: str, text: str | None, count: int) -> list[float] | None:
    """So many numbers from "1,0.5"; None for None."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{name}: expected numbers, as 1,0.5; got {text!r}") from None
    if len(numbers) != count:
        raise ValueError(f"{name}: expected {count}, one for each node; got {len(numbers)}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name}: expected finite numbers; got {text!r}")
    return numbers
