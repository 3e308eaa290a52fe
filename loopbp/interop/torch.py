"""PyTorch: `nn.Sequential` of linear layers and activations, to and fro, bit for bit.

`nn.Linear` keeps its weights as (out, in): W[l][1:] is `weight` transposed, W[l][0] is `bias`.

| here | there |
|---|---|
| identity | nothing, or `nn.Identity` |
| sigmoid, tanh, relu, silu | `nn.Sigmoid`, `nn.Tanh`, `nn.ReLU`, `nn.SiLU` |
| leaky_relu, elu | `nn.LeakyReLU(0.01)`, `nn.ELU(1.0)` |
| softplus | `nn.Softplus(beta=1)`, see below |
| gelu | `nn.GELU(approximate="none")` |
| sin, cos, exp | `Sin`, `Cos`, `Exp` of this module |
| softmax | `nn.Softmax(dim=1)` |

PyTorch's softplus is s itself beyond its threshold, usually 20, which leaves out e^−s, 2·10⁻⁹
there; `to_torch` sets the threshold to 40, where that is below rounding.

`nn.Dropout` is passed over in eval mode, `nn.Flatten` always: a network's inputs are flat.
Everything else is refused by its name and index.
"""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..checks import describe, flag, shorten
from ..network import Network, Path
from ..npz import FileError, replacing
from .layers import (
    ALPHA,
    SLOPE,
    Layer,
    MissingLibraryError,
    activations_given,
    build,
    check_total,
    chosen_layers,
    expect_value,
    layers_of,
    numbered_alike,
    refuse,
    refuse_normalisation,
    tensors_of,
)

try:
    import torch
    from torch import nn
except ImportError as missing:
    raise MissingLibraryError("PyTorch", "torch") from missing

#: torch dtypes that a network can have.
DTYPES = {torch.float32: "float32", torch.float64: "float64"}

#: How a file of torch.save began before there were zip files in it: a pickled number.
OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

#: Beyond 40, e^−s is less than half a step between neighbouring float64 numbers at s.
THRESHOLD = 40


class Sin(nn.Module):  # type: ignore[misc]
    """x = sin s."""

    def forward(self, s: Any) -> Any:
        return torch.sin(s)


class Cos(nn.Module):  # type: ignore[misc]
    """x = cos s."""

    def forward(self, s: Any) -> Any:
        return torch.cos(s)


class Exp(nn.Module):  # type: ignore[misc]
    """x = e^s."""

    def forward(self, s: Any) -> Any:
        return torch.exp(s)


#: How the activations are made.
MODULES: dict[str, Callable[[], Any]] = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(SLOPE),
    "elu": lambda: nn.ELU(ALPHA),
    "softplus": lambda: nn.Softplus(threshold=THRESHOLD),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sin": Sin,
    "cos": Cos,
    "exp": Exp,
    "softmax": lambda: nn.Softmax(dim=1),
}

#: How they are recognised: by type alone, since a subclass may compute anything.
NAMES = {
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.Softplus: "softplus",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    Sin: "sin",
    Cos: "cos",
    Exp: "exp",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
}
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class Chain(NamedTuple):
    """A Sequential: its linear layers with their names, and an activation for each."""

    linears: list[tuple[str, Any]]
    activations: list[str]


def from_torch(
    model: Any,
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    layers: Sequence[str] | None = None,
) -> Network:
    """W[l] = [biasᵀ; weightᵀ]: the network with a model's weights, bit for bit.

    Parameters
    ----------
    model : nn.Sequential (nested ones are flattened), nn.Linear, or a state_dict of linear layers.
    hidden, output : activations, for a state_dict only, which does not say them.
    loss : str, optional
        By default what goes with the output: cross_entropy, binary_cross_entropy or mse. With
        loss="cross_entropy" a model that ends with the logits, as `nn.CrossEntropyLoss` wants it,
        becomes a network with the output softmax, and likewise binary_cross_entropy and sigmoid.

    layers : names of the layers of a state_dict from the first to the last, where it has them in
        another order.

    A layer with bias=False gets biases of 0, with a warning. Raises `TypeError` or `ValueError` for
    a layer that no network here can have, by its name and index, shared weights, other dtypes than
    float32 and float64, and names in a state_dict that were sorted as text, 10 before 2.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    >>> from_torch(model, loss="cross_entropy")
    <Network 4-8-3: tanh, softmax, cross_entropy, float32; 67 parameters>
    """
    if isinstance(model, Mapping):
        found = layers_of(_numpy(model), "state_dict")
        if layers is None:
            numbered_alike(found, "state_dict")
        else:
            found = chosen_layers(found, layers, "the state_dict")
        chosen, last = activations_given("a state_dict", hidden, output, len(found))
        return build(found, chosen, last, loss)
    for name, value in (("hidden", hidden), ("output", output), ("layers", layers)):
        if value is not None and (is_sequential(model) or type(model) is nn.Linear):
            raise ValueError(f"{name}: the model says its own; leave it out")
    chain = chain_of(model)
    return network_of(chain.linears, chain.activations[:-1], chain.activations[-1], loss)


def to_torch(net: Network, *, logits: bool = False) -> Any:
    """nn.Sequential of nn.Linear and activations with the network's weights, bit for bit.

    With logits=True the last activation is left out where it is softmax or sigmoid:
    `nn.CrossEntropyLoss` and `nn.BCEWithLogitsLoss` have it. The indices are 0, 2, … for the
    linear layers and 1, 3, … for the activations, identity included. The weights are copies.

    >>> to_torch(Network([4, 8, 3], hidden="tanh"), logits=True)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): Tanh()
      (2): Linear(in_features=8, out_features=3, bias=True)
    )
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    bare = flag("logits", logits) and net.output in ("softmax", "sigmoid")
    dtype = getattr(torch, net.dtype.name)
    modules: list[Any] = []
    for W, name in zip(net.W, net.activations, strict=True):
        # Without PyTorch's initial weights, which would draw from its random numbers.
        fan_in, fan_out = W.shape[0] - 1, W.shape[1]
        modules += [
            nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=dtype),
            MODULES[name](),
        ]
    if bare or net.output == "identity":
        modules.pop()
    model = nn.Sequential(*modules)
    model.load_state_dict(_tensors(net))
    return model


def save(net: Network, path: Path) -> None:
    """Writes the state_dict of `to_torch(net)`: the whole file or nothing. It says no activations.

    Raises `ValueError` if a parameter is not finite, `OSError` if the file cannot be written.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    net.check_weights()
    with replacing(path) as file:
        torch.save(_tensors(net), file)


def load(
    path: Path,
    *,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    loss: str | None = None,
    layers: Sequence[str] | None = None,
) -> Network:
    """The network in a file with a state_dict; the options as for `from_torch`.

    Read with weights_only=True, so that nothing in the file is executed; a file with a whole
    pickled module is refused. Raises `OSError` when it cannot be opened, `ValueError`
    (`npz.FileError` for a damaged file) for tensors larger than the file, and what `from_torch`
    raises.
    """
    name = os.fspath(path)
    with FilePath(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                claimed = sum(member.file_size for member in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
            file.seek(0)
            if file.read(len(OLD_FORMAT)) == OLD_FORMAT:
                raise FileError(
                    f"{name}: torch.save's format before PyTorch 1.6, which is not read; save it "
                    "once more: torch.save(torch.load(FILE, weights_only=True), FILE)"
                ) from None
            raise FileError(f"{name}: not a file of torch.save, or damaged: {problem}") from None
        if claimed > size:
            raise FileError(f"{name}: claims {claimed:,} bytes; the file has {size:,}")
        file.seek(0)
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as problem:  # whatever a damaged pickle leads to
            reason = _why_not_loaded(problem)
            raise FileError(f"{name}: expected a state_dict of tensors; {reason}") from None
    if not isinstance(state, Mapping) or not all(map(torch.is_tensor, state.values())):
        raise FileError(f"{name}: expected a state_dict of tensors; got {_contents(state)}")
    needed = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if needed > size:
        raise FileError(f"{name}: tensors of {needed:,} bytes; the file has {size:,}")
    return from_torch(state, hidden=hidden, output=output, loss=loss, layers=layers)


def _contents(state: Any) -> str:
    """What a file has in place of a state_dict; a checkpoint has one in it."""
    if isinstance(state, Mapping):
        for key, part in state.items():
            if isinstance(part, Mapping) and part and all(map(torch.is_tensor, part.values())):
                return f"a checkpoint, in which {shorten(repr(key))} is one: save it by itself"
    return describe(state)


def _why_not_loaded(problem: Exception) -> str:
    """What torch.load complains of, without its advice to let the file execute code."""
    if not isinstance(problem, pickle.UnpicklingError):
        return str(problem).partition("\n")[0]
    found = re.search(r"(?:GLOBAL|[Uu]nsupported class) (\S+)", str(problem))
    if found is None:
        return "its pickle is damaged, or holds something else"
    return (
        f"it holds pickled objects ({shorten(ascii(found[1]))}), as a whole model "
        "does, and no code from a file is executed: save torch.save(model.state_dict(), FILE)"
    )


# --- What a model is made of. -------------------------------------------------------------------


def _tensors(net: Network) -> dict[str, Any]:
    """The state_dict of the network."""
    return {name: torch.from_numpy(array) for name, array in tensors_of(net).items()}


def _numpy(state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The tensors as arrays that share their memory where they can."""
    for name, tensor in state.items():
        if not isinstance(name, str) or not torch.is_tensor(tensor):
            raise TypeError(f"state_dict: {name}: expected a tensor; got {describe(tensor)}")
    refuse_normalisation(state, "state_dict")
    check_total(sum(tensor.numel() for tensor in state.values()))
    return {name: array_of(name, tensor) for name, tensor in state.items()}


def array_of(name: str, tensor: Any) -> NDArray[Any]:
    """A parameter or gradient as an array."""
    if tensor.dtype not in DTYPES:
        raise TypeError(f"{name}: expected float32 or float64; got {tensor.dtype}")
    if tensor.is_meta or tensor.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense tensor with values")
    array: NDArray[Any] = tensor.detach().cpu().resolve_neg().numpy()
    return array


def _modules(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The modules of nested Sequentials, one after the other, with their names."""
    for name, module in model._modules.items():  # named_children() would name a shared one once
        if is_sequential(module):
            yield from _modules(module, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", module


def is_sequential(module: Any) -> bool:
    """Whether it calls its children one after the other, and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def chain_of(model: Any) -> Chain:
    """The linear layers and activations of a Sequential; raises for everything else."""
    if type(model) is nn.Linear:
        return Chain([("", model)], ["identity"])
    if not is_sequential(model):
        raise TypeError(
            f"model: expected nn.Sequential, nn.Linear or a state_dict; got {describe(model)}"
            + ("; pass model.state_dict() with hidden= and output=" * isinstance(model, nn.Module))
        )
    linears: list[tuple[str, Any]] = []
    activations: list[str | None] = []
    for index, (name, module) in enumerate(_modules(model)):
        layer = f"layer {index} ({type(module).__name__}, {name!r})"
        _check_plain(layer, module)
        if type(module) is nn.Linear:
            linears.append((name, module))
            activations.append(None)
        elif not _passed_over(layer, module):
            found = _activation(layer, module)
            if not activations:
                raise refuse(layer, "expected a linear layer before the first activation")
            if activations[-1] is not None:
                raise refuse(
                    layer, f"expected one activation per layer; {activations[-1]} is there"
                )
            activations[-1] = found
    if not linears:
        raise ValueError("model: expected at least one nn.Linear; got none")
    for (name, _), activation in zip(linears, activations[:-1], strict=False):
        if activation in ("softmax", "log_softmax"):
            raise refuse(f"the {activation} after {name!r}", "expected it at the end only")
    return Chain(linears, [name or "identity" for name in activations])


def _check_plain(layer: str, module: Any) -> None:
    """Raises for a module that does more than its class says."""
    if module._forward_hooks or module._forward_pre_hooks:
        raise refuse(layer, "expected a module without forward hooks, which may change anything")


def _passed_over(layer: str, module: Any) -> bool:
    """Whether it hands on what it gets."""
    if type(module) is nn.Identity:
        return True
    if type(module) is nn.Flatten:
        if (module.start_dim, module.end_dim) != (1, -1):
            raise refuse(layer, "expected start_dim=1 and end_dim=-1")
        return True
    if type(module) in DROPOUTS:
        if module.training and module.p > 0:
            raise refuse(layer, "expected a model in eval mode: call model.eval() first")
        return True
    return False


def _activation(layer: str, module: Any) -> str:
    """The name of an activation; raises for what is none, or has other parameters."""
    name = NAMES.get(type(module))
    if name is None:
        known = ", ".join(kind.__name__ for kind in (nn.Linear, *NAMES, nn.Dropout, nn.Flatten))
        raise refuse(layer, f"no network here has such a layer; expected one of {known}")
    if name == "leaky_relu":
        expect_value(layer, "negative_slope", module.negative_slope, SLOPE, {SLOPE})
    elif name == "elu":
        expect_value(layer, "alpha", module.alpha, ALPHA, {ALPHA})
    elif name == "softplus":
        expect_value(layer, "beta", module.beta, 1, {1})
        if module.threshold < 20:
            raise refuse(layer, f"expected a threshold ≥ 20; got {module.threshold}")
    elif name == "gelu" and module.approximate != "none":
        raise refuse(layer, f"expected approximate='none'; got {module.approximate!r}")
    elif name in ("softmax", "log_softmax") and module.dim not in (1, -1, None):
        raise refuse(layer, f"expected dim=1, the outputs; got {module.dim}")
    return name


def linear_layers(linears: Sequence[tuple[str, Any]]) -> list[Layer]:
    """Weights and biases; raises where two layers share them."""
    seen: set[int] = set()
    layers = []
    for name, module in linears:
        prefix = f"{name}." if name else ""
        for parameter in module.parameters():
            if id(parameter) in seen:
                raise refuse(f"{prefix}weight", "expected parameters that no other layer shares")
            seen.add(id(parameter))
        weight = array_of(f"{prefix}weight", module.weight)
        bias = None if module.bias is None else array_of(f"{prefix}bias", module.bias)
        layers.append(Layer(weight.T, bias, f"{prefix}weight", f"{prefix}bias"))
    return layers


def network_of(
    linears: Sequence[tuple[str, Any]],
    hidden: str | Sequence[str],
    output: str,
    loss: str | None,
) -> Network:
    """The network of these layers."""
    return build(linear_layers(linears), hidden, output, loss)
