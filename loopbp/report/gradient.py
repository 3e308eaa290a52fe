"""The gradient report: statistics of one checkpoint, and what can be made of them."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ..checks import choice, describe
from ..network import Network
from ..training import History, NonFiniteError
from ..workspace import Architecture
from . import course
from .alarms import Alarm, frame, merge, watch
from .definitions import DEFINITIONS, MORE_COLUMNS, plain
from .evidence import Evidence, Origin, constant_loss, copies, of_checkpoint, of_run
from .presets import NON_FINITE, PRESETS
from .statistics import Checkpoint, LayerGradient, layer_gradients
from .verdict import Finding, findings, sentence

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FORMAT = "loopbp gradient report"
FORMAT_VERSION = 2


@dataclass(frozen=True, eq=False)
class GradientReport:
    """The statistics of a network's gradient, layer by layer, what is wrong, and what it means.

    `layers`, one `LayerGradient` for each layer of weights, in network order; `statistics`,
    `layers_frame` and `histograms`, the frames of the checkpoint, with the columns of those of
    `History`; `found`, the alarms of the `preset`; `findings`, what is to be said; `loss`, the
    mean or sum (`reduction`) over the `examples`; `baseline`, the smallest mean loss that one
    answer for all examples can have; `engine` and `architecture`, what was computed how; `run`,
    the history of the training before it, if given.
    """

    architecture: Architecture
    engine: str
    reduction: str
    examples: int
    loss: float
    layers: tuple[LayerGradient, ...]
    statistics: pd.DataFrame
    layers_frame: pd.DataFrame
    histograms: pd.DataFrame
    found: tuple[Alarm, ...]
    findings: tuple[Finding, ...]
    preset: str = "relative"
    baseline: float | None = None
    run: History | None = None

    @property
    def sentence(self) -> str:
        """One sentence on what the numbers mean."""
        return sentence(self.findings)

    @property
    def alarm(self) -> bool:
        """Whether there is something to act on."""
        return bool(self.found)

    @property
    def alarms(self) -> pd.DataFrame:
        """A row per alarm and layer, the most important first; see `loopbp.report.alarms`."""
        return frame(self.found)

    @property
    def frame(self) -> pd.DataFrame:
        """A row per layer of weights, in network order.

        Columns: l, the layer that the weights leave; n_in = n_l and n_out = n_{l+1}; activation,
        the name of g; parameters, weights and biases; mean_abs, l2 and max_abs, the mean |∂f/∂w|,
        √(Σ (∂f/∂w)²) and max |∂f/∂w|; zeros, the share of entries that are exactly 0; delta_norm,
        the root mean square over the examples of √(Σ_j δ_j²); ratio, mean_abs over that of layer
        l+1 (missing for the last); weight_l2, √(Σ w²); and the numbers of nodes with x_i = 0
        (zero_inputs) or δ_j = 0 (zero_deltas) in every example, and of dead ReLU nodes (dead).
        """
        import pandas as pd

        return pd.DataFrame([self._row(layer) for layer in self.layers]).astype({"ratio": float})

    @cached_property
    def history(self) -> pd.DataFrame:
        """The course of the gradient over the run, a row per part of it and layer.

        See `loopbp.report.course.course`. These are gradients of mini-batches, each before its
        update. Empty without a recorded run.
        """
        run = History() if self.run is None else self.run
        return course.course(run.statistics, run.layers)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """The loss of the run's steps, in a bounded number of parts: step, loss, low, high."""
        return course.thinned_losses((History() if self.run is None else self.run).losses)

    @property
    def epochs(self) -> pd.DataFrame:
        """The run's losses and accuracies: `History.frame`. Empty without a run."""
        return (History() if self.run is None else self.run).frame

    def table(self) -> str:
        """The statistics as plain text, a row per layer, for 80 columns."""
        from .text import table

        return table(self.layers)

    def plot(self) -> Figure:
        """Mean |∂f/∂w| of each layer at the checkpoint, and its course over the run.

        A matplotlib figure that belongs to no window; `figure.savefig("gradients.png")`.
        """
        from .plot import draw

        return draw(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything in the report as plain Python values, ready for JSON.

        What is missing is None; NaN and infinities are the strings "NaN", "Infinity" and
        "-Infinity". `history` and `epochs` hold a list per column.
        """
        from .writing import plain_values, records

        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "sentence": self.sentence,
            "preset": self.preset,
            "findings": [
                {
                    "name": finding.name,
                    "alarm": finding.alarm,
                    "layer": finding.layer,
                    "value": finding.value,
                    "threshold": finding.threshold,
                    "clause": finding.clause,
                    "title": finding.title if finding.alarm else finding.name,
                }
                for finding in self.findings
            ],
            "alarms": records(self.alarms),
            "network": {
                "sizes": self.architecture.sizes,
                "activations": self.architecture.activations,
                "loss": self.architecture.loss,
                "dtype": self.architecture.dtype.name,
                "parameters": self.architecture.parameters,
            },
            "examples": self.examples,
            "reduction": self.reduction,
            "engine": self.engine,
            "loss": self.loss,
            "constant_answer_loss": self.baseline,
            "layers": [
                {
                    **self._row(layer),
                    "zero_input_nodes": layer.zero_inputs.first,
                    "zero_delta_nodes": layer.zero_deltas.first,
                    "dead_nodes": layer.dead.first,
                }
                for layer in self.layers
            ],
            "statistics": records(self.statistics),
            "history": self.history.to_dict("list"),
            "losses": self.losses.to_dict("list"),
            "epochs": self.epochs.to_dict("list"),
            "rules": [{**rule._asdict(), "words": rule.text} for rule in PRESETS[self.preset]],
            "definitions": {
                **{item.key: f"{item.meaning}: {plain(item.formula)}" for item in DEFINITIONS},
                **MORE_COLUMNS,
            },
        }
        checked: dict[str, Any] = plain_values(content)
        return checked

    def to_markdown(self) -> str:
        """The sentence, the table and the definitions as Markdown."""
        from .text import markdown

        return markdown(self)

    def write(
        self,
        folder: str | os.PathLike[str],
        *,
        settings: Mapping[str, Any] | None = None,
        command: str | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> list[Path]:
        """Writes the report into `folder`, which is made if need be, and returns the paths.

        report.html, one page that needs nothing else; report.md; report.tex, tables for LaTeX;
        report.json; gradients.png and gradients.svg; alarms.csv (`alarms`), gradients.csv
        (`frame`), histograms.csv (of the checkpoint) and, if a run was recorded, history.csv
        (`history`) and statistics, layers and losses, every recorded step, as CSV and, where
        pyarrow is installed, as Parquet. Each is written whole or not at all, and present ones
        are replaced; those that only an earlier report in the folder had are removed. `settings`,
        names and values, and `command` say how to make the report again; `seconds` are times that
        were taken. The bytes depend on nothing else, but for the times and the versions of what
        made it, which stand in the page's and the Markdown's last line and under `made_with` in
        the JSON.

        Raises `TypeError` for a folder that is not a path, `OSError` where it cannot be written.
        """
        from .writing import write

        return write(self, folder, settings=settings or {}, command=command, seconds=seconds or {})

    def __str__(self) -> str:
        return f"{self.table()}\n\n{self.sentence}"

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in self.architecture.sizes)
        return f"<GradientReport {sizes}: {self.examples:,} examples, loss {self.loss:.6g}>"

    def _repr_html_(self) -> str:
        from .page import fragment

        return fragment(self)

    @staticmethod
    def _row(layer: LayerGradient) -> dict[str, Any]:
        """The row of `frame` for one layer."""
        return {
            "l": layer.l,
            "n_in": layer.n_in,
            "n_out": layer.n_out,
            "activation": layer.activation,
            "parameters": layer.parameters,
            "mean_abs": layer.mean_abs,
            "l2": layer.l2,
            "max_abs": layer.max_abs,
            "zeros": layer.zeros,
            "delta_norm": layer.delta_norm,
            "ratio": layer.ratio,
            "weight_l2": layer.weight_l2,
            "zero_inputs": layer.zero_inputs.count,
            "zero_deltas": layer.zero_deltas.count,
            "dead": layer.dead.count,
        }


def gradient_report(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    history: History | None = None,
    stopped: NonFiniteError | None = None,
    engine: str = "auto",
    reduction: str = "mean",
    preset: str = "relative",
) -> GradientReport:
    """The statistics of ∂f/∂w^(l) and δ^(l) for every layer, at the present weights, and alarms.

    X (N, n_0), Y targets (N, n_L) or integer labels (N,), as in `Network.backprop`, whose trace
    of all N examples is what the statistics are taken of: it holds about 3 N Σ n_l numbers of the
    network's dtype. `history`: what `fit(..., report=True)` returned, for the course of the run
    before; `stopped`: what it raised, if that is how it ended. `preset`: the rules of the alarms,
    `relative` or `sagemaker`. Nothing is modified.

    Raises `TypeError` or `ValueError` for what does not fit, before anything is computed.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    choice("preset", preset, PRESETS)
    if stopped is not None and not isinstance(stopped, NonFiniteError):
        raise TypeError(f"stopped: expected a loopbp.NonFiniteError; got {describe(stopped)}")
    if history is None and stopped is not None:
        history = stopped.history
    _check_history(history, net.L)
    trace = net.backprop(X, Y, engine=engine, reduction=reduction)
    assert trace.loss is not None and trace.y is not None
    examples = len(trace.x[0])
    pass_ = Checkpoint.of(trace)
    layers, ratios = layer_gradients(pass_), pass_.layers
    baseline = constant_loss(net.architecture.loss, trace.y)
    checkpoint = of_checkpoint(
        layers,
        step=_last_step(history, stopped),
        examples=examples,
        divisor=examples if reduction == "sum" else 1,
        numbers={name: ratios[name] for name in CHECKPOINT_RATIOS} | {"copies": copies(trace.W)},
        loss=trace.loss / (examples if reduction == "sum" else 1),
        baseline=baseline,
    )
    run = None if history is None else of_run(history, baseline)
    found, run = _found(checkpoint, run, stopped, preset)
    return GradientReport(
        architecture=net.architecture,
        engine=trace.engine,
        reduction=reduction,
        examples=examples,
        loss=trace.loss,
        layers=layers,
        statistics=pass_.statistics,
        layers_frame=ratios,
        histograms=pass_.histograms,
        found=found,
        findings=findings(found, checkpoint, run),
        preset=preset,
        baseline=baseline,
        run=history,
    )


def _last_step(history: History | None, stopped: NonFiniteError | None) -> int:
    """After which step of the run the weights are those of the checkpoint; 0 without a run."""
    if stopped is not None:
        return stopped.step - 1
    return 0 if history is None else history.steps


#: What the frame of layers knows of a checkpoint beside its `LayerGradient`s.
CHECKPOINT_RATIOS = ("saturated", "saturated_hard", "delta_ratio", "delta_ratio_predicted")


def _found(
    checkpoint: Evidence, run: Evidence | None, stopped: NonFiniteError | None, preset: str
) -> tuple[tuple[Alarm, ...], Evidence | None]:
    """The alarms of checkpoint and run, and the run with the place where it stopped."""
    if stopped is not None:
        quantity = {"δ": "delta", "∂f/∂w": "gradient", "w": "weight"}.get(
            stopped.quantity, stopped.quantity
        )
        origin = Origin(stopped.step, quantity, stopped.layer)
        run = replace(checkpoint if run is None else run, origin=origin, causes=())
    found = () if run is None else watch(run, preset)
    if stopped is not None:
        step, layer = stopped.step, stopped.layer
        if layer is not None and stopped.quantity == "x":
            layer -= 1
        found = (
            Alarm("non-finite", layer, step, step, 1.0, math.nan, NON_FINITE),
            *(alarm for alarm in found if alarm.name != "non-finite"),
        )
    return merge(found, watch(checkpoint, preset)), run


def _check_history(history: object, L: int) -> None:
    """Raises unless it is None or the history of a network of L layers of weights."""
    if history is None:
        return
    if not isinstance(history, History):
        raise TypeError(f"history: expected what Network.fit returns; got {describe(history)}")
    if history.architecture is not None and history.architecture.L != L:
        raise ValueError(
            f"history: expected a run of this network, with {L} layers of weights; got one with "
            f"{history.architecture.L}"
        )
