"""Gradient descent: mini-batches and epochs, and the history of a run.

An epoch is: order the examples, cut the order into mini-batches, and for each of them take the
gradient at the old weights and then one step against it. Full-batch, mini-batch and one-example
descent are the same code with another batch size.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import draws, engines, frames
from .checks import FloatArray, describe, flag, integer, matrix
from .network import Evaluation, Network
from .optimizers import SGD, Adam, Optimizer, OptimizerState
from .progress import Progress, reporter
from .recording import Recording, Records
from .workspace import Architecture, Descent, Indices, Observer, Steps, Workspace

if TYPE_CHECKING:
    import pandas as pd

#: One call to an engine should take about this long, so that Ctrl-C and the progress bar answer.
SECONDS_PER_CALL = 0.2


@dataclass
class History:
    """What happened in a run of `fit`, epoch by epoch.

    `frame`: a row per finished epoch; `losses`: a row per step. If the run was recorded,
    `statistics`, `layers`, `histograms` and `gradients`: see `loopbp.frames` for what each column
    is. `seconds`, the time that the epochs took, validation included; `architecture`, what was
    trained. Behind the frames are `epochs`, the rows of `frame`, and `blocks`, what the steps of
    each epoch told. After a `NonFiniteError` these end with the epoch that failed, up to the step
    whose loss was not finite.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    blocks: list[Steps] = field(default_factory=list)
    seconds: float = 0.0
    architecture: Architecture | None = None

    def add(self, row: dict[str, Any], steps: Steps) -> None:
        """Adds a finished epoch: its row of `frame`, and what its steps told."""
        self.epochs.append(row)
        self.blocks.append(steps)

    @property
    def steps(self) -> int:
        """The number of updates so far."""
        return int(self.epochs[-1]["steps"]) if self.epochs else 0

    @property
    def frame(self) -> pd.DataFrame:
        """Columns: epoch (from 1), steps (updates so far) and loss, the mean over the epoch's
        steps of the loss of the mini-batch before its update, weighted by examples; with
        validation data also validation_loss and, for classes, validation_accuracy, both after
        the epoch's last update."""
        import pandas as pd

        return pd.DataFrame(self.epochs or None, columns=list(self._columns()))

    @property
    def losses(self) -> pd.DataFrame:
        """Columns: step and epoch (from 1) and loss, the mean over the mini-batch before its
        update; a row for every step."""
        return frames.losses([block.loss for block in self.blocks])

    @property
    def statistics(self) -> pd.DataFrame:
        """A row per recorded step, layer, quantity and part: sums, norms, quantiles of |v|, and
        how many v are 0, subnormal or not finite (see `loopbp.frames`). Empty without report."""
        return frames.statistics(*self._records)

    @property
    def gradients(self) -> pd.DataFrame:
        """The rows of `statistics` for the mini-batch's ∂f/∂w. Empty without report."""
        table = self.statistics
        return table[table["quantity"] == "gradient"].reset_index(drop=True)

    @property
    def layers(self) -> pd.DataFrame:
        """A row per recorded step and layer of weights: ratios to the weights, dead and saturated
        nodes, δ from layer to layer, and the cosine between gradients (see `loopbp.frames`).
        Empty without report."""
        return frames.layers(*self._records, self.architecture)

    @property
    def histograms(self) -> pd.DataFrame:
        """A row per recorded step, layer, quantity, part, sign and power of 2: how many numbers
        (see `loopbp.frames`). Empty without report."""
        return frames.histograms(self._records[0])

    @property
    def _records(self) -> tuple[Records | None, Indices]:
        """All records, and the epoch of each."""
        found = [
            (epoch, block.records)
            for epoch, block in enumerate(self.blocks, start=1)
            if block.records is not None and len(block.records.steps)
        ]
        if not found:
            return None, np.empty(0, np.int64)
        epochs = [np.full(len(records.steps), epoch) for epoch, records in found]
        return Records.join([records for _, records in found]), np.concatenate(epochs)

    def _columns(self) -> Iterator[str]:
        """The columns of `frame`, also where there is no row."""
        yield from self.epochs[0] if self.epochs else ("epoch", "steps", "loss")

    def __repr__(self) -> str:
        if not self.epochs:
            return "<History: no finished epoch>"
        last = self.epochs[-1]
        numbers = ", ".join(f"{name} {value:.6g}" for name, value in list(last.items())[2:])
        return f"<History: {len(self.epochs)} epochs, {self.steps:,} steps; {numbers}>"

    def _repr_html_(self) -> str:
        return str(self.frame.to_html(index=False))


class NonFiniteError(ArithmeticError):
    """A run stopped because a number was no longer finite; the network keeps the last finite
    weights.

    `epoch` and `step` (both from 1, the step over the whole run), `layer` and `quantity` say
    where it began; `index`, the position in that array; `history`, the finished epochs, with the
    losses and records of the one that failed.
    """

    def __init__(
        self, epoch: int, step: int, quantity: str, layer: int | None, index: tuple[int, ...]
    ) -> None:
        self.epoch, self.step, self.quantity = epoch, step, quantity
        self.layer, self.index = layer, index
        self.history = History()
        where = quantity if layer is None else f"{quantity}^({layer})"
        super().__init__(
            f"training stopped in epoch {epoch}, step {step}: {where} is no longer finite, first "
            f"at index {index}; the network keeps the weights from before this step. A smaller "
            "learning rate or smaller initial weights usually help."
        )


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during `fit`; the network holds the weights after the last finished epoch.

    `history`: the finished epochs.
    """

    def __init__(self, history: History) -> None:
        super().__init__(f"interrupted after {len(history.epochs)} finished epochs")
        self.history = history


def fit(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    optimizer: Optimizer | None = None,
    shuffle: bool = True,
    seed: int = 0,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    report: bool | Recording = False,
    engine: str = "auto",
    progress: Callable[[Progress], None] | bool | None = None,
) -> History:
    """w ← w − η ∂f/∂w over mini-batches, from the present weights on.

    Parameters
    ----------
    net : Network
        Its weights are modified in place.
    X, Y : array (N, n_0); array (N, n_L) or integer labels (N,)
        The training set, as in `Network.backprop`. Arrays of the network's dtype are not copied:
        they must stay as they are until the training ends.
    epochs : int
        Passes over the training set; 0 is allowed and does nothing.
    batch_size : int
        Examples per step: N (or more) for full-batch descent, 1 for one example at a time. The
        last batch of an epoch holds what is left, so that an epoch has ⌈N / batch_size⌉ steps.
    optimizer : SGD or Adam
        By default SGD(eta=0.1). Velocities and moments start at zero in every call.
    shuffle : bool
        A new order for every epoch, drawn with `seed`; otherwise the order of the rows.
    validation : (X, Y), optional
        Evaluated after every epoch.
    report : bool or Recording
        Record the statistics of every tenth step, or as a `Recording` says: `history.statistics`,
        `layers`, `histograms` and `gradients`.
    engine : str
        Name of the engine.
    progress : callable or bool, optional
        Called with a `Progress` now and then. By default a bar appears on a terminal after two
        seconds; False: never.

    Returns the history. Raises `TypeError` or `ValueError` for what does not fit, before any
    weight has changed; `NonFiniteError` when a number stops being finite; `TrainingInterrupted`
    on Ctrl-C. Whatever stops a run, the network holds the weights of the last finished epoch, or
    after a `NonFiniteError` those from before the step that failed.
    """
    solver = engines.find(engine)
    integer("epochs", epochs, low=0)
    descent = _descent(net, X, Y, batch_size, optimizer)
    examples = len(descent.inputs)
    descent.observer = _observer(net, report, epochs * -(-examples // descent.batch_size))
    bits = draws.source(seed)
    flag("shuffle", shuffle)
    held_out = _validation(net, validation)
    history = History(architecture=net.architecture)
    kept = _Kept(net.theta.copy(), descent.state.copy(), 0)
    pace = _Pace()
    try:
        with reporter(progress, "training", epochs * examples) as tell:
            for epoch in range(1, epochs + 1):
                started = time.perf_counter()
                order = draws.permutation(bits, examples) if shuffle else np.arange(examples)
                steps = _epoch(solver, net, descent, order, pace, tell)
                if not (np.isfinite(steps.loss).all() and np.isfinite(net.theta).all()):
                    kept.restore(net, descent, history)
                    history.blocks.append(steps)
                    _locate(solver, net, descent, order, epoch, history.steps)
                score = None if held_out is None else net.evaluate(*held_out, engine=engine)
                history.add(_row(epoch, history.steps, steps, descent, score), steps)
                history.seconds += time.perf_counter() - started
                kept = _Kept(net.theta.copy(), descent.state.copy(), epoch)
    except NonFiniteError as stop:
        stop.history = history
        raise
    except KeyboardInterrupt:
        kept.restore(net, descent, history)
        raise TrainingInterrupted(history) from None
    except BaseException:  # from `progress`, or no more memory
        kept.restore(net, descent, history)
        raise
    return history


class _Kept(NamedTuple):
    """What the last finished epoch left: weights, optimiser, and how many epochs there were."""

    theta: FloatArray
    state: OptimizerState
    epochs: int

    def restore(self, net: Network, descent: Descent, history: History) -> None:
        """Puts everything back to where it was then; theta keeps its memory."""
        net.theta[...] = self.theta
        descent.state = self.state.copy()
        del history.epochs[self.epochs :], history.blocks[self.epochs :]


def _descent(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    batch_size: int,
    optimizer: Optimizer | None,
) -> Descent:
    """Validates the training set and the numbers, and allocates what the run works on."""
    size = integer("batch_size", batch_size, low=1)
    optimizer = SGD() if optimizer is None else optimizer
    if not isinstance(optimizer, SGD | Adam):
        raise TypeError(f"optimizer: expected loopbp.SGD or loopbp.Adam; got {optimizer!r}")
    with np.errstate(over="ignore"):
        if not np.isfinite(net.dtype.type(optimizer.eta)):
            raise ValueError(f"eta: expected a number that {net.dtype} holds; got {optimizer.eta}")
    inputs = matrix("X", X, net.dtype, columns=net.sizes[0])
    targets = net.targets(Y, len(inputs))
    net.check_weights()
    if not net.theta.flags.writeable:
        raise ValueError("net.theta: expected an array that can be written; got a read-only one")
    size = min(size, len(inputs))
    return Descent(
        theta=net.theta,
        grad=np.empty_like(net.theta),
        inputs=inputs,
        targets=targets,
        work=Workspace.allocate(net.architecture, size),
        batch_size=size,
        optimizer=optimizer,
        state=OptimizerState.start(optimizer, net.theta),
    )


def _observer(net: Network, report: object, steps: int) -> Observer | None:
    """What records a run of so many steps, as `report` says."""
    if not isinstance(report, bool | np.bool_ | Recording):
        raise TypeError(
            f"report: expected True, False or a loopbp.Recording; got {describe(report)}"
        )
    if not report:
        return None
    recording = report if isinstance(report, Recording) else Recording()
    return Observer.start(recording, net.architecture, steps)


def _validation(
    net: Network, validation: tuple[ArrayLike, ArrayLike] | None
) -> tuple[ArrayLike, ArrayLike] | None:
    """The validation set, checked before the run begins."""
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise TypeError(f"validation: expected a pair (X, Y); got {type(validation).__name__}")
    inputs = matrix("validation X", validation[0], net.dtype, columns=net.sizes[0])
    net.targets(validation[1], len(inputs), "validation Y")
    return validation[0], validation[1]


def _epoch(
    solver: engines.Engine,
    net: Network,
    descent: Descent,
    order: Indices,
    pace: _Pace,
    tell: Callable[[int], None],
) -> Steps:
    """One pass over the examples, in calls at that pace."""
    parts = []
    for part in _calls(order, descent.batch_size, pace):
        steps = solver.descend(net.architecture, descent, part)
        parts.append(steps)
        tell(len(part))
        if not np.isfinite(steps.loss[-1]):
            break
    if len(parts) == 1:
        return parts[0]
    records = [steps.records for steps in parts if steps.records is not None]
    return Steps(
        np.concatenate([steps.loss for steps in parts]), Records.join(records) if records else None
    )


@dataclass
class _Pace:
    """How many batches a call to the engine takes; found in the first calls of a run."""

    batches: int = 1

    def adapt(self, seconds: float, whole: bool) -> None:
        """Towards `SECONDS_PER_CALL`, after a call, or with what was left of an epoch."""
        if seconds < SECONDS_PER_CALL / 2:
            self.batches *= 4 if whole else 1
        elif seconds > SECONDS_PER_CALL * 2:
            self.batches = max(1, self.batches // 2)


def _calls(order: Indices, batch_size: int, pace: _Pace) -> Iterator[Indices]:
    """Cuts the order between batches, into parts that take about `SECONDS_PER_CALL` each."""
    start = 0
    while start < len(order):
        stop = start + pace.batches * batch_size
        started = time.perf_counter()
        yield order[start:stop]
        pace.adapt(time.perf_counter() - started, whole=stop <= len(order))
        start = stop


def _locate(
    solver: engines.Engine,
    net: Network,
    descent: Descent,
    order: Indices,
    epoch: int,
    steps_before: int,
) -> None:
    """Repeats an epoch step by step and raises where a number first stops being finite.

    The same steps give the same bits, so nothing has to be watched in an epoch that goes well.
    Leaves the weights from before that step.
    """
    W, grad = net.W, net.architecture.views(descent.grad)
    for t, start in enumerate(range(0, len(order), descent.batch_size)):
        step = steps_before + t + 1
        work = descent.load(order[start : start + descent.batch_size])
        solver.gradient(net.architecture, W, work, grad, len(work.losses))
        total = solver.total_loss(work.losses, len(work.losses))
        for quantity, layer, values in _in_order_of_computation(net, work, grad, total):
            _raise_if_not_finite(epoch, step, quantity, layer, values)
        before = net.theta.copy()
        solver.step(net.architecture, descent.optimizer, net.theta, descent.grad, descent.state)
        after = net.theta.copy()
        if not np.isfinite(after).all():
            net.theta[...] = before
            for l, w in enumerate(net.architecture.views(after)):
                _raise_if_not_finite(epoch, step, "w", l, w)
    raise RuntimeError(
        "X, Y: expected arrays that stay as they are until the training ends; an epoch that was "
        "not finite is finite when it is repeated"
    )


def _in_order_of_computation(
    net: Network, work: Workspace, grad: Any, total: float
) -> Iterator[tuple[str, int | None, NDArray[Any]]]:
    """Name, layer and values of every quantity, the first computed first."""
    for l in range(net.L):
        yield "S", l, work.S[l]
        yield "x", l + 1, work.x[l + 1]
    yield "loss", None, work.losses
    yield "loss", None, np.array([total])
    for l in reversed(range(net.L)):
        yield "δ", l, work.delta[l]
    for l in range(net.L):
        yield "∂f/∂w", l, grad[l]


def _raise_if_not_finite(
    epoch: int, step: int, quantity: str, layer: int | None, values: NDArray[Any]
) -> None:
    """Raises `NonFiniteError` with the first position in values that is not finite."""
    bad = ~np.isfinite(values)
    if bad.any():
        index = np.unravel_index(int(np.argmax(bad)), values.shape)
        raise NonFiniteError(epoch, step, quantity, layer, tuple(int(axis) for axis in index))


def _row(
    epoch: int, steps_before: int, steps: Steps, descent: Descent, score: Evaluation | None
) -> dict[str, Any]:
    """The row of `History.frame` for one epoch."""
    examples = len(descent.inputs)
    sizes = np.full(len(steps.loss), descent.batch_size)
    sizes[-1] = examples - descent.batch_size * (len(sizes) - 1)
    row: dict[str, Any] = {
        "epoch": epoch,
        "steps": steps_before + len(steps.loss),
        "loss": float((steps.loss * (sizes / examples)).sum()),
    }
    if score is not None:
        row["validation_loss"] = score.loss
        if score.accuracy is not None:
            row["validation_accuracy"] = score.accuracy
    return row
