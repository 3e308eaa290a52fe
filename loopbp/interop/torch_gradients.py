"""Gradients of PyTorch models for `loopbp.verify`: those of `torch.autograd`, and the network."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ..checks import choice, describe, matrix, numeric
from ..engines import OUTPUT_LOSSES, SUM_LOSSES
from ..network import Network
from .layers import Computed, Gradient, activations_given, check, refuse
from .torch import (
    DROPOUTS,
    DTYPES,
    Chain,
    array_of,
    chain_of,
    is_sequential,
    linear_layers,
    network_of,
)
from .torch_losses import Criterion, by_name, called, known_as
from .torch_state import borrowed

#: What a model ends with where the loss does the rest, or does it again.
LAST = {"CrossEntropyLoss": "softmax", "BCEWithLogitsLoss": "sigmoid"}


def is_model(subject: object) -> bool:
    """Whether it is a module of PyTorch."""
    return isinstance(subject, nn.Module)


def gradients(
    model: Any,
    X: Any,
    Y: Any,
    *,
    loss: str | None = None,
    criterion: Callable[[Any, Any], Any] | None = None,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    reduction: str = "mean",
    dtype: str | None = None,
) -> Computed:
    """The loss's gradient by `torch.autograd` at the model's weights, and the network that it is.

    The options are those of `loopbp.verify`. The model is called as it is, on its device; neither
    it nor any `.grad` is modified.
    """
    chosen = None if dtype is None else getattr(torch, choice("dtype", dtype, DTYPES.values()))
    with borrowed(model, chosen):
        return _computed(model, X, Y, loss, criterion, hidden, output, reduction)


def _computed(
    model: Any,
    X: Any,
    Y: Any,
    loss: str | None,
    criterion: Callable[[Any, Any], Any] | None,
    hidden: str | Sequence[str] | None,
    output: str | None,
    reduction: str,
) -> Computed:
    """The model's gradients in the dtype that it has now."""
    chain = _described(model, hidden, output)
    check(linear_layers(chain.linears))
    known, loss, reduction = _loss(criterion, loss, reduction)
    net = _quietly(chain, loss)
    _check_classes(criterion, known, net.sizes[-1])
    parameter = chain.linears[0][1].weight
    inputs = _tensor("X", X).to(parameter.device, parameter.dtype)
    targets = _tensor("Y", Y)
    said = hidden is not None or output is not None
    if criterion is not None:
        source = called(criterion)
        targets = _targets(known, targets, parameter.dtype, net.sizes[-1], source)
        if known is not None and known.loss == "binary_cross_entropy":
            criterion = _of_one_shape(criterion)
    elif said:
        raise ValueError("criterion: expected it with hidden and output: what the loss takes")
    else:
        rows = torch.from_numpy(net.targets(targets.cpu().numpy(), len(inputs)))
        criterion, source = by_name(net.loss, chain.activations[-1], reduction, rows), net.loss
    flat = len(inputs), math.prod(inputs.shape[1:])
    there, numbers = inputs.cpu().numpy().reshape(flat), targets.cpu().numpy()
    # before PyTorch meets them, which says it in its own words
    matrix("X", there, net.dtype, columns=net.sizes[0])
    net.targets(numbers, len(there))
    # copies, since a model or a loss may change them
    batch = inputs.clone(), targets.to(parameter.device, copy=True)
    found = _autograd(model, chain.linears, *batch, criterion)
    outputs = net.sizes[-1] if known is not None and known.outputs else 1
    also = f", also a mean over the {outputs} outputs" if outputs > 1 else ""
    notes = [*_left_out(chain.linears), *_unreached(found.unreached)]
    notes += [] if known is None else _broadcast(found.outputs, targets, source)
    notes += [] if said else _notes(chain.activations[-1], source)
    return Computed(
        net,
        there,
        numbers,
        found.grad,
        found.loss,
        reduction,
        1 / outputs,
        f"PyTorch {torch.__version__} on {parameter.device}, {source}{also}",
        tuple(notes),
        found.outputs,
        None if known is None else known.takes,
    )


def _loss(
    criterion: Callable[[Any, Any], Any] | None, loss: str | None, reduction: str
) -> tuple[Criterion | None, str, str]:
    """What is known of the criterion, the loss's name, and the reduction."""
    known = None if criterion is None else known_as(criterion)
    if known is not None:
        if loss not in (None, known.loss):
            raise ValueError(f"loss: {called(criterion)} is {known.loss} here; got {loss!r}")
        return known, known.loss, known.reduction
    if loss is None:
        own = "" if criterion is None else f", which {called(criterion)} does not say"
        names = ", ".join((*OUTPUT_LOSSES, *SUM_LOSSES))
        raise ValueError(
            f"loss: expected its name, {names}{own}; or as criterion one of PyTorch's own, such as "
            "nn.CrossEntropyLoss()"
        )
    return None, loss, reduction


def _check_classes(criterion: Any, known: Criterion | None, outputs: int) -> None:
    """Raises for a loss that leaves the examples of a class out."""
    ignored = getattr(criterion, "ignore_index", -1) if known is not None else -1
    if 0 <= ignored < outputs:
        raise refuse(
            f"criterion ({called(criterion)})",
            f"expected an ignore_index that is no class; got {ignored}: leave these examples out",
        )


def _described(model: Any, hidden: str | Sequence[str] | None, output: str | None) -> Chain:
    """The model's layers; with `hidden` or `output`, a model of any kind that is said to have them.

    Then the linear layers are those that the model registers, in this order.
    """
    if hidden is None and output is None:
        if not is_sequential(model) and type(model) is not nn.Linear:
            raise TypeError(
                f"model: {type(model).__name__} is no nn.Sequential, and does not say its "
                "activations: name them with hidden= and output="
            )
        return _plain(chain_of(model))
    for name, module in model.named_modules():
        _check_part(name, module)
    linears = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not linears:
        raise ValueError("model: expected at least one nn.Linear; got none")
    chosen, last = activations_given("the caller", hidden, output, len(linears))
    names = [chosen] * (len(linears) - 1) if isinstance(chosen, str) else list(chosen)
    return _plain(Chain(linears, [*names, last]))


def _check_part(name: str, module: Any) -> None:
    """Raises for a module that changes the numbers between the layers."""
    place = f"model: {name!r} ({type(module).__name__})"
    if isinstance(module, DROPOUTS) and module.training and module.p > 0:
        raise refuse(place, "expected a model in eval mode: call model.eval() first")
    if isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm):
        raise refuse(place, "a normalisation, which no network here can have")


def _plain(chain: Chain) -> Chain:
    """The chain; raises where weights are computed from other parameters."""
    for name, module in chain.linears:
        if "weight" not in module._parameters:
            raise refuse(
                f"{name}.weight" if name else "weight",
                "expected a parameter of the layer itself, not one that is computed (pruned, or "
                "parametrized): make it permanent first",
            )
    return chain


def _quietly(chain: Chain, loss: str) -> Network:
    """The network; that it has biases where the model has none does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return network_of(chain.linears, chain.activations[:-1], chain.activations[-1], loss)


def _tensor(name: str, values: Any) -> Any:
    """X or Y as a tensor: one already, or anything that NumPy takes, such as a DataFrame."""
    if torch.is_tensor(values):
        return values.detach()
    return torch.from_numpy(np.array(numeric(name, values), order="C"))


def _of_one_shape(criterion: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The criterion; raises where targets have another shape than outputs."""

    def value(outputs: Any, Y: Any) -> Any:
        if outputs.shape != Y.shape:
            raise ValueError(
                f"Y: expected shape {tuple(outputs.shape)}, that of the outputs, as "
                f"{called(criterion)} takes; got {tuple(Y.shape)}"
            )
        return criterion(outputs, Y)

    return value


def _targets(known: Criterion | None, Y: Any, dtype: Any, outputs: int, criterion: str) -> Any:
    """Y as a criterion takes it: labels where it knows classes, otherwise numbers."""
    classes = known is None or known.loss == "cross_entropy"
    if Y.ndim == 1 and outputs > 1 and not classes:
        raise ValueError(
            f"Y: expected shape (N, {outputs}), a number for every output, as {criterion} takes; "
            f"got shape {tuple(Y.shape)}: of labels, their one-hot rows"
        )
    labels = Y.ndim == 1 and not Y.is_floating_point()
    return Y.to(torch.int64 if labels and classes else dtype)


class _Found(NamedTuple):
    """The loss and its gradients; the outputs; and the layers that the loss does not depend on."""

    loss: float
    grad: list[Gradient]
    outputs: Any
    unreached: list[str]


def _autograd(
    model: Any,
    linears: Sequence[tuple[str, Any]],
    X: Any,
    Y: Any,
    criterion: Callable[[Any, Any], Any],
) -> _Found:
    """What PyTorch computes; frozen parameters have no gradients, unreached ones have zeros."""
    named = dict(
        (f"{name}.{kind}" if name else kind, parameter)
        for name, module in linears
        for kind, parameter in module.named_parameters(recurse=False)
        if parameter.requires_grad
    )
    if not named:
        raise ValueError("model: expected parameters that require gradients; got none")
    with torch.enable_grad():
        outputs = model(X)
        value = criterion(outputs, Y)
        if not torch.is_tensor(value) or value.numel() != 1:
            raise ValueError(f"criterion: expected one number; got {describe(value)}")
        if not value.requires_grad:
            raise ValueError(
                "model and criterion: expected a loss that depends on the weights; got one without "
                "a gradient (detached, or computed under no_grad)"
            )
        found = torch.autograd.grad(value.reshape(()), list(named.values()), allow_unused=True)
    arrays = {
        name: array_of(name, torch.zeros_like(named[name]) if part is None else part)
        for name, part in zip(named, found, strict=True)
    }
    grad = []
    for name, _ in linears:
        prefix = f"{name}." if name else ""
        weight, bias = (arrays.get(f"{prefix}{kind}") for kind in ("weight", "bias"))
        grad.append(
            Gradient(None if weight is None else weight.T, bias, f"{prefix}weight", f"{prefix}bias")
        )
    unreached = dict(
        (name.rpartition(".")[0], None)
        for name, part in zip(named, found, strict=True)
        if part is None
    )
    told = torch.is_tensor(outputs) and outputs.dtype in DTYPES
    given = outputs.detach().cpu().numpy() if told else None
    return _Found(float(value.detach()), grad, given, list(unreached))


def _left_out(linears: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Parameters that have no gradient."""
    frozen = [
        f"{name}.{kind}" if name else kind
        for name, module in linears
        for kind, parameter in module.named_parameters(recurse=False)
        if not parameter.requires_grad
    ]
    if frozen:
        yield f"not compared, since they require no gradient: {', '.join(frozen)}"


def _unreached(layers: Sequence[str]) -> Iterator[str]:
    """Layers that take no part."""
    if layers:
        names = ", ".join(map(repr, layers))
        yield f"the loss does not depend on {names} of the model: not used in forward, or detached"


def _broadcast(outputs: Any, targets: Any, criterion: str) -> Iterator[str]:
    """A classic mistake: (N, 1) beside (N,), which PyTorch makes (N, N)."""
    if outputs is None:
        return
    N, shapes = len(targets), (outputs.shape, tuple(targets.shape))
    if N > 1 and shapes in (((N, 1), (N,)), ((N,), (N, 1))):
        yield (
            f"{criterion} makes {N} × {N} differences of outputs {shapes[0]} and targets "
            f"{shapes[1]}: give it targets of the outputs' shape"
        )


def _notes(last: str, criterion: str) -> tuple[str, ...]:
    """A classic mistake: the last activation twice."""
    if last != LAST.get(criterion):
        return ()
    return (f"the model ends with {last}, and {criterion} applies it once more",)
