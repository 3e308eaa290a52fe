"""safetensors files: tensors under PyTorch's names, and what they mean in the header.

The tensors are those of `torch.nn.Sequential`, so that PyTorch loads the file as a state_dict. The
header's only entry of metadata, `loopbp`, is a JSON object with hidden, output, loss and dtype:
one entry, since the library writes several in no fixed order, and the same network shall give the
same bytes. A file holds nothing that could be executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from ..checks import describe
from ..network import DTYPES, Network, Path
from ..npz import FileError, replacing
from .layers import (
    MissingLibraryError,
    activations_given,
    arranged,
    build,
    check_total,
    chosen_layers,
    in_order,
    layers_of,
    refuse_normalisation,
    tensors_of,
)

try:
    import safetensors
    import safetensors.numpy
except ImportError as missing:
    raise MissingLibraryError("safetensors", "safetensors") from missing

ENTRY = "loopbp"

#: The format's names of the dtypes that a network can have.
NAMES = {"F32": "float32", "F64": "float64"}


def save(net: Network, path: Path) -> None:
    """Writes the network: the whole file or nothing; the same network gives the same bytes.

    Raises `ValueError` if a parameter is not finite, `OSError` if the file cannot be written.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    net.check_weights()
    meaning = {
        "hidden": list(net.hidden),
        "output": net.output,
        "loss": net.loss,
        "dtype": net.dtype.name,
    }
    content = safetensors.numpy.save(tensors_of(net), metadata={ENTRY: json.dumps(meaning)})
    with replacing(path) as file:
        file.write(content)


def load(
    path: Path,
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    layers: Sequence[str] | None = None,
) -> Network:
    """The network in a file: `save`'s, or any with the weights of linear layers.

    A file of `save` says its activations and loss itself. For another one `hidden` and `output`
    have to be given; its layers are taken in the order of the numbers in their names, and those
    with other names in the order in which their sizes fit, where only one does. `layers`, their
    names from the first to the last, says another: the file itself keeps them in no order.

    Raises `OSError` when the file cannot be opened, and `ValueError` (`npz.FileError` for a
    damaged file) for sizes that it does not hold, other tensors than weights and biases of linear
    layers in float32 or float64, and for options that the file decides itself.
    """
    name = os.fspath(path)
    try:
        with FilePath(path).open("rb"):
            pass  # the library's errors do not say what is wrong with a path
        with safetensors.safe_open(path, framework="numpy") as file:
            meaning = _meaning(name, (file.metadata() or {}).get(ENTRY))
            tensors = _tensors(name, file)
    except safetensors.SafetensorError as problem:
        raise FileError(f"{name}: not a safetensors file, or a damaged one: {problem}") from None
    given = {"hidden": hidden, "output": output, "loss": loss, "layers": layers}
    if meaning is None:
        found = layers_of(tensors, name)
        if layers is None:
            groups = {layer.weight_name.rpartition(".")[0]: [layer] for layer in found}
            order: Sequence[str] = arranged(groups, name, "layers: say the order by their names")
        else:
            order = layers
        found = chosen_layers(found, order, name)
        chosen, last = activations_given(name, hidden, output, len(found))
        return build(found, chosen, last, loss)
    for option, value in given.items():
        if value is not None:
            raise ValueError(f"{option}: {name} says its own; leave it out")
    try:
        net = build(layers_of(tensors, name), meaning["hidden"], meaning["output"], meaning["loss"])
    except (TypeError, ValueError) as problem:
        raise FileError(f"{name}: not a valid network; {problem}") from None
    if meaning["dtype"] != net.dtype.name:
        raise FileError(f"{name}: expected {meaning['dtype']!r} tensors; got {net.dtype.name}")
    return net


def _meaning(name: str, text: str | None) -> dict[str, Any] | None:
    """What the file says of itself; None where it says nothing."""
    if text is None:
        return None
    try:
        meaning = json.loads(text)
        return {key: meaning[key] for key in ("hidden", "output", "loss", "dtype")}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FileError(f"{name}: expected the description of a network; got another") from None


def _tensors(name: str, file: Any) -> dict[str, Any]:
    """The tensors in the order of their numbers; shapes and dtypes are looked at first."""
    names = in_order(file.keys())
    refuse_normalisation(names, name)
    total = 0
    for key in names:
        part = file.get_slice(key)
        if part.get_dtype() not in NAMES:
            raise TypeError(
                f"{name}: {key}: expected one of {', '.join(DTYPES)}; got {part.get_dtype()}"
            )
        size = 1
        for length in part.get_shape():
            size *= length
        total += size
    check_total(total)
    return {key: file.get_tensor(key) for key in names}
