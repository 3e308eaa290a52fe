"""PyTorch's losses: which of the network's losses they are, and what they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn
from torch.nn import functional

from ..network import REDUCTIONS
from .layers import refuse


class Criterion(NamedTuple):
    """What a loss of PyTorch is here.

    takes: what it wants from the model, of the last layer S, x or ln x. outputs: whether it is also
    the mean over the n_L outputs.
    """

    loss: str
    reduction: str
    takes: tuple[str, ...]
    outputs: bool = False


def _both(mean: str, sum_: str, *takes: str, outputs: bool = False) -> tuple[Criterion, Criterion]:
    """A loss with reduction "mean", and with "sum"."""
    return Criterion(mean, "mean", takes, outputs), Criterion(sum_, "sum", takes)


#: The logarithms of a softmax are sums whose softmax is the same.
CRITERIA = {
    "MSELoss": _both("mse", "sse", "x"),
    "CrossEntropyLoss": _both("cross_entropy", "cross_entropy", "S", "ln x"),
    "NLLLoss": _both("cross_entropy", "cross_entropy", "ln x"),
    "BCELoss": _both("binary_cross_entropy", "binary_cross_entropy", "x", outputs=True),
    "BCEWithLogitsLoss": _both("binary_cross_entropy", "binary_cross_entropy", "S", outputs=True),
}

#: The same as functions, which have reduction "mean" unless told otherwise.
FUNCTIONS = {
    functional.mse_loss: "MSELoss",
    functional.cross_entropy: "CrossEntropyLoss",
    functional.nll_loss: "NLLLoss",
    functional.binary_cross_entropy: "BCELoss",
    functional.binary_cross_entropy_with_logits: "BCEWithLogitsLoss",
}


def called(criterion: Any) -> str:
    """The name of a criterion."""
    if isinstance(criterion, nn.Module):
        return type(criterion).__name__
    return str(getattr(criterion, "__name__", type(criterion).__name__))


def known_as(criterion: Any) -> Criterion | None:
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


def by_name(loss: str, last: str, reduction: str, targets: Any) -> Callable[[Any, Any], Any]:
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
