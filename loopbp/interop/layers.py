"""What the other libraries have in common: named weights and biases, and how they make a network.

A weight keeps its bits: it is transposed, never computed with.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import FloatArray, describe, finite, shorten
from ..engines import SUM_LOSSES
from ..network import DTYPES, MOST_PARAMETERS, Network

#: The loss that goes with an output, where nobody says otherwise.
LOSSES = {output: loss for loss, (_, output) in SUM_LOSSES.items()}

#: Activations that other libraries give a parameter, and the one value that it has here.
SLOPE = 0.01
ALPHA = 1.0
#: Orders of layers, complete or not, that are tried where their names do not say it.
MOST_TRIES = 10_000


class MissingLibraryError(ImportError):
    """An optional library is not installed; the message says what to install."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f'needs {library}, which is not installed: pip install "loopbp[{extra}]"')


class Layer(NamedTuple):
    """A layer of weights: weight (n_l, n_{l+1}), bias (n_{l+1},) or None, and what it is called.

    The two names are those of the tensors in the other library.
    """

    weight: FloatArray
    bias: FloatArray | None
    weight_name: str
    bias_name: str


class Gradient(NamedTuple):
    """∂f/∂w of one layer, shaped and named like `Layer`; None for what has no gradient there."""

    weight: FloatArray | None
    bias: FloatArray | None
    weight_name: str
    bias_name: str


class Computed(NamedTuple):
    """What another library computed: the network at its weights, and its gradients.

    X (N, n_0) and Y as `Network.backprop` takes them; grad, a `Gradient` per layer; loss, the
    number that was derived, if it is known; `reduction` over the examples; `factor`, what the
    library's loss is known to be times the network's; source, the library and its loss in words;
    notes, sentences on what is unusual; outputs, what the library's model gave out, S or x of the
    last layer or ln x, if it is known; takes, which of these the loss takes, if that is known.
    """

    net: Network
    X: NDArray[Any]
    Y: NDArray[Any]
    grad: list[Gradient]
    loss: float | None
    reduction: str
    factor: float
    source: str
    notes: tuple[str, ...] = ()
    outputs: NDArray[Any] | None = None
    takes: tuple[str, ...] | None = None


def build(
    layers: Sequence[Layer],
    hidden: str | Sequence[str],
    output: str,
    loss: str | None,
) -> Network:
    """The network with these weights and activations.

    A layer without biases gets biases of 0, with a `UserWarning`: here they are parameters like
    all others, and will be trained. `output` and `loss` are completed as `ends` says.

    Raises `TypeError` or `ValueError` for layers that do not fit one after the other, other dtypes
    than float32 or float64 or two of them, weights that are not finite, and what `Network` raises.
    """
    sizes = check(layers)
    output, loss = ends(output, loss)
    dtype = layers[0].weight.dtype
    matrices = []
    for layer in layers:
        bias = layer.bias
        if bias is None:
            warnings.warn(
                f"{layer.weight_name}: this layer has no biases; the network's are set to 0, and "
                "training will change them",
                stacklevel=3,
            )
            bias = np.zeros(layer.weight.shape[1], dtype)
        matrices.append(np.vstack([bias, layer.weight]))
    return Network(sizes, hidden, output, loss, init=matrices, dtype=dtype)


def check(layers: Sequence[Layer]) -> list[int]:
    """n_0 … n_L of layers that fit one after the other; raises as `build` says."""
    if not layers:
        raise ValueError("layers: expected at least one layer of weights; got none")
    first = layers[0]
    for layer in layers:
        _check_tensor(layer.weight_name, layer.weight, first.weight.dtype, 2)
        if layer.bias is None:
            continue
        _check_tensor(layer.bias_name, layer.bias, first.weight.dtype, 1)
        if layer.bias.shape != layer.weight.shape[1:]:
            raise ValueError(
                f"{layer.bias_name}: expected {layer.weight.shape[1]} biases, one per output of "
                f"{layer.weight_name}; got {len(layer.bias)}"
            )
    for below, above in pairwise(layers):
        if below.weight.shape[1] != above.weight.shape[0]:
            raise ValueError(
                f"{above.weight_name}: expected {below.weight.shape[1]} inputs, the outputs of "
                f"{below.weight_name}; got {above.weight.shape[0]}"
            )
    sizes = [first.weight.shape[0], *(layer.weight.shape[1] for layer in layers)]
    check_total(sum((layer.weight.shape[0] + 1) * layer.weight.shape[1] for layer in layers))
    return sizes


def _check_tensor(name: str, tensor: NDArray[Any], dtype: np.dtype[Any], rank: int) -> None:
    """Raises unless the tensor has this rank and dtype, at least one entry, and all finite."""
    if tensor.dtype.name not in DTYPES:
        raise TypeError(f"{name}: expected float32 or float64; got {tensor.dtype}")
    if tensor.dtype != dtype:
        raise TypeError(f"{name}: expected {dtype}, as the first layer has; got {tensor.dtype}")
    if tensor.ndim != rank or 0 in tensor.shape:
        kind = "a matrix" if rank == 2 else "a vector"
        raise ValueError(f"{name}: expected {kind}; got shape {tensor.shape}")
    finite(name, tensor, tensor.dtype)


def check_total(parameters: int) -> None:
    """Raises `ValueError` for more parameters than a network may have."""
    if parameters > MOST_PARAMETERS:
        raise ValueError(
            f"layers: expected at most {MOST_PARAMETERS:,} parameters; got {parameters:,}"
        )


def ends(output: str, loss: str | None) -> tuple[str, str]:
    """Output and loss.

    log_softmax is softmax under cross_entropy, whose outputs are the probabilities here. Without a
    loss, the one that goes with the output: cross_entropy with softmax, binary_cross_entropy with
    sigmoid, else mse. A model that ends with the weighted sums (identity) under a cross-entropy
    leaves the last activation to its loss, as is usual: here the network has it, so that its
    outputs are the probabilities.
    """
    if output == "log_softmax":
        if loss not in (None, "cross_entropy"):
            raise ValueError(
                f"loss: a model that ends with LogSoftmax goes with cross_entropy; got {loss!r}"
            )
        return "softmax", "cross_entropy"
    if loss is None:
        loss = LOSSES.get(output, "mse")
    if output == "identity" and loss in SUM_LOSSES:
        output = SUM_LOSSES[loss][1]
    return output, loss


def activations_given(
    source: str, hidden: str | Sequence[str] | None, output: str | None, layers: int
) -> tuple[str | Sequence[str], str]:
    """hidden and output; raises `ValueError` for one that has to be said and was not."""
    names = [hidden] if hidden is None or isinstance(hidden, str) else hidden
    if not isinstance(names, list | tuple):
        raise TypeError(
            f"hidden: expected the name of an activation, or one for each hidden layer; got "
            f"{describe(hidden)}"
        )
    if hidden is None and layers > 1:
        raise ValueError(
            f"hidden: expected the activation of the hidden layers, which {source} does not say"
        )
    if output is None:
        raise ValueError(
            f"output: expected the activation of the last layer, which {source} does not say"
        )
    return ("identity" if hidden is None else hidden), output


def refuse_normalisation(names: Iterable[str], source: str) -> None:
    """Raises `ValueError` where the names are those of a batch normalisation, too."""
    for name in names:
        layer, _, part = name.rpartition(".")
        if part in ("running_mean", "running_var", "num_batches_tracked"):
            raise refuse(
                f"{source}: {shorten(layer)}",
                f"a batch normalisation (it has {part}), which no network here can have",
            )


def layers_of(tensors: Mapping[str, NDArray[Any]], source: str) -> list[Layer]:
    """The layers among tensors with PyTorch's names, in their order.

    `NAME.weight` is (n_{l+1}, n_l), PyTorch's (out, in), `NAME.bias` (n_{l+1},) and may be missing.
    Raises `ValueError` for any other name, and for a bias without its weight.
    """
    names = dict.fromkeys(key.rpartition(".")[0] for key in tensors)
    for key in tensors:
        if key.rpartition(".")[2] not in ("weight", "bias"):
            raise ValueError(
                f"{source}: expected weights and biases of linear layers, NAME.weight and "
                f"NAME.bias; got {shorten(key)!r}"
            )
    layers = []
    for name in names:
        prefix = f"{name}." if name else ""
        weight, bias = tensors.get(f"{prefix}weight"), tensors.get(f"{prefix}bias")
        if weight is None:
            raise ValueError(f"{source}: {prefix}bias: expected {prefix}weight with it; got none")
        if weight.ndim != 2:
            raise ValueError(
                f"{source}: {prefix}weight: expected the matrix of a linear layer; got shape "
                f"{tuple(weight.shape)}{', as normalisations have it' * (weight.ndim == 1)}"
            )
        layers.append(Layer(weight.T, bias, f"{prefix}weight", f"{prefix}bias"))
    return layers


def tensors_of(net: Network) -> dict[str, FloatArray]:
    """Copies of the parameters under the names that they have in `torch.nn.Sequential`.

    `0.weight` (n_1, n_0) and `0.bias` (n_1,), then `2.weight` and so on: every second index is an
    activation's.
    """
    tensors: dict[str, FloatArray] = {}
    for l, W in enumerate(net.W):
        tensors[f"{2 * l}.weight"] = np.ascontiguousarray(W[1:].T)
        tensors[f"{2 * l}.bias"] = W[0].copy()
    return tensors


def in_order(names: Iterable[str]) -> list[str]:
    """The names by the numbers in them: layer 10 after layer 2."""

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = re.split(r"([0-9]+)", name)
        return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]

    return sorted(names, key=key)


def _stem(name: str) -> str:
    """What names that differ in their numbers alone have in common."""
    return re.sub(r"[0-9]+", "#", name)


def arranged(
    groups: Mapping[str, Sequence[Layer]],
    source: str,
    remedy: str,
    ends: tuple[int | None, int | None] = (None, None),
) -> list[str]:
    """The names of the groups of layers in their order in the network; it is never guessed.

    Names that differ in their numbers alone come in the order of these. Where there are others, it
    is the only order in which every group has as many inputs as the one before it has outputs;
    `ends` are n_0 and n_L, as far as they are known. Raises `ValueError`, with the remedy, where
    several orders do, or none, or more than can be tried.
    """
    names = in_order(groups)
    stems = {name: _stem(name) for name in names}
    shaped = all(layer.weight.ndim == 2 for group in groups.values() for layer in group)
    if len(set(stems.values())) == 1 or not all(groups.values()) or not shaped:
        return names
    sizes = {
        name: (group[0].weight.shape[0], group[-1].weight.shape[1])
        for name, group in groups.items()
    }
    tries = iter(range(MOST_TRIES))
    orders = list(islice(_chains(names, stems, sizes, ends, tries), 2))
    if len(orders) == 1 and next(tries, None) is not None:
        return orders[0]
    shown = ", ".join(f"{name} ({inputs} to {n})" for name, (inputs, n) in sizes.items())
    count = "several orders" if orders else "no order"
    raise ValueError(f"{source}: in {count}, the layers {shown} fit one after the other; {remedy}")


def _chains(
    names: Sequence[str],
    stems: Mapping[str, str],
    sizes: Mapping[str, tuple[int, int]],
    ends: tuple[int | None, int | None],
    tries: Iterator[int],
) -> Iterator[list[str]]:
    """The orders in which the sizes fit; what differs in numbers alone keeps its order.

    tries ends the search: there may be as many orders as n layers have, n!.
    """
    if next(tries, None) is None:
        return
    if not names:
        yield []
        return
    for k, name in enumerate(names):
        if any(stems[earlier] == stems[name] for earlier in names[:k]):
            continue
        inputs, outputs = sizes[name]
        if ends[0] not in (None, inputs):
            continue
        rest = [*names[:k], *names[k + 1 :]]
        if not rest and ends[1] not in (None, outputs):
            continue
        for chain in _chains(rest, stems, sizes, (outputs, ends[1]), tries):
            yield [name, *chain]


def numbered_alike(layers: Sequence[Layer], source: str) -> None:
    """Raises `ValueError` where the order of layers and that of the numbers in their names differ.

    Only where both orders fit: other programs sort the names as text, layer 10 before layer 2.
    """
    names = [layer.weight_name.rpartition(".")[0] for layer in layers]
    stems: dict[str, list[str]] = {}
    for name in names:
        stems.setdefault(_stem(name), []).append(name)
    by_number = {stem: iter(in_order(group)) for stem, group in stems.items()}
    other = [next(by_number[_stem(name)]) for name in names]
    if other == names:
        return
    named = dict(zip(names, layers, strict=True))
    if all(
        named[below].weight.shape[1:] == named[above].weight.shape[:1]
        for below, above in pairwise(other)
    ):
        raise ValueError(
            f"{source}: expected the layers in the order of their numbers; got "
            f"{shorten(', '.join(names))}: say their order, layers=[…]"
        )


def chosen_layers(layers: Sequence[Layer], order: Sequence[str], source: str) -> list[Layer]:
    """The layers in the order of these names; raises `ValueError` unless it names each once."""
    named = {layer.weight_name.rpartition(".")[0]: layer for layer in layers}
    if isinstance(order, str) or sorted(order) != sorted(named):
        raise ValueError(
            f"layers: expected each of {', '.join(named)} once, the layers of {source}; got "
            f"{describe(order)}"
        )
    return [named[name] for name in order]


def refuse(layer: str, reason: str) -> ValueError:
    """The error for a layer that no network here can have; the message begins with its name."""
    return ValueError(f"{layer}: {reason}")


def expect_value(layer: str, name: str, value: object, expected: float, among: set[float]) -> None:
    """Raises unless a layer's parameter is the one that the activation has here."""
    if value not in among:
        raise refuse(layer, f"expected {name} = {expected:g}; got {describe(value)}")
