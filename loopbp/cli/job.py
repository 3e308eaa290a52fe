"""From options to data, a network and a run of training: what the commands have in common."""

from __future__ import annotations

import math
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from loopbp import datasets
from loopbp.checks import choice, shorten
from loopbp.datasets.table import SEPARATORS
from loopbp.engines import SUM_LOSSES, find
from loopbp.network import Network, load
from loopbp.npz import replacing
from loopbp.optimizers import SGD, Adam, Optimizer
from loopbp.recording import Recording, spacing
from loopbp.report.formats import percent
from loopbp.training import History, NonFiniteError, TrainingInterrupted

from . import notes, terminal
from .naming import FROM_DATA, named
from .options import (
    FAILED,
    HIDDEN_SIZES,
    INTERRUPTED,
    DataOptions,
    NetworkOptions,
    TrainingOptions,
)

#: Learning rates for inputs of about 1; the outputs of a regression have no bounds.
CLASS_ETA, REGRESSION_ETA, ADAM_ETA = 0.5, 0.05, 0.005

#: The initial weights that suit the default activation.
INIT = "glorot"

#: The loss that goes with an output, where there are classes.
CLASS_LOSSES = {output: loss for loss, (_, output) in SUM_LOSSES.items()}


@dataclass(frozen=True)
class Outcome:
    """How a run of training ended: the finished epochs, and what stopped it early, if anything."""

    history: History
    stop: NonFiniteError | TrainingInterrupted | None = None

    @property
    def diverged(self) -> bool:
        """Whether a number stopped being finite."""
        return isinstance(self.stop, NonFiniteError)

    @property
    def empty(self) -> bool:
        """Whether Ctrl-C came before there was anything to keep."""
        return isinstance(self.stop, TrainingInterrupted) and not self.history.epochs

    def leave(self) -> None:
        """Says what stopped the run, and exits with its code; returns if nothing did."""
        if isinstance(self.stop, NonFiniteError):
            terminal.error(str(self.stop))
            raise typer.Exit(FAILED)
        if self.stop is not None:
            epochs = len(self.history.epochs)
            kept = f"everything is as after epoch {epochs}" if epochs else "nothing was written"
            terminal.error(f"interrupted; {kept}")
            raise typer.Exit(INTERRUPTED)


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and how; everything that options can get wrong is checked."""

    data: datasets.Split
    net: Network
    weights: str
    optimizer: Optimizer
    epochs: int
    batch_size: int
    seed: int
    engine: str
    notes: list[str]

    @classmethod
    def prepare(cls, data: DataOptions, network: NetworkOptions, training: TrainingOptions) -> Job:
        """The job that the options describe."""
        find(network.engine)
        dataset = read_data(data)
        split = dataset.split(test=training.test, seed=data.seed)
        return cls(
            data=split,
            net=build_network(network, split.train, data.seed, training.from_, "from"),
            weights=network.init or INIT if training.from_ is None else str(training.from_),
            optimizer=build_optimizer(training, split.train),
            epochs=training.epochs,
            batch_size=training.batch_size,
            seed=data.seed,
            engine=network.engine,
            notes=notes.notes(data, network, dataset),
        )

    @property
    def description(self) -> str:
        """The data and the network, in one line each."""
        train, test = self.data
        return (
            f"{train.name}: {len(train):,} examples to train on, {len(test):,} to test on; "
            f"{train.dimensions}\n{describe(self.net)}"
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Names and values that a reader needs to judge the result, and to have it again."""
        train, test = self.data
        return {
            "data": train.name,
            "examples to train on": len(train),
            "examples to test on": len(test),
            "initial weights": self.weights,
            "optimizer": type(self.optimizer).__name__,
            **asdict(self.optimizer),
            "epochs": self.epochs,
            "batch size": self.batch_size,
            "seed": self.seed,
            "engine": find(self.engine).name,
        }

    def train(self, activity: terminal.Activity, *, report: bool | Recording) -> Outcome:
        """Fits the network in place; `report`, as for `Network.fit`, says what is recorded."""
        train, test = self.data
        activity.begin("training")
        try:
            with named(batch_size="batch-size", **FROM_DATA):
                history = self.net.fit(
                    train.X,
                    train.Y,
                    epochs=self.epochs,
                    batch_size=self.batch_size,
                    optimizer=self.optimizer,
                    seed=self.seed,
                    validation=(test.X, test.Y),
                    report=report,
                    engine=self.engine,
                    progress=activity.progress,
                )
        except (NonFiniteError, TrainingInterrupted) as stop:
            return Outcome(stop.history, stop)
        return Outcome(history)

    @property
    def steps(self) -> int:
        """How many steps the run takes."""
        return self.epochs * math.ceil(len(self.data.train) / max(1, self.batch_size))

    @property
    def spacing(self) -> int:
        """Every how many steps the run is recorded, unless somebody says otherwise."""
        batch_size = min(max(1, self.batch_size), len(self.data.train))
        return spacing(self.net.sizes, batch_size, self.steps)

    def result(self) -> str:
        """How good the network is on the examples that it was not trained on, in one line."""
        test = self.data.test
        score = self.net.evaluate(test.X, test.Y, engine=self.engine)
        if score.accuracy is None:
            return f"test loss {score.loss:.4g} ({self.net.loss}, mean of {len(test):,})"
        right = round(score.accuracy * len(test))
        return f"test accuracy {percent(score.accuracy)} ({right:,} of {len(test):,})"


def describe(net: Network) -> str:
    """The network in one line."""
    return repr(net).strip("<>")


def read_data(options: DataOptions) -> datasets.Dataset:
    """The examples that the options name."""
    with named(header="no-header"):
        return datasets.load(options.data, **reading(options))


def reading(options: DataOptions) -> dict[str, Any]:
    """How the file is read, as `datasets.load` takes it; raises for an unknown separator."""
    target = options.target or None
    separator = "\t" if options.separator == "tab" else options.separator
    if separator not in SEPARATORS:
        expected = "a comma, ';', '|' or the word tab"
        raise ValueError(f"separator: expected {expected}; got {shorten(repr(separator))}")
    return {
        "target": target[0] if target is not None and len(target) == 1 else target,
        "task": options.task,
        "header": not options.no_header,
        "separator": separator,
    }


def build_network(
    options: NetworkOptions, data: datasets.Dataset, seed: int, saved: Path | None, argument: str
) -> Network:
    """A new network that fits the data, or the saved one; `argument` names the file's option."""
    if saved is not None:
        return _saved_network(saved, argument, options, data)
    output, loss = _output_and_loss(options, data)
    hidden = (options.hidden or "sigmoid").split(",")
    return Network(
        _sizes(options.sizes, data),
        hidden=hidden[0] if len(hidden) == 1 else hidden,
        output=output,
        loss=loss,
        init=options.init or INIT,
        std=options.std,
        seed=seed,
        dtype=options.dtype or "float64",
    )


def build_optimizer(options: TrainingOptions, data: datasets.Dataset) -> Optimizer:
    """The optimiser that the options name, with a learning rate that suits the data."""
    if choice("optimizer", options.optimizer, ("sgd", "adam")) == "adam":
        if options.momentum or options.nesterov:
            name = "momentum" if options.momentum else "nesterov"
            raise ValueError(f"{name}: expected optimizer sgd with it; got adam")
        return Adam(ADAM_ETA if options.eta is None else options.eta)
    eta = CLASS_ETA if data.classes is not None else REGRESSION_ETA
    return SGD(
        eta if options.eta is None else options.eta,
        momentum=options.momentum,
        nesterov=options.nesterov,
    )


def check_folder(argument: str, path: Path) -> None:
    """Raises `OSError` unless files can be written into this folder, or into a new one."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(f"{argument}: expected a folder; {existing} is a file")
    _check_writable(argument, existing)


def check_file(argument: str, path: Path) -> None:
    """Raises `OSError` unless a file of this name can be written."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{argument}: expected a file; {path} is a folder")
    if target.exists() and not target.is_file():
        raise OSError(f"{argument}: expected a regular file; {path} is a device or a pipe")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{argument}: there is no folder {target.parent}")
    _check_writable(argument, target.parent)


def _check_writable(argument: str, folder: Path) -> None:
    """Raises `OSError` unless a file can be made in this folder, tried with one without a name."""
    # Permissions alone say nothing to root, or where the file system takes no files.
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        reason = problem.strerror or type(problem).__name__
        raise type(problem)(f"{argument}: cannot write into {folder}: {reason}") from None


def check_files(**files: Path | None) -> list[str]:
    """The names of the files that are asked for, by option; all of them can be written.

    Raises `OSError` where one cannot, `ValueError` for a `plot` that is no PNG file.
    """
    asked = {option: path for option, path in files.items() if path is not None}
    for option, path in asked.items():
        check_file(option, path)
    if "plot" in asked:
        choice("plot: the ending", asked["plot"].suffix, (".png",))
    return [str(path) for path in asked.values()]


def write_file(path: Path, content: bytes) -> None:
    """Writes a file, whole or not at all."""
    with replacing(path) as file:
        file.write(content)


def _saved_network(
    path: Path, argument: str, options: NetworkOptions, data: datasets.Dataset
) -> Network:
    """The network in this file, which must fit the data; raises for options that it decides."""
    given = options.given()
    if given:
        raise ValueError(f"{given[0]}: the network in {path} has its own; leave it out")
    net = load(path)
    if (net.sizes[0], net.sizes[-1]) != (data.features, data.outputs):
        sizes = "-".join(str(size) for size in net.sizes)
        raise ValueError(f"{argument}: {_expected_ends(data)}; got {sizes} in {path}")
    return net


def _sizes(text: str | None, data: datasets.Dataset) -> list[int]:
    """All layers as numbers, from "64-32-16-10" or, the hidden ones only, "32,16"."""
    if text is None:
        return [data.features, *HIDDEN_SIZES, data.outputs]
    if re.fullmatch(r"[0-9]{1,12}(,[0-9]{1,12})*", text):
        return [data.features, *(int(size) for size in text.split(",")), data.outputs]
    if not re.fullmatch(r"[0-9]{1,12}(-[0-9]{1,12})+", text):
        raise ValueError(
            "sizes: expected all layers, as 64-32-16-10, or the hidden ones, as 32,16; got "
            f"{text!r}"
        )
    sizes = [int(size) for size in text.split("-")]
    if (sizes[0], sizes[-1]) != (data.features, data.outputs):
        raise ValueError(f"sizes: {_expected_ends(data)}; got {text}")
    return sizes


def _expected_ends(data: datasets.Dataset) -> str:
    """What the first and the last layer have to be."""
    kind = "target column" if data.classes is None else "class"
    return (
        f"expected {data.features}-…-{data.outputs} for {data.name}, an input per feature and an "
        f"output per {kind}"
    )


def _output_and_loss(options: NetworkOptions, data: datasets.Dataset) -> tuple[str, str]:
    """Output and loss; where one is not given, what goes with the other and with the data."""
    output, loss = options.output, options.loss
    if output is None and loss in SUM_LOSSES:
        output = SUM_LOSSES[loss][1]
    if output is None:
        output = "identity" if data.classes is None else "softmax"
    if loss is None:
        loss = "mse" if data.classes is None else CLASS_LOSSES.get(output, "mse")
    return output, loss
