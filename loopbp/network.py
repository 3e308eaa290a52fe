"""Networks: sizes, parameters, validation of what comes in."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import engines, npz
from .checks import (
    FloatArray,
    all_finite,
    cast,
    choice,
    describe,
    finite,
    integer,
    matrix,
    numeric,
    rows,
)
from .engines import ACTIVATIONS, OUTPUT_LOSSES, SUM_LOSSES
from .initial import initial_parameters
from .trace import Trace
from .workspace import Architecture, Workspace

if TYPE_CHECKING:
    from .optimizers import Optimizer
    from .recording import Recording
    from .training import History

Path = str | os.PathLike[str]

DTYPES = ("float32", "float64")
REDUCTIONS = ("mean", "sum")
FORMAT = "loopbp network"
FORMAT_VERSION = 1
#: Extensions of other libraries' files, which are converted from and to.
FOREIGN = (".onnx", ".safetensors", ".pt", ".pth")
#: More parameters than this are refused before any memory is taken: 8 GiB in float64.
MOST_PARAMETERS = 2**30


class Evaluation(NamedTuple):
    """Mean loss over some examples, and the share of them classified right (None: no classes)."""

    loss: float
    accuracy: float | None


class Gradients(NamedTuple):
    """The loss of some examples, mean or sum, and ∂f/∂w of each layer, shaped like its weights."""

    loss: float
    grad: tuple[FloatArray, ...]


class Network:
    """A fully connected network: x^(0) = X, S^(l) = x^(l) W^(l), x^(l+1) = g(S^(l)), f(x^(L), y).

    Parameters
    ----------
    sizes : sequence of int
        n_0, n_1, …, n_L: nodes of each layer, without the constant node; at least two layers.
    hidden : str or sequence of str
        Activation of the hidden layers, or L−1 names, one for each.
    output : str
        Activation of the last layer; `softmax` is possible here only.
    loss : str
        `sse`, `half_sse`, `mse`, `cross_entropy` (with softmax) or `binary_cross_entropy` (with
        sigmoid), per example.
    init : str or array
        `glorot`: uniform in ±√(6 / (n_l + n_{l+1})); `he`: normal with variance 2 / n_l; `lecun`:
        normal with variance 1 / n_l; `normal`: normal with standard deviation `std`; `zeros`. In
        all of them the biases are 0. Or the parameters themselves: the flat vector (P,), or the
        L matrices (n_l + 1, n_{l+1}).
    std : float, optional
        Standard deviation; with init="normal" only.
    seed : int
        Of the initial weights; float32 weights are the float64 ones, rounded. The same seed
        gives the same bits everywhere with glorot; the normal draws are NumPy's.
    dtype : str
        `float64` or `float32`, of every number in the network.

    Attributes
    ----------
    theta : array (P,)
        All parameters, C-contiguous.
    W : tuple of arrays (n_l + 1, n_{l+1})
        Views into theta; row 0 holds the biases. Assign in place: `net.W[0][...] = …`.

    Raises
    ------
    TypeError, ValueError
        For sizes that are not positive integers, unknown names, and pairs of output and loss that
        do not go together.

    Sources: Glorot and Bengio (2010), equation 16; He, Zhang, Ren and Sun (2015), equation 10;
    LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998), section 4.6.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: str | Sequence[str] = "sigmoid",
        output: str = "softmax",
        loss: str = "cross_entropy",
        init: str | ArrayLike | Sequence[ArrayLike] = "glorot",
        seed: int = 0,
        dtype: str | np.dtype[Any] | type = "float64",
        std: float | None = None,
    ) -> None:
        self.architecture = _architecture(sizes, hidden, output, loss, dtype)
        self._theta = initial_parameters(self.architecture, init, std, seed)
        self._views = self.architecture.views(self._theta)

    @property
    def theta(self) -> FloatArray:
        """All parameters (P,), C-contiguous. Assigning to it copies into the same memory."""
        return self._theta

    @theta.setter
    def theta(self, values: ArrayLike) -> None:
        given = numeric("theta", values)
        if given.shape != self._theta.shape:
            raise ValueError(f"theta: expected shape {self._theta.shape}; got {given.shape}")
        self._theta[...] = finite("theta", given, self.dtype)

    @property
    def W(self) -> tuple[FloatArray, ...]:
        """Views (n_l + 1, n_{l+1}) into theta; row 0 holds the biases."""
        return tuple(self._views)

    def __getstate__(self) -> dict[str, Any]:
        return {"architecture": self.architecture, "theta": self._theta}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.architecture = state["architecture"]
        self._theta = state["theta"]
        self._views = self.architecture.views(self._theta)  # copied, they would be on their own

    @property
    def sizes(self) -> tuple[int, ...]:
        """n_0 … n_L."""
        return self.architecture.sizes

    @property
    def L(self) -> int:
        """The number of layers of weights; layers of nodes are numbered 0 … L."""
        return self.architecture.L

    @property
    def activations(self) -> tuple[str, ...]:
        """The L names of g, the last one the output's."""
        return self.architecture.activations

    @property
    def hidden(self) -> tuple[str, ...]:
        """The L−1 names of the hidden layers' g."""
        return self.architecture.activations[:-1]

    @property
    def output(self) -> str:
        """The name of the last layer's g."""
        return self.architecture.activations[-1]

    @property
    def loss(self) -> str:
        """The name of f."""
        return self.architecture.loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.architecture.dtype

    def forward(self, X: ArrayLike, *, engine: str = "auto") -> Trace:
        """S^(l) = x^(l) W^(l) and x^(l+1) = g(S^(l)) for every example.

        X (N, n_0), any real dtype, finite. Returns a trace without the backward half. Raises
        `TypeError` or `ValueError` for another shape, NaN or infinity, an unknown engine.
        """
        return _trace(self, X, None, engine, "mean")

    def backprop(
        self, X: ArrayLike, Y: ArrayLike, *, engine: str = "auto", reduction: str = "mean"
    ) -> Trace:
        """∂f/∂w_ij^(l) = δ_j^(l) x_i^(l) for every weight, and all that leads there.

        X (N, n_0), finite; Y targets (N, n_L), or integer labels (N,) from 0 to n_L − 1. The
        gradient is the mean over the examples, or their sum with reduction="sum"; losses and δ
        are each example's own. Nothing of the network is modified. Raises `TypeError` or
        `ValueError` for what does not fit.
        """
        _check_given(Y)
        return _trace(self, X, Y, engine, choice("reduction", reduction, REDUCTIONS))

    def gradients(
        self, X: ArrayLike, Y: ArrayLike, *, engine: str = "auto", reduction: str = "mean"
    ) -> Gradients:
        """∂f/∂w_ij^(l) for every weight and the loss, without S, x and δ: `loss` and `grad`.

        The same numbers as `backprop(X, Y).grad`, in less time and memory. grad[l] has the shape
        (n_l + 1, n_{l+1}) and the network's dtype; row 0 belongs to the biases. X, Y, reduction and
        what is raised are those of `backprop`. Nothing of the network is modified.
        """
        _check_given(Y)
        choice("reduction", reduction, REDUCTIONS)
        solver = engines.find(engine)
        given = rows("X", X, columns=self.sizes[0])
        inputs, targets = cast(given, self.dtype), self.targets(Y, len(given))
        divisor = len(inputs) if reduction == "mean" else 1
        losses = np.empty(len(inputs), self.dtype)
        grad = self.architecture.views(np.empty_like(self.theta))
        sums = losses, grad, divisor
        if not solver.gradient_only(self.architecture, self._views, inputs, targets, *sums):
            self._check_numbers(given)
        return Gradients(solver.total_loss(losses, divisor), tuple(grad))

    def predict(self, X: ArrayLike, *, engine: str = "auto", batch_size: int = 1024) -> FloatArray:
        """The outputs x^(L), shape (N, n_L), of the network's dtype.

        X (N, n_0), finite. The examples go through in batches of `batch_size`, so that the memory
        for hidden layers is bounded; an exact engine gives the same bits for any.
        """
        solver = engines.find(engine)
        size = integer("batch_size", batch_size, low=1)
        given = rows("X", X, columns=self.sizes[0])
        inputs = cast(given, self.dtype)
        outputs = np.empty((len(inputs), self.sizes[-1]), self.dtype)
        checked = False
        for start in range(0, len(inputs), size):
            batch = slice(start, start + size)
            sound = solver.predict(self.architecture, self._views, inputs[batch], outputs[batch])
            if not (sound or checked):
                self._check_numbers(given)
                checked = True
        return outputs

    def evaluate(
        self, X: ArrayLike, Y: ArrayLike, *, engine: str = "auto", batch_size: int = 1024
    ) -> Evaluation:
        """The mean loss, and the share of examples whose largest output is the target's.

        X (N, n_0) and Y as in `backprop`; the examples go through in batches, as in `predict`.
        With one output the class is x ≥ ½. Outputs that are neither softmax nor sigmoid have an
        accuracy only if Y holds labels; otherwise it is None.
        """
        outputs = self.sizes[-1]
        solver = engines.find(engine)
        size = integer("batch_size", batch_size, low=1)
        given = rows("X", X, columns=self.sizes[0])
        inputs, targets = cast(given, self.dtype), self.targets(Y, len(given))
        losses = np.empty(len(inputs), self.dtype)
        right, checked = 0, False
        buffers = Workspace.allocate(self.architecture, min(size, len(inputs)))
        for start in range(0, len(inputs), size):
            part = slice(start, start + size)
            work = buffers.first(len(inputs[part]))
            work.x[0][:, 1:] = inputs[part]
            work.y[...] = targets[part]
            solver.forward(self.architecture, self._views, work)
            if not (checked or engines.are_sound(work.S)):
                self._check_numbers(given)
                checked = True
            solver.losses(self.architecture, work)
            losses[part] = work.losses
            right += int(np.count_nonzero(_classes(work.x[-1]) == _classes(work.y)))
        labelled = outputs > 1 and np.ndim(Y) == 1
        classifies = labelled or self.output in ("softmax", "sigmoid")
        return Evaluation(
            loss=solver.total_loss(losses, len(losses)),
            accuracy=right / len(inputs) if classifies else None,
        )

    def fit(
        self,
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
        progress: Any = None,
    ) -> History:
        """w ← w − η ∂f/∂w over mini-batches; see `loopbp.training.fit`, which this calls."""
        from .training import fit

        return fit(
            self,
            X,
            Y,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            shuffle=shuffle,
            seed=seed,
            validation=validation,
            report=report,
            engine=engine,
            progress=progress,
        )

    def targets(self, Y: ArrayLike, examples: int, argument: str = "Y") -> FloatArray:
        """Y as targets (N, n_L) of the network's dtype, checked against the loss.

        Integer labels (N,) become rows with a single 1; with one output, a vector (N,) of any
        real numbers is the column of targets itself. Raises `TypeError` or `ValueError` for
        another shape, labels out of range, and targets that the loss is not defined for.
        """
        given = numeric(argument, Y)
        outputs = self.sizes[-1]
        if given.shape[:1] != (examples,):
            raise ValueError(
                f"{argument}: expected {examples} rows, one per row of X; got shape {given.shape}"
            )
        if given.ndim == 1 and outputs == 1:
            given = given[:, None]
        if given.ndim == 1:
            return _one_hot(argument, given, outputs, self.dtype)
        targets = matrix(argument, given, self.dtype, columns=outputs)
        _check_range(argument, targets, self.loss)
        return targets

    def check_weights(self) -> None:
        """Raises `ValueError`, naming the weight, if a parameter is not finite."""
        if all_finite(self.theta):
            return
        for l, W in enumerate(self.W):
            finite(f"net.W[{l}]", W, self.dtype)

    def _check_numbers(self, X: NDArray[Any]) -> None:
        """Raises `ValueError`, naming the place, if an input or a parameter is not finite.

        For sums that are not `engines.are_sound`; otherwise these have become too large.
        """
        finite("X", X, self.dtype)
        self.check_weights()

    def copy(self, *, dtype: str | None = None) -> Network:
        """A network of its own with the same parameters, or the same rounded to `dtype`."""
        return Network(
            self.sizes,
            hidden=self.hidden,
            output=self.output,
            loss=self.loss,
            init=self.theta,
            dtype=self.dtype if dtype is None else dtype,
        )

    def save(self, path: Path) -> None:
        """Writes the network to an .npz file, atomically: the whole file or nothing.

        The same network gives the same bytes. Raises `ValueError` if a parameter is not finite, or
        for the extension of another format, which `loopbp.interop.files` writes; `OSError` if
        the file cannot be written; an existing file is then left as it was.
        """
        check_extension("path", path)
        self.check_weights()
        description = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "sizes": list(self.sizes),
            "hidden": list(self.hidden),
            "output": self.output,
            "loss": self.loss,
            "dtype": self.dtype.name,
        }
        npz.write_arrays(path, {"network": np.array(json.dumps(description)), "theta": self.theta})

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in self.sizes)
        names = ", ".join((*dict.fromkeys(self.hidden), self.output, self.loss, self.dtype.name))
        return f"<Network {sizes}: {names}; {len(self.theta):,} parameters>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{l}</td><td>{W.shape[0] - 1} → {W.shape[1]}</td>"
            f"<td>{escape(name)}</td><td>{W.size:,}</td></tr>"
            for l, (W, name) in enumerate(zip(self.W, self.activations, strict=True))
        )
        head = "<tr><th>layer</th><th>nodes</th><th>g</th><th>weights and biases</th></tr>"
        return f"<p>{escape(repr(self))}</p><table>{head}{rows}</table>"


def check_extension(argument: str, path: Path) -> None:
    """Raises `ValueError` if the extension is that of another library's file format."""
    if _foreign(path):
        own = FilePath(path).with_suffix(".npz")
        raise ValueError(
            f"{argument}: expected an .npz file; got {path}: save {own}, and `loopbp convert {own} "
            f"{path}` makes the other"
        )


def _foreign(path: Path) -> bool:
    """Whether the extension says a format that is converted from and to."""
    return FilePath(path).suffix.lower() in FOREIGN


def load(path: Path) -> Network:
    """Reads a network that `Network.save` wrote; the parameters have the same bits.

    Raises `FileNotFoundError`, or `ValueError` for a file that is truncated, not a network,
    full of pickles, or that claims to be larger than it is; nothing in it is ever executed.
    """
    name = os.fspath(path)
    try:
        arrays = npz.read_arrays(path, max_bytes=MOST_PARAMETERS * 8)
    except npz.FileError as problem:
        if not _foreign(path):
            raise
        own = FilePath(path).with_suffix(".npz")
        raise npz.FileError(f"{problem}; `loopbp convert {name} {own}` makes one") from None
    if set(arrays) != {"network", "theta"} or arrays["network"].dtype.kind != "U":
        raise ValueError(f"{name}: expected a saved network; got arrays {', '.join(arrays)}")
    try:
        description = json.loads(str(arrays["network"]))
        if description["format"] != FORMAT:
            raise KeyError("format")
        version = description["version"]
        fields = {key: description[key] for key in ("sizes", "hidden", "output", "loss", "dtype")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{name}: expected the description of a network; got another") from None
    if type(version) is not int or version != FORMAT_VERSION:
        raise ValueError(f"{name}: expected format version {FORMAT_VERSION}; got {version!r}")
    try:
        net = Network(**fields, init=arrays["theta"])
    except (TypeError, ValueError) as problem:
        raise ValueError(f"{name}: not a valid network; {problem}") from None
    if arrays["theta"].dtype != net.dtype:
        raise ValueError(
            f"{name}: expected parameters of dtype {net.dtype}, as the description says; got "
            f"{arrays['theta'].dtype}"
        )
    return net


def _architecture(
    sizes: Sequence[int],
    hidden: str | Sequence[str],
    output: str,
    loss: str,
    dtype: str | np.dtype[Any] | type,
) -> Architecture:
    """The checked architecture; raises as `Network` says."""
    if isinstance(sizes, str | bytes) or not _is_sequence(sizes):
        raise TypeError(f"sizes: expected a sequence of integers; got {describe(sizes)}")
    if len(sizes) < 2:
        raise ValueError(f"sizes: expected at least two layers, n_0 and n_L; got {list(sizes)}")
    counts = tuple(integer(f"sizes[{l}]", n, low=1) for l, n in enumerate(sizes))
    if not _is_sequence(hidden) or isinstance(hidden, bytes):
        raise TypeError(f"hidden: expected a name or a sequence of names; got {describe(hidden)}")
    names = [hidden] * (len(counts) - 2) if isinstance(hidden, str) else list(hidden)
    if isinstance(hidden, str):
        choice("hidden", hidden, ACTIVATIONS)
    if len(names) != len(counts) - 2:
        raise ValueError(
            f"hidden: expected one name, or {len(counts) - 2} for the hidden layers of sizes "
            f"{list(counts)}; got {len(names)} names"
        )
    for l, name in enumerate(names):
        choice(f"hidden[{l}]", name, ACTIVATIONS)
    choice("output", output, (*ACTIVATIONS, "softmax"))
    choice("loss", loss, (*OUTPUT_LOSSES, *SUM_LOSSES))
    if loss in SUM_LOSSES and SUM_LOSSES[loss][1] != output:
        raise ValueError(
            f"loss: {loss} is computed from the sums of {SUM_LOSSES[loss][1]} outputs; expected "
            f"output={SUM_LOSSES[loss][1]!r} with it, got output={output!r}"
        )
    if output == "softmax" and counts[-1] == 1:
        raise ValueError("output: softmax over one output is always 1; expected n_L ≥ 2 with it")
    net = Architecture(counts, (*names, output), loss, _dtype(dtype))
    if net.parameters > MOST_PARAMETERS:
        raise ValueError(
            f"sizes: expected at most {MOST_PARAMETERS:,} parameters; got {net.parameters:,}"
        )
    return net


def _is_sequence(value: object) -> bool:
    """Whether `value` has a length and an order: a sequence, or an array that is not a number."""
    return isinstance(value, Sequence) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _dtype(given: object) -> np.dtype[Any]:
    """float32 or float64, from a name, a type or a dtype."""
    try:
        dtype: np.dtype[Any] = np.dtype(given)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"dtype: expected float32 or float64; got {describe(given)}") from None
    if given is None or dtype.name not in DTYPES or not dtype.isnative:
        raise ValueError(f"dtype: expected float32 or float64; got {describe(given)}")
    return dtype


def _one_hot(argument: str, labels: NDArray[Any], classes: int, dtype: np.dtype[Any]) -> FloatArray:
    """Rows with a single 1 at the label; raises for labels that are not 0 … classes − 1."""
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{argument}: expected integer labels (N,) or targets (N, {classes}); got a vector "
            f"of dtype {labels.dtype}"
        )
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"{argument}: expected labels from 0 to {classes - 1}; got {labels[row]} in row {row}"
        )
    targets = np.zeros((len(labels), classes), dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def _check_range(argument: str, targets: FloatArray, loss: str) -> None:
    """Raises where the two cross-entropies are not defined."""
    if loss == "cross_entropy":
        off = np.abs(targets.sum(axis=1) - 1)
        tolerance = 1e-4 if targets.dtype == np.float32 else 1e-8
        if targets.min() >= 0 and off.max() <= tolerance:
            return
        bad = (targets < 0).any(axis=1) | (off > tolerance)
        expected = "each row ≥ 0 with sum 1 for cross_entropy"
    elif loss == "binary_cross_entropy":
        bad = ((targets < 0) | (targets > 1)).any(axis=1)
        expected = "targets from 0 to 1 for binary_cross_entropy"
    else:
        return
    if bad.any():
        row = int(np.argmax(bad))
        entries = ", ".join(f"{v:g}" for v in targets[row, :8])
        more = ", …" if targets.shape[1] > 8 else ""
        raise ValueError(f"{argument}: expected {expected}; got ({entries}{more}) in row {row}")


def _check_given(Y: ArrayLike | None) -> None:
    if Y is None:
        raise TypeError("Y: expected targets or labels; got None (see `forward`)")


def _trace(net: Network, X: ArrayLike, Y: ArrayLike | None, name: str, reduction: str) -> Trace:
    """Validates, computes, and packs what came out."""
    solver = engines.find(name)
    given = rows("X", X, columns=net.sizes[0])
    targets = None if Y is None else net.targets(Y, len(given))
    work = Workspace.allocate(net.architecture, len(given))
    work.x[0][:, 1:] = cast(given, net.dtype)
    W = net.architecture.views(net.theta.copy())
    divisor = len(given) if reduction == "mean" else 1
    grad = net.architecture.views(np.empty_like(net.theta))
    if targets is None:
        solver.forward(net.architecture, W, work)
    else:
        work.y[...] = targets
        solver.gradient(net.architecture, W, work, grad, divisor)
    if not engines.are_sound(work.S):
        net._check_numbers(given)
    if targets is None:
        return Trace(net.architecture, solver.name, reduction, tuple(W), work.x, work.S)
    return Trace(
        net.architecture,
        solver.name,
        reduction,
        tuple(W),
        work.x,
        work.S,
        work.delta,
        tuple(grad),
        work.losses,
        work.y,
        solver.total_loss(work.losses, divisor),
    )


def _classes(rows: FloatArray) -> NDArray[Any]:
    """The class of each row: its largest entry, or whether its only entry is ≥ ½."""
    return rows[:, 0] >= 0.5 if rows.shape[1] == 1 else rows.argmax(axis=1)
