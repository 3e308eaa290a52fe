"""Gradients of PyTorch models for `loopbp.verify`: those of `torch.autograd`, and the network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..checks import choice, describe, matrix, numeric
from ..engines import OUTPUT_LOSSES, SUM_LOSSES
from ..network import REDUCTIONS, Network
from .layers import Computed, Gradient, activations_given, check, refuse
from .torch import DTYPES, Chain, array_of, chain_of, is_sequential, linear_layers, network_of


class _Criterion(NamedTuple):
    """What a loss of PyTorch is here; `outputs`: also the mean over the n_L outputs of that."""

    loss: str
    reduction: str
    outputs: bool = False


#: Losses of PyTorch with reduction "mean", and with "sum".
CRITERIA = {
    "MSELoss": (_Criterion("mse", "mean"), _Criterion("sse", "sum")),
    "CrossEntropyLoss": (_Criterion("cross_entropy", "mean"), _Criterion("cross_entropy", "sum")),
    "NLLLoss": (_Criterion("cross_entropy", "mean"), _Criterion("cross_entropy", "sum")),
    "BCELoss": (
        _Criterion("binary_cross_entropy", "mean", outputs=True),
        _Criterion("binary_cross_entropy", "sum"),
    ),
}
CRITERIA["BCEWithLogitsLoss"] = CRITERIA["BCELoss"]

#: The same as functions, which have reduction "mean" unless told otherwise.
FUNCTIONS = {
    functional.mse_loss: "MSELoss",
    functional.cross_entropy: "CrossEntropyLoss",
    functional.nll_loss: "NLLLoss",
    functional.binary_cross_entropy: "BCELoss",
    functional.binary_cross_entropy_with_logits: "BCEWithLogitsLoss",
}

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
    if dtype is not None:
        model = copy.deepcopy(model).to(getattr(torch, choice("dtype", dtype, DTYPES.values())))
    chain = _described(model, hidden, output)
    check(linear_layers(chain.linears))
    known = None if criterion is None else _criterion(criterion)
    if known is not None:
        if loss not in (None, known.loss):
            raise ValueError(f"loss: {_called(criterion)} is {known.loss} here; got {loss!r}")
        loss, reduction = known.loss, known.reduction
    if loss is None:
        own = "" if criterion is None else f", which {_called(criterion)} does not say"
        names = ", ".join((*OUTPUT_LOSSES, *SUM_LOSSES))
        raise ValueError(
            f"loss: expected its name, {names}{own}; or as criterion one of PyTorch's own, such as "
            "nn.CrossEntropyLoss()"
        )
    net = _quietly(chain, loss)
    ignored = getattr(criterion, "ignore_index", -1) if known is not None else -1
    if 0 <= ignored < net.sizes[-1]:
        raise refuse(
            f"criterion ({_called(criterion)})",
            f"expected an ignore_index that is no class; got {ignored}: leave these examples out",
        )
    parameter = chain.linears[0][1].weight
    inputs = _tensor("X", X).to(parameter.device, parameter.dtype)
    targets = _tensor("Y", Y)
    said = hidden is not None or output is not None
    if criterion is not None:
        if known is not None and known.loss != "cross_entropy" and net.sizes[-1] > 1:
            _check_rank(targets, net.sizes[-1], _called(criterion))
        targets = _targets(known, targets, parameter.dtype)
        source = _called(criterion)
    elif said:
        raise ValueError("criterion: expected it with hidden and output: what the loss takes")
    else:
        rows = torch.from_numpy(net.targets(targets.cpu().numpy(), len(inputs)))
        criterion, source = _by_name(net.loss, chain.activations[-1], reduction, rows), net.loss
    there, numbers = inputs.cpu().numpy().reshape(len(inputs), -1), targets.cpu().numpy()
    # before PyTorch meets them, which says it in its own words
    matrix("X", there, net.dtype, columns=net.sizes[0])
    net.targets(numbers, len(there))
    found = _autograd(model, chain.linears, inputs, targets.to(parameter.device), criterion)
    outputs = net.sizes[-1] if known is not None and known.outputs else 1
    also = f", also a mean over the {outputs} outputs" if outputs > 1 else ""
    return Computed(
        net,
        there,
        numbers,
        found.grad,
        found.loss,
        reduction,
        1 / outputs,
        f"PyTorch {torch.__version__} on {parameter.device}, {source}{also}",
        (
            *_unreached(found.unreached),
            *(() if known is None else _broadcast(found.outputs, targets, source)),
            *(() if said else _notes(chain.activations[-1], source)),
        ),
        found.outputs,
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
        return chain_of(model)
    linears = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not linears:
        raise ValueError("model: expected at least one nn.Linear; got none")
    chosen, last = activations_given("the caller", hidden, output, len(linears))
    names = [chosen] * (len(linears) - 1) if isinstance(chosen, str) else list(chosen)
    return Chain(linears, [*names, last])


def _quietly(chain: Chain, loss: str) -> Network:
    """The network; that it has biases where the model has none does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return network_of(chain.linears, chain.activations[:-1], chain.activations[-1], loss)


def _called(criterion: Any) -> str:
    """The name of a criterion."""
    if isinstance(criterion, nn.Module):
        return type(criterion).__name__
    return str(getattr(criterion, "__name__", type(criterion).__name__))


def _criterion(criterion: Any) -> _Criterion | None:
    """What a loss of PyTorch is here; None for any other callable."""
    if not callable(criterion):
        raise TypeError(f"criterion: expected a loss of PyTorch or a function; got {criterion!r}")
    function = next((name for known, name in FUNCTIONS.items() if known is criterion), None)
    name = function or type(criterion).__name__
    if name not in CRITERIA or not (function or _from_torch(criterion)):
        return None
    if getattr(criterion, "label_smoothing", 0.0) != 0.0:
        raise refuse(f"criterion ({name})", "expected label_smoothing=0: smooth Y instead")
    for attribute in ("weight", "pos_weight"):
        if getattr(criterion, attribute, None) is not None:
            raise refuse(f"criterion ({name})", f"expected {attribute}=None")
    chosen = getattr(criterion, "reduction", "mean")
    if chosen not in REDUCTIONS:
        raise refuse(f"criterion ({name})", f"expected reduction 'mean' or 'sum'; got {chosen!r}")
    return CRITERIA[name][REDUCTIONS.index(chosen)]


def _from_torch(criterion: Any) -> bool:
    """Whether it is one of PyTorch's own losses and not a subclass."""
    return bool(type(criterion) is getattr(nn, type(criterion).__name__, None))


def _tensor(name: str, values: Any) -> Any:
    """X or Y as a tensor: one already, or anything that NumPy takes, such as a DataFrame."""
    if torch.is_tensor(values):
        return values.detach()
    return torch.from_numpy(np.array(numeric(name, values), order="C"))


def _check_rank(Y: Any, outputs: int, criterion: str) -> None:
    """Raises for labels where a loss takes a number for every output."""
    if Y.ndim == 1:
        raise ValueError(
            f"Y: expected shape (N, {outputs}), a number for every output, as {criterion} takes; "
            f"got shape {tuple(Y.shape)}: of labels, their one-hot rows"
        )


def _targets(known: _Criterion | None, Y: Any, dtype: Any) -> Any:
    """Y as a criterion takes it: labels where it knows classes, otherwise numbers."""
    labels = Y.ndim == 1 and not Y.is_floating_point()
    if labels and (known is None or known.loss == "cross_entropy"):
        return Y.to(torch.int64)
    return Y.to(dtype)


def _by_name(loss: str, last: str, reduction: str, targets: Any) -> Callable[[Any, Any], Any]:
    """The loss of that name, of what the model gives out; `last` is its last activation."""

    def value(outputs: Any, _: Any) -> Any:
        y = targets.to(outputs.device)
        if loss == "binary_cross_entropy":
            entropy = (
                functional.binary_cross_entropy_with_logits
                if last == "identity"
                else functional.binary_cross_entropy
            )
            total = entropy(outputs, y, reduction="sum")
        elif loss == "cross_entropy":
            logarithms = {
                "identity": lambda: functional.log_softmax(outputs, dim=1),
                "softmax": outputs.log,
                "log_softmax": lambda: outputs,
            }[last]()
            total = -(y * logarithms).sum()
        else:
            scale = {"sse": 1.0, "half_sse": 0.5, "mse": 1 / y.shape[1]}[loss]
            total = scale * ((outputs - y) ** 2).sum()
        return total / len(y) if reduction == "mean" else total

    return value


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
    given = outputs.detach().cpu().numpy() if torch.is_tensor(outputs) else None
    return _Found(float(value.detach()), grad, given, list(unreached))


def _unreached(layers: Sequence[str]) -> Iterator[str]:
    """Layers that take no part."""
    if layers:
        names = ", ".join(map(repr, layers))
        yield f"the loss does not depend on {names} of the model: not used in forward, or detached"


def _broadcast(outputs: Any, targets: Any, criterion: str) -> Iterator[str]:
    """A classic mistake: (N, 1) beside (N,), which PyTorch makes (N, N)."""
    N = len(targets)
    if N > 1 and tuple(targets.shape) == (N,) and outputs is not None and outputs.shape == (N, 1):
        yield (
            f"{criterion} makes {N} × {N} differences of outputs ({N}, 1) and targets ({N},): "
            "give it targets of the outputs' shape"
        )


def _notes(last: str, criterion: str) -> tuple[str, ...]:
    """A classic mistake: the last activation twice."""
    if last != LAST.get(criterion):
        return ()
    return (f"the model ends with {last}, and {criterion} applies it once more",)
