"""Who computes, and the comparison: `verify` and `assert_gradients`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import FloatArray, choice, describe, numeric, real
from ..interop import trees
from ..interop.layers import Computed, Gradient
from ..network import REDUCTIONS, Network
from ..rounding import Bounds, gradient_bounds
from .factors import explanations
from .forward import Before, before_the_gradients, other_loss
from .result import Verification
from .tensor import RESOLVED, Tensor, eps, ratio_of


def verify(
    subject: Any,
    *data: Any,
    net: Network | None = None,
    loss: str | None = None,
    criterion: Callable[[Any, Any], Any] | None = None,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    reduction: str = "mean",
    factor: float = 1.0,
    dtype: str | None = None,
    engine: str = "auto",
) -> Verification:
    """∂f/∂w of another library against the exact engine, at the same weights and examples.

    Three kinds of subject:

    - `verify(model, X, Y, criterion=nn.CrossEntropyLoss())`: a PyTorch model, as
      `interop.torch.from_torch` takes it. With `hidden` and `output`, any module whose linear
      layers, in the order in which it registers them, are that network's. The criterion is any
      function of (outputs, targets); where it is not one of PyTorch's own, `loss` names it. With
      `loss` alone, PyTorch computes the loss of that name.
    - `verify(function, parameters, X, Y, hidden=…, output=…, loss=…)`: a JAX function of
      (parameters, X, Y) and its pytree of weights, see `interop.trees`.
    - `verify(gradients, X, Y, net=net)`: gradients from anywhere, as the flat vector (P,), as L
      arrays like net.W, or in such a pytree.

    Parameters
    ----------
    X : array (N, n_0), finite; for PyTorch also (N, …), where the model begins with nn.Flatten.
    Y : targets (N, n_L) or integer labels (N,), as the criterion and `Network.backprop` take them.
    net : Network, for given gradients only.
    loss, hidden, output : names, as for `Network`; of a model only what it does not say itself.
    reduction : "mean" or "sum" over the examples, of a loss that does not say it itself.
    factor : what theirs are expected to be times ours, over and above a factor that is known.
    dtype : "float64" or "float32", in which both compute; the model's own stays what it is.
    engine : str
        Of our gradients.

    The bounds, and what `undecided` means, are explained in this package's text. Where theirs are a
    constant times ours, `explanations` says which factors of the loss this may be.

    Raises `TypeError` or `ValueError` for what does not fit together, before anything is compared;
    `ImportError` where the library is missing.

    >>> import loopbp
    >>> net = loopbp.Network([2, 3, 2], hidden="tanh")
    >>> X, Y = [[1.0, 2.0], [-1.0, 0.5]], [0, 1]
    >>> loopbp.verify(net.backprop(X, Y, engine="numpy").grad, X, Y, net=net).verdict
    'agree'
    """
    options = {
        "loss": loss,
        "hidden": hidden,
        "output": output,
        "reduction": choice("reduction", reduction, REDUCTIONS),
        "dtype": dtype,
    }
    expected = real("factor", factor)
    if expected == 0:
        raise ValueError("factor: expected a number that is not 0")
    computed = _computed(subject, data, net, criterion, options)
    return _compared(computed, expected, engine)


def assert_gradients(subject: Any, *data: Any, **options: Any) -> None:
    """Raises `VerificationError`, an AssertionError, unless the gradients agree.

    For tests, in one line; the arguments are those of `verify`. The message names the worst entry
    (layer, i, j), both values and the ulps between them.

    >>> import loopbp
    >>> net = loopbp.Network([2, 2], loss="half_sse", output="identity", init="zeros")
    >>> loopbp.assert_gradients(net.backprop([[1, 2]], [[0, 1]]).grad, [[1, 2]], [[0, 1]], net=net)
    """
    verify(subject, *data, **options).raise_if_failed()


# --- Who computes. ------------------------------------------------------------------------------


def _computed(
    subject: Any,
    data: Sequence[Any],
    net: Network | None,
    criterion: Callable[[Any, Any], Any] | None,
    options: dict[str, Any],
) -> Computed:
    """What the library computed, by the kind of the subject."""
    if len(data) not in (2, 3):
        raise TypeError(
            "verify: expected (model, X, Y), (function, parameters, X, Y), or (gradients, X, Y) "
            f"and net=; got {1 + len(data)} arguments"
        )
    if isinstance(subject, type):
        raise TypeError(f"verify: expected a model, not its class: {subject.__name__}(…)")
    torch = "torch" in sys.modules and _is_torch_model(subject)
    if len(data) == 2 and torch:
        _leave_out("net", net)
        from ..interop.torch_gradients import gradients as torch_gradients

        return torch_gradients(subject, *data, criterion=criterion, **options)
    _leave_out("criterion", criterion)
    if len(data) == 3:
        _leave_out("net", net)
        if not callable(subject) or torch:
            raise TypeError(
                f"verify: expected a function of (parameters, X, Y); got {describe(subject)}"
            )
        from ..interop.jax import gradients as jax_gradients

        return jax_gradients(subject, *data, **options)
    for name in ("loss", "hidden", "output", "dtype"):
        _leave_out(name, options[name])
    if not isinstance(net, Network):
        raise TypeError(
            f"net: expected the loopbp.Network whose gradients these are; got {describe(net)} "
            f"(and {describe(subject)} is no PyTorch model)"
        )
    return _given(subject, data[0], data[1], net, options["reduction"])


def _is_torch_model(subject: Any) -> bool:
    """Whether it is a module of PyTorch, which is there."""
    from ..interop.torch_gradients import is_model

    return is_model(subject)


def _leave_out(name: str, value: object) -> None:
    """Raises where an option was given that the subject has no use for."""
    if value is not None:
        raise TypeError(f"{name}: not with this kind of subject; leave it out")


def _given(gradients: Any, X: Any, Y: Any, net: Network, reduction: str) -> Computed:
    """Gradients from anywhere, as `verify` says."""
    return Computed(
        net,
        numeric("X", X),
        numeric("Y", Y),
        _gradients(gradients, net),
        None,
        reduction,
        1.0,
        "given gradients",
    )


def _gradients(gradients: Any, net: Network) -> list[Gradient]:
    """The flat vector, L arrays like net.W, or a pytree."""
    if hasattr(gradients, "ndim") and gradients.ndim == 1:
        flat = numeric("gradients", gradients)
        if flat.shape != net.theta.shape:
            raise ValueError(
                f"gradients: expected {len(net.theta):,} derivatives; got {len(flat):,}"
            )
        gradients = net.architecture.views(np.ascontiguousarray(flat))
    if isinstance(gradients, list | tuple) and all(_matrix(part) for part in gradients):
        return [
            Gradient(numeric(name, part)[1:], numeric(name, part)[0], name, name)
            for l, part in enumerate(gradients)
            for name in (f"gradients[{l}]",)
        ]
    return [
        Gradient(*layer)
        for layer in trees.layers_of(gradients, "gradients", (net.sizes[0], net.sizes[-1]))
    ]


def _matrix(part: Any) -> bool:
    """Whether it is an array with rows and columns."""
    return hasattr(part, "dtype") and np.ndim(part) == 2


# --- The comparison. --------------------------------------------------------------------------


def _compared(computed: Computed, factor: float, engine: str) -> Verification:
    """Ours at the same weights and examples, beside theirs."""
    net = computed.net
    trace = net.backprop(computed.X, computed.Y, engine=engine, reduction=computed.reduction)
    assert trace.grad is not None
    if not all(np.isfinite(part).all() for part in trace.grad):
        raise ValueError("X: expected examples whose gradients are finite at these weights")
    bounds, likely = gradient_bounds(trace), gradient_bounds(trace, likely=True)
    expected = factor * computed.factor
    if len(computed.grad) != net.L:
        raise ValueError(f"gradients: expected {net.L} layers; got {len(computed.grad)}")
    tensors = tuple(_tensors(computed.grad, trace.grad, (bounds.grad, likely.grad), expected))
    if not tensors:
        raise ValueError("gradients: expected at least one tensor to compare; got none")
    differ = any(tensor.beyond for tensor in tensors)
    before = before_the_gradients(computed, trace, expected, tensors) if differ else Before()
    causes = tuple(explanations(tensors, net.loss, len(trace.x[0]), net.sizes[-1], trace.reduction))
    if causes and before.right:
        causes = (f"{ratio_of(tensors):.6g} · ours throughout, by a factor on the way back",)
    return Verification(
        tensors,
        net,
        trace,
        computed.source,
        computed.loss,
        expected,
        (likely if any(tensor.likely for tensor in tensors) else bounds).kinks,
        causes,
        computed.notes if differ else (*computed.notes, *other_loss(computed, trace, expected)),
        before.sentence if before.right or not causes else "",
    )


def _tensors(
    theirs: Sequence[Gradient],
    ours: Sequence[FloatArray],
    bounds: tuple[Sequence[Bounds], Sequence[Bounds]],
    factor: float,
) -> Iterator[Tensor]:
    """Biases and weights of every layer, as far as theirs have them; ours times the factor.

    `bounds` E in the worst case, and likely ones for tensors of which the worst case says too
    little.
    """
    for l, (gradient, grad, worst, likely) in enumerate(zip(theirs, ours, *bounds, strict=True)):
        blocks = (
            ("biases", gradient.bias_name, gradient.bias, slice(0, 1)),
            ("weights", gradient.weight_name, gradient.weight, slice(1, None)),
        )
        for block, name, values, rows in blocks:
            if values is None:
                continue
            part = grad[rows]
            found = _shaped(name, values, part)
            scaled = part if factor == 1 else (factor * part).astype(part.dtype)
            # The rounding of the factor, and twice E.
            own = (factor != 1) * np.abs(scaled).astype(np.float64) * eps(part)
            guaranteed, probable = (2 * abs(factor) * E[rows] + own for E in (worst, likely))
            transposed = name.endswith("weight") and block == "weights"
            tensor = Tensor(l, block, name, transposed, scaled, found, guaranteed)
            blurred = tensor.resolution > RESOLVED
            yield replace(tensor, bound=probable, likely=True) if blurred else tensor


def _shaped(name: str, values: NDArray[Any], like: FloatArray) -> FloatArray:
    """The values, which have to have the shape and the dtype of ours."""
    if values.dtype != like.dtype:
        raise TypeError(f"{name}: expected {like.dtype}, as the network is; got {values.dtype}")
    shape = like.shape[1:] if values.ndim == 1 else like.shape
    if values.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, (in, out); got {values.shape}")
    return values.reshape(like.shape)
