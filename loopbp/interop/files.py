"""A network's file, in the format that its extension names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Any

from ..checks import choice
from ..network import Network, Path
from ..network import load as load_npz

#: The extensions, and what is in such a file.
FORMATS = {
    ".npz": "loopbp's own",
    ".onnx": "ONNX",
    ".safetensors": "safetensors",
    ".pt": "PyTorch's state_dict",
    ".pth": "PyTorch's state_dict",
}


def read(
    path: Path,
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    layers: Sequence[str] | None = None,
) -> Network:
    """The network in a file; the options say what the file does not.

    Raises `ValueError` for another extension, an option that the file decides itself or one that is
    missing, and what the format's own `load` raises; `ImportError` where its library is missing.
    """
    suffix = _suffix("path", path)
    options = {"hidden": hidden, "output": output, "loss": loss, "layers": layers}
    decided = {
        ".npz": ("hidden", "output", "loss", "layers"),
        ".onnx": ("hidden", "output", "layers"),
    }
    for name in decided.get(suffix, ()):
        if options.pop(name) is not None:
            raise ValueError(f"{name}: {path} says its own; leave it out")
    if suffix == ".npz":
        return load_npz(path)
    network: Network = _library(suffix).load(path, **options)
    return network


def write(net: Network, path: Path) -> None:
    """Writes the network in the format of the extension: the whole file or nothing."""
    suffix = _suffix("path", path)
    if suffix == ".npz":
        net.save(path)
    else:
        _library(suffix).save(net, path)


def _suffix(argument: str, path: Path) -> str:
    """The file's extension, which has to be one of `FORMATS`."""
    return choice(f"{argument}: the extension", FilePath(path).suffix.lower(), FORMATS)


def _library(suffix: str) -> Any:
    """The module that knows the format."""
    if suffix == ".onnx":
        from . import onnx

        return onnx
    if suffix == ".safetensors":
        from . import safetensors

        return safetensors
    from . import torch

    return torch
