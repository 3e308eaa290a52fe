"""MNIST from random weights to a trained network: the time of `fit` beside that of PyTorch.

Two networks of the literature, each with the numbers that its source trains it with. Both
libraries start from the same weights and see the same mini-batches in the same order, in float32;
what they reach on the test set stands beside the time. Reading the files is not timed.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from .. import datasets, draws
from ..checks import FloatArray
from ..datasets import Dataset
from ..network import Network
from ..npz import replacing
from ..optimizers import SGD
from ..progress import Progress
from . import machine, process
from .peers.torch import sequential, weights
from .table import Table, seconds

FORMAT, VERSION = "loopbp benchmark on MNIST", 1

#: Seed of the weights, and of the order of the examples.
SEED = 0


@dataclass(frozen=True)
class Recipe:
    """A network, its loss and initial weights N(0, std²), and how it is trained."""

    sizes: tuple[int, ...]
    hidden: str
    output: str
    loss: str
    std: float
    batch_size: int
    eta: float
    epochs: int
    source: str

    @property
    def name(self) -> str:
        """The sizes: 784-50-10."""
        return "-".join(map(str, self.sizes))

    def network(self) -> Network:
        """The network with its initial weights."""
        return Network(
            self.sizes,
            hidden=self.hidden,
            output=self.output,
            loss=self.loss,
            init="normal",
            std=self.std,
            seed=SEED,
            dtype="float32",
        )


_RECIPES = (
    Recipe(
        (784, 50, 10), "relu", "softmax", "cross_entropy", 0.01, 100, 0.1, 17,
        "the two-layer network of lecture notes: 10,000 steps of 100, about 0.97",
    ),
    Recipe(
        (784, 30, 10), "sigmoid", "sigmoid", "half_sse", 1.0, 10, 3.0, 30,
        "M. Nielsen, Neural Networks and Deep Learning (2015), chapter 1: about 0.95",
    ),
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in _RECIPES}


@dataclass(frozen=True)
class Run:
    """What a library did: seconds of each round, and the share of the test set it gets right."""

    library: str
    version: str | None
    seconds: tuple[float, ...]
    accuracy: float


@dataclass(frozen=True)
class Result:
    """What became of a recipe; `absent`, the libraries that are not installed."""

    recipe: Recipe
    steps: int
    runs: tuple[Run, ...]
    absent: tuple[str, ...]


def _loopbp(recipe: Recipe, data: Dataset, epochs: int) -> tuple[float, FloatArray]:
    """Trains with `fit`; returns the seconds of its epochs, and theta."""
    net = recipe.network()
    history = net.fit(
        data.X,
        data.Y,
        epochs=epochs,
        batch_size=recipe.batch_size,
        optimizer=SGD(eta=recipe.eta),
        seed=SEED,
        progress=False,
    )
    return history.seconds, net.theta


def _torch(recipe: Recipe, data: Dataset, epochs: int) -> tuple[float, FloatArray]:
    """Trains the same in PyTorch, eager, from tensors in memory."""
    import torch

    net = recipe.network()
    model = sequential(torch, net)
    if recipe.loss == "cross_entropy":
        loss_function: Any = torch.nn.CrossEntropyLoss()
        targets = torch.tensor(data.Y)
    else:
        model.append(torch.nn.Sigmoid())

        def loss_function(x: Any, y: Any) -> Any:
            return 0.5 * ((x - y) ** 2).sum(dim=1).mean()

        targets = torch.tensor(np.eye(recipe.sizes[-1], dtype=np.float32)[data.Y])
    X = torch.tensor(data.X, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.eta)
    bits = draws.source(SEED)
    started = time.perf_counter()
    for _ in range(epochs):
        order = torch.from_numpy(draws.permutation(bits, len(X)))
        batches = X[order].split(recipe.batch_size), targets[order].split(recipe.batch_size)
        for x, y in zip(*batches, strict=True):
            optimizer.zero_grad(set_to_none=True)
            loss_function(model(x), y).backward()
            optimizer.step()
    return time.perf_counter() - started, weights(net, model)


LIBRARIES = {"loopbp": _loopbp, "torch": _torch}


def measure(rounds: int, threads: int, report: Callable[[Progress], None]) -> tuple[Result, ...]:
    """All recipes, each in a fresh process on so many threads; so many rounds of each library."""
    tell = process.count(len(RECIPES) * len(LIBRARIES) * rounds, report)
    results = []
    for name, recipe in RECIPES.items():
        job = {"kind": "mnist", "recipe": name, "rounds": rounds, "threads": threads}
        found = dict(process.answers(job, tell))["mnist"]
        runs = tuple(Run(**{**run, "seconds": tuple(run["seconds"])}) for run in found["runs"])
        results.append(Result(recipe, found["steps"], runs, tuple(found["absent"])))
    return tuple(results)


def train(recipe: Recipe, rounds: int, tell: Callable[[str, Any], None]) -> dict[str, Any]:
    """Interleaved rounds of every library that is installed, in this process, as plain values."""
    tell("doing", f"{recipe.name}: reading MNIST")
    training, test = datasets.mnist().split()
    present = [name for name in LIBRARIES if machine.version(name) is not None]
    absent = [name for name in LIBRARIES if name not in present]
    few = dataclasses.replace(
        training, X=training.X[: 10 * recipe.batch_size], Y=training.Y[: 10 * recipe.batch_size]
    )
    for name in present:  # to compile, or to load what was compiled
        LIBRARIES[name](recipe, few, 1)
    tell("tell", rounds * len(absent))
    spent: dict[str, list[float]] = {name: [] for name in present}
    accuracy: dict[str, float] = {}
    for number in range(rounds):
        first = number % len(present)
        for name in [*present[first:], *present[:first]]:
            tell("doing", f"{recipe.name}: {name}")
            taken, theta = LIBRARIES[name](recipe, training, recipe.epochs)
            spent[name].append(taken)
            accuracy[name] = _accuracy(recipe, theta, test)
            tell("tell", 1)
    return {
        "steps": recipe.epochs * -(-len(training) // recipe.batch_size),
        "runs": [
            dataclasses.asdict(Run(name, machine.version(name), tuple(spent[name]), accuracy[name]))
            for name in present
        ],
        "absent": absent,
    }


def _accuracy(recipe: Recipe, theta: FloatArray, test: Dataset) -> float:
    """The share of the test set whose largest output is the right one."""
    net = recipe.network()
    net.theta[...] = theta
    right = np.argmax(net.predict(test.X), axis=1) == test.Y
    return float(right.mean())


def table(results: tuple[Result, ...]) -> Table:
    """A row per recipe and library: median seconds, and what was reached."""
    rows = []
    for result in results:
        ours = statistics.median(result.runs[0].seconds)
        for run in result.runs:
            middle = statistics.median(run.seconds)
            ratio = "" if run is result.runs[0] else f"{middle / ours:.2f}"
            reached = f"{run.accuracy:.2%}".replace("%", " %")
            label = (result.recipe.name, f"{result.steps:,}") if run is result.runs[0] else ("", "")
            rows.append((*label, run.library, seconds(middle), ratio, reached))
        rows += [("", "", name, "not installed", "", "") for name in result.absent]
    headings = ("network", "steps", "", "median", "by loopbp", "test accuracy")
    return Table("MNIST, from random weights to a trained network", headings, tuple(rows))


def write(results: tuple[Result, ...], folder: Path, threads: int) -> None:
    """mnist.json, every sample, and mnist.md, the table; each whole or not at all."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "threads": threads,
        "machine": dataclasses.asdict(machine.machine()),
        "software": machine.software(),
        "results": [dataclasses.asdict(result) for result in results],
    }
    with replacing(folder / "mnist.json") as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n")
    with replacing(folder / "mnist.md") as file:
        file.write(_markdown(results, threads).encode())


def _markdown(results: tuple[Result, ...], threads: int) -> str:
    """The page: what was trained, and the table."""
    found = table(results)
    rounds = len(results[0].runs[0].seconds)
    lines = [
        f"# {found.title}", "",
        f"float32; threads: {threads}; {machine.machine().processor}; the median of {rounds} "
        "interleaved rounds. Both libraries start from the same weights and take the same batches "
        "in the same order; the files have been read and the loops compiled before.", "",
    ]  # fmt: skip
    for result in results:
        one = result.recipe
        lines.append(
            f"- {one.name}: {one.hidden}, {one.output}, {one.loss}, weights N(0, {one.std}²), "
            f"batches of {one.batch_size}, η = {one.eta}, {one.epochs} epochs; {one.source}"
        )
    lines += ["", "| " + " | ".join(found.headings) + " |", "|---" * len(found.headings) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in found.rows]
    return "\n".join(lines) + "\n"
